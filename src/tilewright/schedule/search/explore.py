"""One exploration of the states that a schedule can pass through, by the number of executed nodes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from itertools import combinations

from tilewright.schedule.search.groups import Group
from tilewright.schedule.search.masks import bits
from tilewright.schedule.search.measure import Vector
from tilewright.schedule.search.moves import Move
from tilewright.schedule.search.state import INFINITE, Problem, State, Step, Sweep

NARROW = 100  # states of a layer that are kept once there are too many steps


class _Around:
    """What all states with the same nodes executed have in common: the groups that can follow, cheapest first."""

    def __init__(self, problem: Problem, done: int) -> None:
        measure, moves = problem.measure, problem.moves
        self.partly = problem.masks.live(done)[1]
        found: list[tuple[float, Group, int, int, Vector, Vector]] = []
        for group in problem.after(done):
            then = done | group.nodes
            rest = problem.rest(then)
            if group.nodes in moves.least and rest[0] < INFINITE:
                ahead = tuple(map(sum, zip(moves.least[group.nodes], rest, strict=True)))
                found.append((measure.value(ahead), group, then, problem.masks.live(then)[0], rest, ahead))
        found.sort(key=lambda entry: entry[0])
        self.groups = [entry[1:] for entry in found]


def explore(
    problem: Problem, sweep: Sweep, limit: float, width: int | None, most_steps: int, tick: Callable[[], None]
) -> None:
    """Fill a new sweep layer by layer, so that all ways to a state are known before it is expanded.

    States whose bound reaches ``limit`` are dropped. Of each layer the ``width`` states of least bound are expanded, or
    few if there are over ``most_steps`` steps already. Whatever ``tick`` raises leaves the sweep with a valid bound.
    """
    masks, count = problem.masks, problem.measure.width
    dram = masks.given & masks.live(0)[0]
    sweep.layers[0][0, 0, dram] = State(0, 0, dram, [0.0] * count, [None] * count)
    if not masks.all_nodes:
        return
    for layer in sweep.layers[:-1]:
        bounds = {state: bound for state in layer.values() if (bound := problem.bound(state)) < limit}
        by_done: dict[int, list[State]] = {}
        for state in bounds:
            by_done.setdefault(state.done, []).append(state)
        if problem.switches.places and count == 1:
            by_done = {done: _undominated(states, masks.live(done)[1]) for done, states in by_done.items()}
        states = [state for found in by_done.values() for state in found]
        most = NARROW if len(sweep.steps) > most_steps else width
        left_out = INFINITE
        if most is not None and len(states) > most:
            states.sort(key=bounds.__getitem__)
            left_out = bounds[states[most]]
            del states[most:]
            states.sort(key=lambda state: state.done)
        here, around = -1, None
        for state in states:
            tick()
            if around is None or here != state.done:
                here, around = state.done, _Around(problem, state.done)
            _expand(problem, sweep, around, state, limit)
            state.number = len(sweep.states)
            sweep.states.append(state)
        sweep.lost = min(sweep.lost, left_out)
        layer.clear()
    if sweep.final is not None:
        sweep.final.number = len(sweep.states)


def _expand(problem: Problem, sweep: Sweep, around: _Around, state: State, limit: float) -> None:
    """Take every step out of a state that can still lead to less than ``limit``."""
    value, at, sums, alone = problem.measure.value, problem.moves.at, state.sums, problem.measure.width == 1
    for group, then, live, rest, ahead in around.groups:
        if value([s + a for s, a in zip(sums, ahead, strict=True)]) >= limit:
            if alone:  # groups and moves are sorted by one sum
                break
            continue
        for move in at(group, state.chip, state.dram, around.partly):
            if value([s + m + r for s, m, r in zip(sums, move.least[-1], rest, strict=True)]) >= limit:
                if alone:
                    break
                continue
            _step(problem, sweep, around.partly, state, move, then, live, rest, limit)


def _step(
    problem: Problem,
    sweep: Sweep,
    partly: int,
    state: State,
    move: Move,
    then: int,
    live: int,
    rest: Vector,
    limit: float,
) -> None:
    """A move with each set of chip copies whose loss gives it more offers."""
    group, masks = move.group, problem.masks
    resident, loaded, held, stored = move.places
    during = (state.chip & ~group.inputs) | resident | loaded | held
    free = problem.capacity - masks.bytes_of(during)
    over, spare = None, 0
    for written, taken in move.over:
        if not (written & (state.chip | state.dram) or taken & live):
            over, spare = (written, taken), masks.bytes_of(written)
            break
    idle = state.chip & state.dram & ~partly & ~(group.inputs | group.outputs)
    for gone, index in _drops(problem, move, idle, free + spare):
        new = [s + m for s, m in zip(state.sums, move.least[index], strict=True)]
        fewer = index + 1 < len(move.rooms)  # with all its offers the move is known to stay below the limit
        if fewer and problem.measure.value([n + r for n, r in zip(new, rest, strict=True)]) >= limit:
            continue
        key = (then, during & ~gone & live, (state.dram | stored) & live)
        layer = sweep.layers[then.bit_count()]
        target = layer.get(key)
        if target is None:
            target = layer[key] = State(*key, [INFINITE] * len(new), [None] * len(new))
        step = Step(state, target, move, index, free + masks.bytes_of(gone), over)
        for j, total in enumerate(new):
            if total < target.sums[j]:
                target.sums[j], target.last[j] = total, step
        if len(new) > 1:
            sweep.steps.append(step)


def _drops(problem: Problem, move: Move, idle: int, free: int) -> list[tuple[int, int]]:
    """Sets of idle chip copies that go before a move, with the index of what it then affords.

    Only those that afford more than each of their subsets: to keep a copy never costs more later.
    """
    index = bisect_right(move.rooms, free) - 1
    if not idle or (index == len(move.rooms) - 1 and problem.switches.drops):
        return [(0, index)] if index >= 0 else []
    found = [(0, index)]
    singles = [1 << b for b in bits(idle)]
    for size in range(1, len(singles) + 1):
        for parts in combinations(singles, size):
            gone = sum(parts)
            index = bisect_right(move.rooms, free + problem.masks.bytes_of(gone)) - 1
            if not problem.switches.drops or all(index > known for less, known in found if not less & ~gone):
                found.append((gone, index))
    return [(gone, index) for gone, index in found if index >= 0]


def _undominated(states: list[State], partly: int) -> list[State]:
    """Those that no other state with the same nodes executed replaces: it costs no more and has all bases wherever they
    are in this one, and where this one has those that are still being written.
    """
    kept: list[State] = []
    for state in sorted(states, key=lambda s: (s.sums[0], -(s.chip.bit_count() + s.dram.bit_count()))):
        for other in kept:
            more_chip, more_dram = other.chip ^ state.chip, other.dram ^ state.dram
            if not (state.chip & more_chip or state.dram & more_dram or (more_chip | more_dram) & partly):
                break
        else:
            kept.append(state)
    return kept
