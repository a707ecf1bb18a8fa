"""Parts of a case, whose features sharpen as candidates get fewer: nothing below a limit is lost, no bound too high."""

from __future__ import annotations

import numpy as np
import pytest
from tests.mapping.test_relaxation import LAYER, POINTWISE, roots, values

from tilewright.arch import load_arch
from tilewright.mapping.nests import default_problem
from tilewright.mapping.optimal.bound_kernels import bound
from tilewright.mapping.optimal.cases import Node, solved
from tilewright.mapping.optimal.costs import turns_taken
from tilewright.mapping.optimal.explore_kernels import (
    POSITIONS,
    POSITIONS_FIRST,
    SEGMENTS_FIRST,
    TOGETHER,
    WINDOWS_FIRST,
)
from tilewright.mapping.optimal.forms import LONGEST, ROOM, TOTAL, Relaxed
from tilewright.mapping.optimal.parts import Heads, Led
from tilewright.mapping.optimal.relaxation import relaxed
from tilewright.mapping.optimal.transfer_kernels import scratch_of

NARROW = {"eyeriss": 700, "simba": 350, "mobile-npu": 700, "tpu": 700}


def said(form: Relaxed, rows: list[int]) -> tuple[float, bool]:
    """What forms say of a combination, and whether there is room for it."""
    sums = form.coefficients @ np.exp(sum(log[row] for log, row in zip(form.logs, rows, strict=True))) + form.constants
    longest = float(max(sums[form.roles == LONGEST])) if (form.roles == LONGEST).any() else 1.0
    return float(np.prod(sums[form.roles == TOTAL])) * longest, bool((sums[form.roles == ROOM] <= 1 + 1e-9).all())


def exact(part: Node, rows: list[int]) -> float:
    """The bound of a combination in the orders that a part allows."""
    table = np.stack([own[row] for own, row in zip(part.tables, rows, strict=True)])
    where, machine = part.origin.where, part.origin.machine
    turns = turns_taken(where, part.case.inner, part.case.before)
    return min(float(bound(np.arange(len(rows)), table, turn, machine, scratch_of(where))[0]) for turn in turns)


def few(root: Node, rng: np.random.Generator, most: int) -> Node:
    """A node with some of its candidates, neighbours in the list: they have much in common."""
    masks = []
    for numbers in root.numbers:
        width = int(rng.integers(1, most + 1))
        first = int(rng.integers(0, max(1, len(numbers) - width)))
        masks.append((np.arange(len(numbers)) >= first) & (np.arange(len(numbers)) < first + width))
    return root.only(masks)


@pytest.mark.parametrize("room", [None, 1])
@pytest.mark.parametrize("objective", ["edp", "latency"])
@pytest.mark.parametrize("machine", ["eyeriss", "simba", "mobile-npu", "tpu"])
def test_features_of_a_part_stay_below_all_of_its_combinations(machine: str, objective: str, room: int | None) -> None:
    arch = load_arch(machine) if room is None else load_arch(machine).with_scratchpad(NARROW[machine])
    rng = np.random.default_rng(11)
    judged = sharper = 0
    for root in roots(default_problem(LAYER, arch, arch.layout), objective, 6):
        whole = relaxed(root.origin.where, root.origin.machine, list(root.tables), root.case)
        assert whole.sharp is not None
        for _ in range(60):
            part = few(root, rng, int(rng.integers(1, 12)))
            picked = [np.searchsorted(a, b) for a, b in zip(root.numbers, part.numbers, strict=True)]
            logs = whole.sharp.at(root.offsets, picked)
            form = Relaxed(logs, whole.coefficients, whole.constants, whole.roles, whole.items)
            for _ in range(20):
                rows = [int(rng.integers(len(numbers))) for numbers in part.numbers]
                cost = values(part, rows)
                if not np.isfinite(cost):
                    continue
                least, fits = said(form, rows)
                assert fits
                assert least <= cost * (1 + 1e-9)
                judged += 1
                before, _ = said(whole, [int(own[row]) for own, row in zip(picked, rows, strict=True)])
                sharper += least > before * (1 + 1e-9)
    assert judged > 100
    assert sharper > judged // 20


