"""The complete search against exhaustive search, another solver, itself, and public instances."""

from itertools import combinations
from pathlib import Path
from random import Random

import pytest

from tilewright.memory import exact
from tilewright.memory.buffer import Buffer, Packing, Problem
from tilewright.memory.csv_file import read_buffers
from tilewright.memory.exact import RULE_NAMES, RULES, least, solve

INSTANCES = Path(__file__).resolve().parents[2].parent / "shared" / "minimalloc"

SWITCHES = [frozenset(chosen) for k in range(len(RULE_NAMES) + 1) for chosen in combinations(RULE_NAMES, k)]


def wrong(problem: Problem, offsets: tuple[int, ...], height: int) -> list[str]:
    """What is wrong with offsets, by looking at all pairs."""
    buffers, found = problem.buffers, []
    for i, b in enumerate(buffers):
        if offsets[i] < 0 or offsets[i] % b.alignment or (b.size_bytes and offsets[i] + b.size_bytes > height):
            found.append(f"{b.name} at {offsets[i]}")
        if b.address is not None and offsets[i] != b.address:
            found.append(f"{b.name} at {offsets[i]} and not at its address")
        for j in range(i):
            c = buffers[j]
            together = b.start < c.end and c.start < b.end and (j, i) not in problem.sharing
            if (
                together
                and b.size_bytes
                and c.size_bytes
                and offsets[i] < offsets[j] + c.size_bytes
                and offsets[j] < offsets[i] + b.size_bytes
            ):
                found.append(f"{b.name} and {c.name}")
    return found


def fits(problem: Problem, height: int) -> bool:
    """Whether there is a placement within the height: every offset of every buffer is tried."""
    buffers = [(i, b) for i, b in enumerate(problem.buffers) if b.size_bytes]
    against = [
        [
            k
            for k, (j, c) in enumerate(buffers[:at])
            if b.start < c.end and c.start < b.end and (j, i) not in problem.sharing
        ]
        for at, (i, b) in enumerate(buffers)
    ]
    offsets: list[int] = []

    def place(at: int) -> bool:
        if at == len(buffers):
            return True
        b = buffers[at][1]
        places = range(0, height - b.size_bytes + 1, b.alignment)
        for offset in places if b.address is None else [b.address] if b.address + b.size_bytes <= height else []:
            if all(
                offset + b.size_bytes <= offsets[k] or offsets[k] + buffers[k][1].size_bytes <= offset
                for k in against[at]
            ):
                offsets.append(offset)
                if place(at + 1):
                    return True
                offsets.pop()
        return False

    return place(0)


def lowest(problem: Problem, most: int = 24) -> int | None:
    """The least height, None if there is none up to the most."""
    return next((height for height in range(most + 1) if fits(problem, height)), None)


