"""The bounded search for the optimum of dMazeRunner's model against brute force over all tilings and all orders."""

from __future__ import annotations

import random
from functools import cache
from itertools import permutations, product
from math import prod

import numpy as np
import pytest

from tilewright.errors import InfeasibleError, InputError, LimitError, UsageError
from tilewright.mapping.published.dmazerunner import (
    DIMS,
    FX,
    FY,
    INVARIANT,
    KINDS,
    Layer,
    Machine,
    Tiling,
    Vector,
    conv,
    faults,
    gemm,
    sizes,
    times,
)
from tilewright.mapping.published.dmazerunner_dataflows import (
    DATAFLOWS,
    THRESHOLDS,
    Dataflow,
    best_of_dataflow,
    restrictions,
)
from tilewright.mapping.published.dmazerunner_model import Triple, cost, evaluate
from tilewright.mapping.published.dmazerunner_optimum import (
    MAY,
    MUST,
    NOT,
    OBJECTIVES,
    RATES,
    Restriction,
    Switches,
    optimum,
)
from tilewright.mapping.published.dmazerunner_pruned import EVERYTHING, Pruning, automatic, pruned_search

SEEDS = range(150)
MOST_TILINGS = 350
ANY = Restriction()
Costs = dict[str, tuple[int, int]]