@pytest.mark.parametrize("wanted", [TOGETHER, SEGMENTS_FIRST, WINDOWS_FIRST, POSITIONS_FIRST, POSITIONS])
@pytest.mark.parametrize("machine", ["eyeriss", "simba", "mobile-npu", "tpu"])
def test_parts_hold_all_that_is_below_a_limit(machine: str, wanted: int) -> None:
    parts_hold_all(machine, wanted, 50.0)


@pytest.mark.parametrize("machine", ["eyeriss", "simba", "mobile-npu", "tpu"])
def test_parts_of_single_combinations_hold_all_that_is_below_a_limit(machine: str) -> None:
    parts_hold_all(machine, TOGETHER, 0.0)


def parts_hold_all(machine: str, wanted: int, states: float) -> None:
    arch = load_arch(machine)
    rng = np.random.default_rng(12)
    judged = settled = 0
    for layer in (LAYER, POINTWISE):
        for root in roots(default_problem(layer, arch, arch.layout), "edp", 3):
            chosen = [[int(len(numbers) * rng.random() ** 2) for numbers in root.numbers] for _ in range(800)]
            costs = [values(root, rows) for rows in chosen]
            limit = 1.0001 * sorted(costs)[12]
            if not np.isfinite(limit):
                continue
            node = solved(root, limit)[0]
            parts = [] if node is None else Heads.of(node, led=True).explored(limit, 1.0, states, 2000, wanted).nodes
            settled += sum(part.case.before is not None for part in parts)
            for rows, cost in zip(chosen, costs, strict=True):
                if not cost < limit:
                    continue
                numbers = [int(own[row]) for own, row in zip(root.numbers, rows, strict=True)]
                holding = [
                    part
                    for part in parts
                    if all(number in own for number, own in zip(numbers, part.numbers, strict=True))
                ]
                assert holding
                found = []
                for part in holding:
                    at = [int(np.searchsorted(own, n)) for own, n in zip(part.numbers, numbers, strict=True)]
                    assert part.form is not None
                    scored = part.bound
                    if part.scores:
                        scored += sum(float(score[row]) for score, row in zip(part.scores, at, strict=True))
                    fresh = relaxed(part.origin.where, part.origin.machine, list(part.tables), part.case)
                    found.append((exact(part, at), np.exp(scored), said(part.form, at)[0], said(fresh, at)[0]))
                assert min(one[0] for one in found) == cost
                # Windows may slide along another component in each part: one of them is the combination's own.
                for k in range(1, 4):
                    assert min(one[k] for one in found) <= cost * (1 + 1e-7)
                judged += 1
    assert judged > 20
    assert settled > 0 or wanted == POSITIONS or not any(part.held for part in [root])


@pytest.mark.parametrize("machine", ["eyeriss", "simba", "mobile-npu"])
def test_leaders_cost_no_more_than_what_follows_them(machine: str) -> None:
    arch = load_arch(machine)
    rng = np.random.default_rng(13)
    judged = 0
    for root in roots(default_problem(LAYER, arch, arch.layout), "edp", 4):
        sharp = relaxed(root.origin.where, root.origin.machine, list(root.tables), root.case).sharp
        assert sharp is not None
        segments = np.split(1.0 * sharp.segments[:, sharp.open], root.offsets[1:-1])
        shares = [np.hstack(both) for both in zip(segments, root.shares(), strict=True)]
        for c, (columns, own) in enumerate(zip(sharp.comparable(root.offsets), shares, strict=True)):
            led = Led.of(columns, own)
            pairs = [(h, r) for k, h in enumerate(led.heads) for r in led.rows[led.ends[k] : led.ends[k + 1]] if r != h]
            for head, row in [pairs[k % len(pairs)] for k in range(100 if pairs else 0)]:
                others = [rng.integers(0, len(numbers), 2) for numbers in root.numbers]
                costs = []
                for mine in (head, row):
                    picked = [np.array([mine]) if k == c else np.sort(one) for k, one in enumerate(others)]
                    costs.append(sharp.at(root.offsets, picked)[c][0])
                assert (costs[0] <= costs[1] + 1e-9).all()
                judged += 1
    assert judged > 300