def tiny(random: Random) -> Problem:
    """Up to seven buffers, with alignments, fixed addresses and sharing in some."""
    n, steps = random.randint(1, 7), random.randint(1, 6)
    alignments = random.choice([(1,), (1,), (1, 1, 2), (2,), (2, 4), (1, 2, 4), (3,), (2, 3)])
    fixed, shared = random.choice([0, 0, 0.2, 0.4]), random.choice([0, 0, 0.2, 0.5])
    largest = random.choice([1, 2, 3, 4])
    buffers: list[Buffer] = []
    for i in range(n):
        start = random.randrange(steps)
        alignment = random.choice(alignments)
        address = alignment * random.randint(0, 8 // alignment) if random.random() < fixed else None
        size = random.randint(0 if random.random() < 0.1 else 1, largest)
        buffers.append(Buffer(f"b{i}", size, start, random.randint(start + 1, steps), alignment, address))
        if i and random.random() < 0.2:
            buffers[i] = Buffer(f"b{i}", *(getattr(buffers[i - 1], f) for f in ("size_bytes", "start", "end")))
    pairs = [(i, j) for j in range(n) for i in range(j) if random.random() < shared]
    return Problem(tuple(buffers), None, frozenset(pairs))


def no_greedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave everything to the search: the only other placement known stacks all buffers up."""

    def stacked(piece, kernels):
        common = (piece.size, piece.unit, piece.address, piece.low, piece.high)
        yield kernels.stack_up(*common, len(piece.total))

    monkeypatch.setattr(exact, "_greedy", stacked)


def equals_exhaustive(seeds: range, switches: int, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {"feasible": 0, "infeasible": 0, "collision": 0}
    for seed in seeds:
        random = Random(seed)
        problem = tiny(random)
        best = lowest(problem)
        if seed % 2 == 0:
            no_greedy(monkeypatch)
        for k in range(switches):
            rules = SWITCHES[-1 - (seed * switches + k) % len(SWITCHES)] if k else RULES
            found = least(problem, rules=rules)
            if best is None:
                assert found.status == "infeasible", (seed, rules)
                assert "share bytes" in found.reason
                counts["collision"] += 1
                continue
            assert (found.status, found.peak_bytes, found.bound_bytes) == ("optimal", best, best), (seed, rules)
            assert found.live_bytes <= best
            assert not wrong(problem, found.offsets, best), (seed, rules)
            for height in (best - 1, best, best + 1):
                if height < 0:
                    continue
                within = Problem(problem.buffers, height, problem.sharing)
                found = solve(within, rules=rules)
                assert found.status == ("feasible" if height >= best else "infeasible"), (seed, rules, height)
                counts[found.status] += 1
                if height >= best:
                    assert not wrong(within, found.offsets, height), (seed, rules, height)
                    assert found.peak_bytes <= height
                else:
                    assert found.reason
                    assert least(within, rules=rules).status == "infeasible"
        monkeypatch.undo()
    assert min(counts.values()) > 0


def test_equals_exhaustive_search(monkeypatch):
    equals_exhaustive(range(150), 5, monkeypatch)


@pytest.mark.long
def test_equals_exhaustive_search_in_many(monkeypatch):
    equals_exhaustive(range(10_000, 12_000), 12, monkeypatch)


def medium(random: Random) -> Problem:
    """Some dozens of buffers; fixed addresses are those of a placement that exists."""
    n, steps = random.randint(20, 60), random.randint(6, 30)
    buffers = []
    for i in range(n):
        start = random.randrange(steps)
        end = min(steps, start + random.choice([1, 1, 2, 3, 5, steps]))
        buffers.append(Buffer(f"b{i}", random.randint(1, 12), start, end, random.choice([1, 1, 2, 4])))
    overlapping = [
        (i, j)
        for j in range(n)
        for i in range(j)
        if buffers[i].start < buffers[j].end and buffers[j].start < buffers[i].end
    ]
    pairs = frozenset(random.sample(overlapping, min(len(overlapping), random.choice([0, 0, 3]))))
    return Problem(tuple(buffers), None, pairs)


def by_cp_sat(problem: Problem, seconds: float) -> tuple[int, int]:
    """The least height found by a constraint model, and its bound."""
    cp_model = pytest.importorskip("ortools.sat.python.cp_model")
    model = cp_model.CpModel()
    buffers = problem.buffers
    most = sum(b.size_bytes + b.alignment for b in buffers)
    height = model.new_int_var(0, most, "height")
    vertical = []
    for b in buffers:
        multiple = model.new_int_var(0, most // b.alignment, b.name)
        vertical.append(model.new_fixed_size_interval_var(b.alignment * multiple, b.size_bytes, b.name))
        model.add(b.alignment * multiple + b.size_bytes <= height)
    if problem.sharing:
        for i, j in combinations(range(len(buffers)), 2):
            b, c = buffers[i], buffers[j]
            if b.start < c.end and c.start < b.end and (i, j) not in problem.sharing:
                model.add_no_overlap([vertical[i], vertical[j]])
    else:
        horizontal = [model.new_fixed_size_interval_var(b.start, b.end - b.start, b.name) for b in buffers]
        model.add_no_overlap_2d(horizontal, vertical)
    model.minimize(height)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.max_time_in_seconds = seconds
    status = solver.solve(model)
    found = int(solver.objective_value) if status in (cp_model.OPTIMAL, cp_model.FEASIBLE) else most
    return found, int(solver.best_objective_bound)


def equals_cp_sat(seeds: range, seconds: float) -> None:
    proven = 0
    for seed in seeds:
        problem = medium(Random(seed))
        found = least(problem, budget=100_000)
        height, bound = by_cp_sat(problem, seconds)
        assert not wrong(problem, found.offsets, found.peak_bytes), seed
        assert found.bound_bytes <= height, seed
        assert bound <= found.peak_bytes, seed
        if found.status == "optimal" and height == bound:
            assert found.peak_bytes == height, seed
            proven += 1
    assert proven >= 0.6 * len(seeds)


def test_equals_a_constraint_solver():
    equals_cp_sat(range(10), 1.0)


@pytest.mark.long
def test_equals_a_constraint_solver_on_many():
    equals_cp_sat(range(1000, 1200), 10.0)


def test_same_input_same_result():
    for seed in range(3):
        problem = medium(Random(seed))
        assert least(problem, budget=20_000, seed=7) == least(problem, budget=20_000, seed=7)


def instances() -> list[Path]:
    return sorted(INSTANCES.glob("*.csv"))


@pytest.mark.skipif(not instances(), reason="the public instances are not there")
@pytest.mark.parametrize("path", instances(), ids=lambda path: path.name)
def test_solves_public_instances(path):
    problem = Problem(read_buffers(path).buffers, int(path.name.split(".")[-2]))
    found = solve(problem)
    assert found.status == "feasible"
    assert not wrong(problem, found.offsets, problem.capacity_bytes)


def test_a_first_placement_is_used_and_checked():
    buffers = (Buffer("a", 3, 0, 3), Buffer("b", 2, 1, 4), Buffer("c", 4, 2, 5))
    problem = Problem(buffers, 9)
    good = Packing("feasible", (0, 3, 5), 9, 9)
    assert solve(problem, first=good).offsets == (0, 3, 5)
    overlapping = Packing("feasible", (0, 2, 5), 9, 9)
    found = solve(problem, first=overlapping)
    assert not wrong(problem, found.offsets, 9)
    assert solve(problem, first=Packing("limit", (), 0, 0)).status == "feasible"


def test_says_why_nothing_fits():
    assert solve(Problem((Buffer("a", 9, 0, 1),), 8)).reason == "a alone needs 9 B, there are 8 B"
    late = Buffer("a", 4, 0, 1, alignment=4, address=8)
    assert solve(Problem((late,), 8)).reason == "a at its address 8 ends at 12 B, there are 8 B"
    other = Buffer("b", 4, 0, 2, address=6)
    reason = "a at its address 8 and b at its address 6 share bytes in sub-step 0"
    assert least(Problem((late, other))).reason == reason
    assert least(Problem((late, other), sharing=frozenset({(0, 1)}))).peak_bytes == 12
    # The live bytes fit, the placement does not: both ends are taken, and what is left is in two halves.
    halves = (Buffer("a", 2, 0, 2, address=1), Buffer("b", 2, 0, 1), Buffer("c", 1, 1, 2))
    assert solve(Problem(halves, 4)).reason.startswith("no placement fits within 4 B: all were ruled out (")
    assert least(Problem(halves)).peak_bytes == 5


def test_refuses_what_makes_no_sense():
    with pytest.raises(ValueError, match="there are no rules florr"):
        least(Problem(()), rules=frozenset({"florr"}))
    with pytest.raises(ValueError, match="needs a capacity"):
        solve(Problem(()))
    assert least(Problem(())).status == "optimal"
    empty = (Buffer("a", 0, 0, 1, address=8), Buffer("b", 0, 0, 1))
    assert least(Problem(empty, 0)).offsets == (8, 0)


def test_a_budget_or_deadline_ends_the_search():
    problem = medium(Random(1))
    for found in (least(problem, budget=0), least(problem, deadline=0.0)):
        assert found.status in ("limit", "optimal")
        assert not wrong(problem, found.offsets, found.peak_bytes)
        assert found.bound_bytes <= found.peak_bytes


def test_very_many_buffers_get_a_greedy_placement():
    random = Random(3)
    spans = [
        (start, start + random.choice([1, 2, 10, 60])) for start in (random.randrange(6_000) for _ in range(9_000))
    ]
    buffers = tuple(
        Buffer(f"b{i}", random.randint(1, 1000), start, end, random.choice([1, 4]))
        for i, (start, end) in enumerate(spans)
    )
    found = least(Problem(buffers, sharing=frozenset({(0, 1), (5, 9)})))
    assert found.status in ("limit", "optimal")
    assert found.bound_bytes <= found.peak_bytes < 1.5 * found.bound_bytes
    events = sorted(range(len(buffers)), key=lambda i: spans[i])
    alive: list[int] = []
    for i in events:
        alive = [j for j in alive if spans[j][1] > spans[i][0]]
        for j in alive:
            a, b = found.offsets[i], found.offsets[j]
            clear = a >= b + buffers[j].size_bytes or b >= a + buffers[i].size_bytes
            assert clear or (min(i, j), max(i, j)) in {(0, 1), (5, 9)}
        alive.append(i)