@cache
def four_factors(bound: int) -> tuple[tuple[int, int, int, int], ...]:
    """All ways to write a bound as a product of four."""
    return tuple(
        (a, b, c, bound // (a * b * c))
        for a, b, c in product(range(1, bound + 1), repeat=3)
        if bound % (a * b * c) == 0
    )


@cache
def triples(kind: str, trips: Vector) -> frozenset[Triple]:
    """The reuse of O, I, W under every order of the loops, counted loop by loop."""
    loops = [dim for dim in range(7) if trips[dim] > 1]
    found = set()
    for order in permutations(loops):
        factors = []
        for invariant in INVARIANT[kind]:
            factor = 1
            for dim in order:
                if dim not in invariant:
                    break
                factor *= trips[dim]
            factors.append(factor)
        found.add((factors[0], factors[1], factors[2]))
    return frozenset(found)


def all_tilings(layer: Layer) -> list[Tiling]:
    vectors = (tuple(zip(*choice, strict=True)) for choice in product(*map(four_factors, layer.bounds)))
    return [Tiling(*levels) for levels in vectors]


def allowed(layer: Layer, machine: Machine, tiling: Tiling, restriction: Restriction) -> bool:
    for dim in range(7):
        spread, kind = tiling.spatial[dim] > 1, restriction.spatial[dim]
        if (kind == NOT and spread) or (kind == MUST and not spread):
            return False
        if dim in restriction.whole and tiling.dram[dim] > 1:
            return False
    tile = sizes(layer, times(times(tiling.rf, tiling.spatial), tiling.spm))
    return (
        prod(tiling.spatial) >= restriction.pe_use * machine.pes - 1e-9
        and sum(sizes(layer, tiling.rf)) >= restriction.rf_use * machine.rf_elements - 1e-9
        and sum(tile) * machine.element_bytes >= restriction.spm_use * machine.spm_bytes - 1e-9
    )


@cache
def brute(layer: Layer, machine: Machine, restriction: Restriction = ANY) -> tuple[Costs, int]:
    """Best (value, second value) per objective over all legal tilings and all orders, and how many tilings."""
    best: Costs = {}
    count = 0
    for tiling in all_tilings(layer):
        if faults(layer, machine, tiling) or not allowed(layer, machine, tiling, restriction):
            continue
        count += 1
        for rd, rs in product(triples(layer.kind, tiling.dram), triples(layer.kind, tiling.spm)):
            found = cost(layer, machine, tiling, rd, rs)
            cycles, energy = found.cycles, found.energy_pj
            for name, key in (
                ("edp", (cycles * energy, 0)),
                ("cycles", (cycles, energy)),
                ("energy", (energy, cycles)),
            ):
                best[name] = min(best.get(name, key), key)
    return best, count


def drawn(seed: int) -> tuple[Layer, Machine]:
    """A small layer of any kind, and a machine so small that its limits bind; rates published or drawn."""
    rng = random.Random(seed)
    kind = KINDS[seed % 3]
    while True:
        n, m, c = (rng.choice((1, 1, 2, 3, 4, 6, 8)) for _ in range(3))
        ox, oy, fx, fy = (rng.choice((1, 1, 2, 3, 4)) for _ in range(4))
        if kind == "depthwise":
            m = 1
        if kind == "gemm":
            ox = oy = fx = fy = 1
        bounds: Vector = (n, m, c, ox, oy, fx, fy)
        if 30 <= prod(len(four_factors(bound)) for bound in bounds) <= MOST_TILINGS:
            break
    stride = 1 if kind == "gemm" else rng.choice((1, 1, 2, 3))
    padded = max((ox - 1) * stride + fx, (oy - 1) * stride + fy) + rng.choice((0, 0, 1))
    layer = conv(f"drawn {seed}", bounds, stride, padded, kind)
    published = rng.random() < 0.5
    rates = {} if published else {name: rng.choice((0.05, 0.3, 1, 7, 90)) for name in RATES}
    if not published:
        rates["dma_mhz"] = rng.choice((1, 7, 90))  # A machine's array is at most 100 times as fast as its DMA engine.
    sizes = {"pes": rng.choice((1, 2, 4, 7, 12)), "rf_bytes": 2 * rng.choice((3, 5, 8, 20))}
    sizes |= {"banks": rng.choice((3, 5, 8)), "bank_bytes": rng.choice((4, 16, 64))}
    return layer, Machine(**sizes, **rates)  # type: ignore[arg-type]


def key(objective: str, cycles: int, energy: int) -> tuple[int, int]:
    return {"edp": (cycles * energy, 0), "cycles": (cycles, energy), "energy": (energy, cycles)}[objective]


ALL_SWITCHES = [Switches(*which) for which in product((True, False), repeat=3)]


@pytest.mark.parametrize("seed", SEEDS)
def test_every_combination_of_switches_finds_what_brute_force_over_all_orders_finds(seed: int) -> None:
    layer, machine = drawn(seed)
    best, count = brute(layer, machine)
    for objective, switches in product(OBJECTIVES, ALL_SWITCHES):
        if not count:
            with pytest.raises(InfeasibleError):
                optimum(layer, machine, objective, switches=switches)
            continue
        found = optimum(layer, machine, objective, switches=switches)
        assert key(objective, found.cost.cycles, found.cost.energy_pj) == best[objective], (objective, switches)
        assert faults(layer, machine, found.tiling) == []
        assert evaluate(layer, machine, found.tiling, found.dram_order, found.spm_order) == found.cost


@pytest.mark.parametrize("seed", range(0, 150, 3))
def test_restricted_tilings_are_searched_exactly(seed: int) -> None:
    layer, machine = drawn(seed + seed // 3 % 3)
    rng = random.Random(1000 + seed)
    n, m, c, ox, oy, fx, fy = (rng.choice((MAY, MAY, MAY, NOT, MUST)) for _ in DIMS)
    whole = frozenset(dim for dim in range(7) if rng.random() < 0.2)
    shares = rng.choice((0.0, 0.3, 0.5)), rng.choice((0.0, 0.4, 0.7)), rng.choice((0.0, 0.2, 0.5))
    restriction = Restriction((n, m, c, ox, oy, fx, fy), whole, *shares)
    best, count = brute(layer, machine, restriction)
    for objective, switches in product(OBJECTIVES, ALL_SWITCHES):
        if not count:
            with pytest.raises(InfeasibleError):
                optimum(layer, machine, objective, restriction, switches)
            continue
        found = optimum(layer, machine, objective, restriction, switches)
        assert key(objective, found.cost.cycles, found.cost.energy_pj) == best[objective]
        assert allowed(layer, machine, found.tiling, restriction)


@pytest.mark.parametrize("seed", range(1, 150, 5))
def test_generate_and_test_sees_every_tiling_once(seed: int) -> None:
    layer, machine = drawn(seed)
    best, count = brute(layer, machine)
    if not count:
        with pytest.raises(InfeasibleError):
            pruned_search(layer, machine, pruning=EVERYTHING)
        return
    for objective in OBJECTIVES:
        found = pruned_search(layer, machine, objective, EVERYTHING)
        assert (found.visited, found.status) == (count, "optimal")
        assert key(objective, found.cost.cycles, found.cost.energy_pj) == best[objective]


@pytest.mark.parametrize("seed", range(2, 150, 5))
def test_pruned_search_keeps_what_its_switches_say(seed: int) -> None:
    layer, machine = drawn(seed)
    pruning = Pruning(0.4, 0.4, 0.2)
    best, count = brute(layer, machine, pruning.restriction(layer))
    if count:
        found = pruned_search(layer, machine, "edp", pruning)
        assert (found.visited, found.cost.edp, found.status) == (count, best["edp"][0], "feasible")
    else:
        with pytest.raises(InfeasibleError, match=f"drawn {seed}"):
            pruned_search(layer, machine, "edp", pruning)


@pytest.mark.parametrize(
    "layer",
    [
        conv("strided", (1, 6, 8, 6, 6, 3, 3), 2, 14),
        conv("per channel", (1, 1, 12, 8, 8, 3, 3), 1, 10, "depthwise"),
        gemm("product", 16, 30, 18),
    ],
    ids=lambda layer: layer.name,
)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_all_tilings_of_the_published_machine_hold_nothing_better(layer: Layer, objective: str) -> None:
    bounded, tested = optimum(layer, objective=objective), pruned_search(layer, objective=objective, pruning=EVERYTHING)
    assert (bounded.cost.cycles, bounded.cost.energy_pj) == (tested.cost.cycles, tested.cost.energy_pj)


@pytest.mark.parametrize("seed", range(60))
def test_compiled_model_is_the_plain_one(seed: int) -> None:
    from tilewright.mapping.published.dmazerunner_kernels import cost_of
    from tilewright.mapping.published.dmazerunner_optimum import space

    rng = random.Random(seed)
    layer, machine = drawn(seed)
    arrays = space(layer, machine).arrays
    for tiling in rng.sample(all_tilings(layer), 20):
        rd = rng.choice(sorted(triples(layer.kind, tiling.dram)))
        rs = rng.choice(sorted(triples(layer.kind, tiling.spm)))
        trips = np.array([tiling.dram, tiling.spm, tiling.rf, tiling.spatial], np.int64)
        flat = [arrays[name] for name in ("shape", "bounds", "limits", "rates")]
        compiled = cost_of(*flat, trips, np.array(rd, np.int64), np.array(rs, np.int64))
        plain = cost(layer, machine, tiling, rd, rs)
        assert compiled == (plain.cycles, plain.energy_pj)


def test_switches_are_lowered_as_published() -> None:
    steps = [Pruning()]
    while steps[-1].enough > 1:
        steps.append(steps[-1].lowered())
    assert [(p.pe_use, p.rf_use, p.spm_use) for p in steps] == [
        (0.8, 0.8, 0.5), (0.7, 0.7, 0.5), (0.6, 0.6, 0.4), (0.5, 0.5, 0.3), (0.4, 0.4, 0.2), (0.3, 0.3, 0.1),
        (0.3, 0.3, 0.1),
    ]  # fmt: skip
    assert [p.no_reduction for p in steps] == [p.whole_filters for p in steps] == [True] * 6 + [False]


def test_automatic_switches_stop_where_enough_tilings_are_left_and_end_where_none_are() -> None:
    assert automatic(conv("large", (1, 64, 64, 28, 28, 3, 3))) == Pruning()
    assert automatic(gemm("tiny", 2, 2, 2)).enough == 1
    with pytest.raises(InfeasibleError, match="none: "):
        automatic(gemm("none", 4, 4, 4), Machine(rf_bytes=4))


@pytest.mark.parametrize("dataflow", DATAFLOWS, ids=lambda one: one.name)
def test_dataflows_put_their_two_loops_on_the_array(dataflow: Dataflow) -> None:
    layer = conv("a", (1, 64, 64, 28, 28, 3, 3))
    strict, replicated = (best_of_dataflow(layer, dataflow, reading) for reading in ("strict", "replicated"))
    assert strict is not None
    assert all(strict.tiling.spatial[dim] == 1 for dim in range(7) if dim not in dataflow.pair)
    assert replicated is not None
    assert all(replicated.tiling.spatial[dim] > 1 for dim in dataflow.pair)
    assert (replicated.tiling.dram[FX], replicated.tiling.dram[FY]) == (1, 1)
    free = optimum(layer)
    assert free.cost.edp <= min(strict.cost.edp, replicated.cost.edp)


def test_a_dataflow_takes_the_first_thresholds_that_leave_something() -> None:
    layer = conv("a", (1, 64, 64, 28, 28, 3, 3))
    for flow in DATAFLOWS:
        chosen = None
        for restriction in restrictions(flow, "replicated"):
            try:
                chosen = optimum(layer, restriction=restriction)
                break
            except InfeasibleError:
                continue
        found = best_of_dataflow(layer, flow, "replicated")
        assert (found and found.cost) == (chosen and chosen.cost)
    assert [r.pe_use for r in restrictions(DATAFLOWS[0], "replicated")] == [row[0] for row in THRESHOLDS]


def test_a_pointwise_layer_has_no_filter_loops_to_replicate() -> None:
    assert best_of_dataflow(conv("1x1", (1, 16, 16, 8, 8, 1, 1)), DATAFLOWS[1], "replicated") is None


def test_what_cannot_be_searched_is_said_in_a_sentence() -> None:
    with pytest.raises(LimitError, match=r"huge: .* MACs; layers of up to"):
        optimum(gemm("huge", 2**20, 2**20, 2**20))
    with pytest.raises(LimitError, match=r"many: its bounds have .* combinations of divisors"):
        optimum(conv("many", (60, 60, 60, 60, 60, 6, 6)))
    with pytest.raises(InputError, match="machine: pes is 0; 1 to 65,536 is needed"):
        optimum(gemm("a", 2, 2, 2), Machine(pes=0))
    with pytest.raises(UsageError, match="objective 'speed': one of edp, cycles, energy is needed"):
        optimum(gemm("a", 2, 2, 2), objective="speed")
    with pytest.raises(UsageError, match="reading 'loose'"):
        restrictions(DATAFLOWS[0], "loose")
    with pytest.raises(UsageError, match="objective 'speed'"):
        pruned_search(gemm("a", 2, 2, 2), objective="speed")
