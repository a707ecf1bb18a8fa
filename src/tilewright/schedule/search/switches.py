"""The rules by which the search skips work. Each loses nothing: all combinations find the same optimum."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Switches:
    """Rules by name. They are there to be tested; nobody gains by turning one off.

    ``rests``: a state is dropped if what it has cost and the least that the rest of the nodes can cost reach the best
    known value. The rest lets every group have its cheapest residency, so it is never more than the truth.
    ``incumbent``: the best known value prunes; otherwise it is only kept as an answer.
    ``places``: of two states with the same nodes executed, one is dropped if the other costs no more and has each base
    where the former has it or in more places: it can do whatever the former can, since a chip copy goes for free. Not
    for energy * delay, where states have several sums.
    ``drops``: a chip copy that a group does not touch goes only if the group needs the room.
    ``narrow``: searches that keep few states per number of nodes come first and find good answers to prune with.
    ``lines``: for energy * delay, states are bounded by the least of mixed sums too, not by the least energy times the
    least delay only.
    ``known_rests``: for energy * delay, fronts of labels are bounded by exact rests over the states that are left, not
    by those of the relaxation.
    """

    rests: bool = True
    incumbent: bool = True
    places: bool = True
    drops: bool = True
    narrow: bool = True
    lines: bool = True
    known_rests: bool = True
