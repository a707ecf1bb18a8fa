"""Pin or Fuse (Jeong, Yeo, Bahk, Park, CGO 2023): repeat the dynamic programme with less memory until addresses fit."""

from __future__ import annotations

from collections.abc import Callable

from tilewright.errors import InfeasibleError, LimitError
from tilewright.schedule.offers import Choice, Offers, Solution
from tilewright.schedule.published.asked import Asked
from tilewright.schedule.published.pin_or_fuse_order import MOST_STATES, Planned, Runs, plan

Progress = Callable[[str, int, int], None]  # what, nodes done, of how many

LESS_PERCENT = 98  # of the memory of the attempt before


def pin_or_fuse(
    offers: Offers,
    *,
    fits: Callable[[Solution], bool] | None = None,
    max_retries: int = 200,
    deadline: float | None = None,
    most_states: int = MOST_STATES,
    progress: Progress | None = None,
) -> Solution:
    """Groups and pinned maps of least latency in the order of the graph's nodes, as the paper describes.

    A dynamic programme over one topological order (``plan``) adds up latencies of groups that have the maximum of
    transfers and computation outside the sum over tiles, and lets a group have the room that pinned maps leave. Then
    ``fits`` decides about the whole, which is where the paper allocates buffers; if it says no, everything is repeated
    with 2% less memory, each time, at most ``max_retries`` times. None accepts whatever the programme finds.

    Assumed, since the paper does not say: the least memory is rounded down to bytes once, ``capacity * 0.98**retries``;
    of several plans of one latency the first found is taken. The paper's programme has no limit of states; here it has
    ``most_states`` at each node, and the notes tell if they were too few.

    Past ``deadline`` (a ``time.monotonic`` moment) or after a first Ctrl-C what is left of the order runs node by node
    through DRAM, and the solution is not ``complete``. Its ``bound`` is 0: the method proves nothing. Raises
    InfeasibleError that names the nodes which do not fit and their least room, LimitError if no attempt was accepted.
    """
    asked = Asked(offers, deadline)
    runs = Runs(offers.graph)
    for retries in range(max_retries + 1):
        capacity = offers.capacity * LESS_PERCENT**retries // 100**retries
        planned = plan(asked, runs, capacity, most_states, progress)
        if planned is None:
            raise _impossible(asked, capacity, retries)
        solution = Solution(planned.choices, 0.0, planned.complete, _notes(offers, planned, capacity, retries))
        try:
            if fits is None or fits(solution):
                return solution
        except KeyboardInterrupt:
            asked.interrupt()  # counts as a no: the next plan is made at once and asks little
    raise LimitError(
        f"no addresses were found for any of {max_retries + 1:,} plans, the last of them with"
        f" {capacity:,} of {offers.capacity:,} bytes of the scratchpad; allow more retries"
    )


def _impossible(asked: Asked, capacity: int, retries: int) -> InfeasibleError | LimitError:
    """Why there is no plan. Unless some node does not fit by itself, running each by itself is one."""
    try:
        asked.check_each_alone(capacity)
    except InfeasibleError as error:
        if retries == 0:
            return error
        return InfeasibleError(f"{error}\n(no addresses were found for {retries:,} plans with more memory)")
    return LimitError("stopped before there was any plan; allow more time or more states")


def _notes(offers: Offers, planned: Planned, capacity: int, retries: int) -> tuple[str, ...]:
    pinned = {base for choice in planned.choices for base in choice.residency.held}
    fused = [choice for choice in planned.choices if len(choice.nodes) > 1]
    notes = [
        f"retries: {retries}",
        f"memory planned with: {capacity:,} of {offers.capacity:,} bytes",
        f"latency with the maximum outside the sum: {_loose(planned.choices):,} cycles",
        f"pinned: {len(pinned)} of {sum(1 for base in offers.graph.bases if not base.given)} feature maps",
        f"fused: {sum(len(choice.nodes) for choice in fused)} of {len(offers.graph.nodes)} nodes, groups: {len(fused)}",
    ]
    if planned.dropped:
        notes.append(f"states left out for being too many: {planned.dropped:,}; there may be a faster plan")
    if not planned.complete:
        notes.append("stopped: what was left runs node by node through DRAM")
    return tuple(notes)


def _loose(choices: tuple[Choice, ...]) -> int:
    return sum(choice.offer.loose_cycles for choice in choices)
