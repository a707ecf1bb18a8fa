"""Short looks at cases leave nothing out: parts by what windows slide along, by positions, and all that is below a
limit; what the scratchpad's tiles alone say of cycles holds for whatever is kept further in."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from tests.mapping.test_lattice import some
from tests.mapping.test_relaxation import LAYER, _is_as_assumed, opened, roots, values

from tilewright.arch.load import load_arch
from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.legal import problems
from tilewright.mapping.nests import default_problem
from tilewright.mapping.optimal.bound_kernels import bound
from tilewright.mapping.optimal.branches import branches, by_windows
from tilewright.mapping.optimal.cases import Node
from tilewright.mapping.optimal.costs import turns_taken
from tilewright.mapping.optimal.forms import LONGEST, TOTAL
from tilewright.mapping.optimal.glances import glanced, ruled_out, told_apart
from tilewright.mapping.optimal.node_kernels import by_path_order, by_tiles, nodes_of
from tilewright.mapping.optimal.profiles import Profiles
from tilewright.mapping.optimal.realize import every_mapping
from tilewright.mapping.optimal.relaxation import relaxed
from tilewright.mapping.optimal.roots import Tally
from tilewright.mapping.optimal.transfer_kernels import exposed_by_tiles, scratch_of

Numbers = tuple[int, ...]


def numbered(node: Node, rows: list[int]) -> Numbers:
    """The numbers of a combination's candidates: the same in every part of an order of keeps."""
    return tuple(int(numbers[row]) for numbers, row in zip(node.numbers, rows, strict=True))


def along_windows(node: Node) -> list[Node]:
    """A node in parts by the components along which windows slide."""
    parts = [(node.case, [np.ones(len(rows), bool) for rows in node.numbers])]
    while (more := by_windows(parts, node)) is not None:
        parts = more
    return [replace(node, case=case) for case, _ in parts]


def total(case: Node, numbers: Numbers) -> float:
    """What the forms of a case say of a combination."""
    form = relaxed(case.origin.where, case.origin.machine, list(case.tables), case.case)
    at = [int(np.searchsorted(own, number)) for own, number in zip(case.numbers, numbers, strict=True)]
    sums = form.coefficients @ np.exp(sum(log[row] for log, row in zip(form.logs, at, strict=True))) + form.constants
    return float(np.prod(sums[form.roles == TOTAL])) * float(max(sums[form.roles == LONGEST]))


@pytest.mark.parametrize("machine", ["eyeriss", "simba", "mobile-npu"])
def test_windows_slide_along_one_component(machine: str) -> None:
    arch = load_arch(machine)
    rng = np.random.default_rng(8)
    judged = better = 0
    for root in roots(default_problem(LAYER, arch, arch.layout), "edp", 3):
        cases = opened(root)
        for _ in range(150):
            rows = [int(len(numbers) * rng.random()) for numbers in root.numbers]
            cost = values(root, rows)
            if not np.isfinite(cost):
                continue
            chosen, numbers = [root.tables[c][row] for c, row in enumerate(rows)], numbered(root, rows)
            for case in cases:
                if not (_holds(case, numbers) and _is_as_assumed(case, chosen)):
                    continue
                parts = along_windows(case)
                if len(parts) > 1:
                    least = min(total(part, numbers) for part in parts)
                    assert least <= cost * (1 + 1e-9)
                    judged += 1
                    better += least > total(case, numbers) * (1 + 1e-9)
    assert judged > 30
    assert better > 5


def test_windows_are_told_apart_item_by_item_and_not_again() -> None:
    arch = load_arch("simba")
    root = roots(default_problem(LAYER, arch, arch.layout), "edp", 1)[0]
    masks = [np.ones(len(rows), bool) for rows in root.numbers]
    parts, slid = [(root.case, masks)], 0
    while (more := by_windows(parts, root)) is not None:
        assert len(more) == 2 * len(parts)  # rows with filter rows, columns with filter columns
        parts, slid = more, slid + 1
    assert slid == sum(item.operand == "input" for item in root.origin.structure.items)
    assert len({case.slides for case, _ in parts}) == 2**slid


