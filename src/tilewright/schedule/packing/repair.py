"""A schedule that cannot be packed, changed by small steps until it can be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tilewright.schedule.offers import Choice, Offer, Offers, Residency, Solution
from tilewright.schedule.packing.conflict import smallest
from tilewright.schedule.packing.packer import Packer
from tilewright.schedule.stays import held_bytes

MOST_OFFERS = 8  # of a group that are tried in place of another, the best first


def repaired(offers: Offers, objective: str, packer: Packer, choices: tuple[Choice, ...]) -> tuple[Choice, ...] | None:
    """Choices that can be packed; None if some operator by itself has no offer that can be.

    As long as there is a section without addresses, the best of these changes is made to its smallest conflict: one of
    its bases goes through DRAM instead of staying on chip, or one of its groups takes another offer with which the
    section can be packed. Where none of them is possible, the section's operators run one by one through DRAM, which
    can always be packed. Each change leaves fewer bases on chip or fewer sections without addresses: there is an end.
    """
    while failing := packer.failing(choices):
        section = failing[0]
        conflict = smallest(packer, choices, section)
        changes = [_streamed(offers, objective, choices, section, base) for base in sorted(conflict.bases)]
        if conflict.proven or len(section) == 1:
            changes += [_otherwise(offers, objective, packer, choices, section, number) for number in conflict.groups]
        ways = [change for change in changes if change is not None]
        if ways:
            choices = min(ways, key=lambda way: _value(way, objective))
            continue
        apart = _one_by_one(offers, objective, packer, choices, section)
        if apart is None:
            return None
        choices = apart
    return choices


def _value(choices: Sequence[Choice], objective: str) -> float:
    return Solution(tuple(choices), 0.0).value(objective)


def _streamed(
    offers: Offers, objective: str, choices: tuple[Choice, ...], section: range, base: str
) -> tuple[Choice, ...] | None:
    """The same groups with one base through DRAM all along a section; None if one of them cannot run like that."""
    found = list(choices)
    for number in section:
        choice, places = choices[number], choices[number].residency
        if base not in places.on_chip:
            continue
        less = Residency(
            resident=places.resident - {base},
            loaded=places.loaded - {base},
            held=places.held - {base},
            stored=places.stored | (places.held & {base}),
        )
        over = None if choice.over is not None and base in choice.over else choice.over
        found[number] = replace(choice, residency=less, over=over)
    across = held_bytes(offers.graph, found)
    for number in section:
        one = found[number]
        if one is not choices[number]:
            left = offers.capacity - across[number]
            fitting = [offer for offer in offers.of(one.nodes, one.residency) if offer.room_bytes <= left]
            if not fitting:
                return None
            found[number] = min(_with(found, number, fitting), key=lambda way: _value(way, objective))[number]
    return tuple(found)


def _otherwise(
    offers: Offers, objective: str, packer: Packer, choices: tuple[Choice, ...], section: range, number: int
) -> tuple[Choice, ...] | None:
    """The same groups and places with another offer of one group, so that the section can be packed."""
    one = choices[number]
    left = offers.capacity - held_bytes(offers.graph, choices)[number]
    others = [o for o in offers.of(one.nodes, one.residency) if o.room_bytes <= left and o != one.offer]
    ways = sorted(_with(choices, number, others), key=lambda way: _value(way, objective))
    return next((way for way in ways[:MOST_OFFERS] if packer.verdict(way, section) == "feasible"), None)


def _one_by_one(
    offers: Offers, objective: str, packer: Packer, choices: tuple[Choice, ...], section: range
) -> tuple[Choice, ...] | None:
    """The operators of a section by themselves, all their maps through DRAM: at its ends nothing is on chip."""
    found = list(choices[: section.start])
    for node in (node for number in section for node in sorted(choices[number].nodes)):
        nodes = frozenset({node})
        places = Residency(stored=offers.graph.leaving(nodes))
        fitting = [offer for offer in offers.of(nodes, places) if offer.room_bytes <= offers.capacity]
        ways = [Choice(nodes, places, offer) for offer in fitting]
        ways = [way for way in ways if packer.packs([way])]
        if not ways:
            return None
        found.append(min(ways, key=lambda way: _value([*choices, way], objective)))
    return (*found, *choices[section.stop :])


def _with(choices: Sequence[Choice], number: int, others: Sequence[Offer]) -> Iterator[tuple[Choice, ...]]:
    """The choices with each of some offers for one of them."""
    for offer in others:
        yield (*choices[:number], replace(choices[number], offer=offer), *choices[number + 1 :])
