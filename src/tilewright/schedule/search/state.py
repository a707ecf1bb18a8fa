"""What the search goes through: states, steps between them, and one exploration of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from tilewright.schedule.offers import Choice, Offer
from tilewright.schedule.search.masks import Masks
from tilewright.schedule.search.measure import Measure, Vector
from tilewright.schedule.search.moves import Move, Moves
from tilewright.schedule.search.rests import After, Rests
from tilewright.schedule.search.switches import Switches

INFINITE = float("inf")
Key = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Problem:
    """A network's groups and moves with their bounds: all that does not change during a search."""

    masks: Masks
    capacity: int
    measure: Measure
    moves: Moves
    rests: Rests
    after: After
    switches: Switches

    def rest(self, done: int) -> Vector:
        """The bound of what is left: infinite where the rest cannot be executed, nothing if bounds are switched off."""
        found = self.rests.of(done)
        return found if self.switches.rests or found[0] == INFINITE else (0.0,) * len(found)

    def bound(self, state: State) -> float:
        """The least objective of all schedules through a state, as far as bounds tell."""
        rest = self.rest(state.done)
        if rest[0] == INFINITE:
            return INFINITE
        return self.measure.value([s + r for s, r in zip(state.sums, rest, strict=True)])


@dataclass(eq=False, slots=True)
class State:
    """Executed nodes and where the live bases are. ``sums[j]`` is the least of sum j over all ways here,
    ``last[j]`` the last step of such a way. ``number`` is its place in the order of expansion, -1 without one.
    """

    done: int
    chip: int
    dram: int
    sums: list[float]
    last: list[Step | None]
    number: int = -1


@dataclass(eq=False, slots=True)
class Step:
    """A move out of a state with what it can afford: the offers ``move.fronts[index]``. Those of more room than
    ``free_bytes`` need ``over``, the (written, resident) bases that share a place.
    """

    source: State
    target: State
    move: Move
    index: int
    free_bytes: int
    over: tuple[int, int] | None

    @property
    def least(self) -> Vector:
        return self.move.least[self.index]

    def choice(self, masks: Masks, offer: Offer) -> Choice:
        """The step with one of its offers, as a part of a solution."""
        over = None
        if self.over is not None and offer.room_bytes > self.free_bytes:
            written, resident = self.over
            over = (masks.names[written.bit_length() - 1], masks.names[resident.bit_length() - 1])
        return Choice(self.move.group.members, self.move.residency, offer, over)


@dataclass(eq=False)
class Sweep:
    """One exploration, maybe an unfinished one. ``layers[n]`` are states with n nodes executed that wait for expansion.

    ``lost`` is the least that a schedule can cost which goes through a state that was left out for lack of room.
    ``states`` and ``steps`` are in the order of expansion; steps are kept for energy * delay only.
    """

    layers: list[dict[Key, State]]
    lost: float = INFINITE
    states: list[State] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    @property
    def final(self) -> State | None:
        """The state in which all is executed."""
        return next(iter(self.layers[-1].values()), None)

    def bound(self, problem: Problem) -> float:
        """The least that schedules can cost which this sweep left out, has not come to yet, or has found."""
        return min(self.lost, *(problem.bound(s) for layer in self.layers for s in layer.values()), INFINITE)

    def path(self, problem: Problem, sum_number: int) -> tuple[Choice, ...]:
        """The schedule that is least in one of the sums, if there is any."""
        found: list[Choice] = []
        state = self.final
        while state is not None and (step := state.last[sum_number]) is not None:
            offers = step.move.fronts[step.index]
            found.append(step.choice(problem.masks, min(offers, key=lambda o: problem.measure.vector(o)[sum_number])))
            state = step.source
        return tuple(reversed(found))