@pytest.mark.parametrize("machine", ["mobile-npu", "simba", "eyeriss", "tpu"])
def test_tiles_alone_bound_the_cycles_of_all_that_is_kept_further_in(machine: str) -> None:
    """Rows that part behind the scratchpad's last keep stand for each other, the longest step and fewest points."""
    arch = load_arch(machine).with_scratchpad(700)
    rng = np.random.default_rng(6)
    judged = above = 0
    for root in roots(default_problem(LAYER, arch, arch.layout), "edp", 6):
        where, machine_costs = root.origin.where, root.origin.machine
        table, codes = np.concatenate(root.tables), root.codes()
        offsets = np.concatenate([[0], np.cumsum([len(rows) for rows in root.numbers])])
        _, node = nodes_of(codes, offsets)
        by_path = by_path_order(node, offsets)
        layer, tiles, alike, first, _ = by_tiles(node, by_path, offsets, table, where)
        if layer < 0:
            continue
        place = np.zeros(len(table), np.int64)  # where the row for each row stands
        for c in range(len(offsets) - 1):
            own = by_path[offsets[c] : offsets[c + 1]]
            new = (node[own[1:], : layer + 1] != node[own[:-1], : layer + 1]).any(axis=1)
            place[own] = first[c] + np.concatenate([[0], np.cumsum(new)])
        for _ in range(400):
            rows = np.array([a + int((b - a) * rng.random() ** 2) for a, b in pairwise(offsets)])
            found = min(bound(rows, table, turn, machine_costs, scratch_of(where)) for turn in turns_taken(where))
            stand = place[rows]
            if not np.isfinite(found[0]) or not alike[stand].all():
                continue
            cycles = exposed_by_tiles(stand, tiles, where, machine_costs, scratch_of(where))
            least = min(bound(rows, table, turn, machine_costs, scratch_of(where))[2] for turn in turns_taken(where))
            assert cycles <= least + 1e-6
            judged += 1
            above += cycles > tiles[stand, where.at_points].prod() * 1.05
    assert judged > 30
    assert above > 5


@pytest.mark.parametrize("machine", ["mobile-npu", "simba"])
def test_a_glance_finds_all_that_is_below_a_limit_or_says_that_it_does_not(machine: str) -> None:
    arch = load_arch(machine)
    found_all = found = gave_up = 0
    for number, root in enumerate(roots(default_problem(LAYER, arch, arch.layout), "edp", 4)):
        for case in opened(some(root, number)):
            node = case.dressed
            if node.size > 3000:
                continue
            costs = {
                numbered(node, list(rows)): values(node, list(rows))
                for rows in product(*(range(len(numbers)) for numbers in node.numbers))
            }
            finite = sorted(cost for cost in costs.values() if np.isfinite(cost))
            for place in (3, 200):
                if len(finite) <= place:
                    continue
                limit = finite[place] * (1 + 1e-9)
                profiles = Profiles(node.origin.structure.problem)
                leaves = glanced(node, limit, 1.0, profiles, Tally())
                if leaves is None:
                    gave_up += 1
                    continue
                seen = {numbered(part, list(rows)) for part, rows, _ in leaves}
                own = {
                    numbers
                    for numbers, cost in costs.items()
                    if cost < limit and _is_as_assumed(node, _chosen(node, numbers))
                }
                for numbers in own - seen:
                    rows = _rows(node, numbers)
                    assert ruled_out(node, rows, limit, profiles) or least(node, rows) >= limit
                found_all += 1
                found += len(own & seen)
    assert found_all > 5
    assert found > 5
    assert gave_up > 0


def least(node: Node, rows: list[int]) -> float:
    """What the mappings of a combination really cost: shortest paths know more than the bound of it at times."""
    problem = node.origin.structure.problem
    every = every_mapping(node.origin.structure, node.tiles(rows))
    return min(float(evaluate(problem, one).value("edp")) for one in every if not problems(problem, one))


def _holds(node: Node, numbers: Numbers) -> bool:
    return all(number in own for number, own in zip(numbers, node.numbers, strict=True))


def _rows(node: Node, numbers: Numbers) -> list[int]:
    return [int(np.searchsorted(own, number)) for own, number in zip(node.numbers, numbers, strict=True)]


def _chosen(node: Node, numbers: Numbers) -> list[np.ndarray]:
    return [table[row] for table, row in zip(node.tables, _rows(node, numbers), strict=True)]


@pytest.mark.parametrize("machine", ["eyeriss", "simba"])
@pytest.mark.parametrize("until", [None, 0.0])
def test_parts_by_positions_hold_all_that_is_below_a_limit(machine: str, until: float | None) -> None:
    arch = load_arch(machine)
    rng = np.random.default_rng(3)
    judged = 0
    for number, whole in enumerate(roots(default_problem(LAYER, arch, arch.layout), "edp", 4)):
        root = some(whole, number, 25)
        combinations = [[int(len(numbers) * rng.random()) for numbers in root.numbers] for _ in range(1500)]
        costs = [values(root, rows) for rows in combinations]
        limit = 1.0001 * sorted(costs)[5]
        if not np.isfinite(limit):
            continue
        below = [rows for rows, cost in zip(combinations, costs, strict=True) if cost < limit]
        profiles = Profiles(root.origin.structure.problem)
        told = [root]
        for _ in range(3 if until is None else 1):
            again = [told_apart(part, limit, 1.0, False, until, profiles, Tally()) for part in told if not part.apart]
            told = [part for part in told if part.apart] + [part for parts in again for part, _ in parts]
        for rows in below:
            held = any(_holds(part, numbered(root, rows)) for part in told)
            assert held or ruled_out(root, rows, limit, profiles)
            judged += 1
    assert judged > 5


def test_what_no_window_moves_has_no_such_parts() -> None:
    arch = load_arch("simba")
    node = roots(default_problem(LAYER, arch, arch.layout), "edp", 1)[0]
    for part in along_windows(node):
        assert len(along_windows(part)) == 1
        assert all(child.case.slides >= part.case.slides for child in branches(part))
