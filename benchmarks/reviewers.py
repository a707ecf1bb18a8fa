"""What the reviewers of "Pin or Fuse?" asked and tables of strategies do not tell: single effects, batches, estimates.

    python benchmarks/reviewers.py --rows reviewers.jsonl
    python benchmarks/reviewers.py --rows reviewers.jsonl --table

*Effects*: the optimum of the whole space against those of spaces that lack one thing, in which the published programme
is narrower: one order, groups of one output, chains, a map that is held being there for all its readers, nothing loaded
whole; and all of them, which is still wider than the programme (results that take an input's place; tiles). All over
quick mappings, before packing. *Estimates*: what the published formula, with the maximum of computing and transfers
outside the sum over tiles, says of its plan, against the cycles that the plan takes. *Batches*: strategies over several
images at once. Resumable like ``networks.py``; ``--table`` prints what is there of one machine and objective. Exit code
5 if a narrower space has a better optimum than the whole one, the published plan one than the space it lies in, or the
formula says more than is taken.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from statistics import geometric_mean

import tilewright as tw
from networks import CLOSE, MODELS, record
from resumable import Book, Row, Rows, finish, parser
from sizes import NETWORKS
from tilewright.arch.accelerator import Accelerator
from tilewright.errors import InputError
from tilewright.schedule.compare import compare
from tilewright.schedule.graph import Graph
from tilewright.schedule.group.market import Market
from tilewright.schedule.offers import Offer, Offers, Residency, Solution
from tilewright.schedule.published.groups import joins
from tilewright.schedule.published.pin_or_fuse import pin_or_fuse
from tilewright.schedule.search.groups import all_groups
from tilewright.schedule.search.masks import Masks
from tilewright.schedule.search.strategies import optimal
from tilewright.schedule.strategies import LARGEST, Options, alone_of, market_of
from tilewright.schedule.watched import Limited
from tilewright.workload.rewrite import rewrite
from tilewright.workload.storage import place

NAMES = ("network", "machine", "objective", "kib", "batch", "what")
WHOLE, NARROWEST, FORMULA = "whole space", "all of these", "published formula"
STRATEGIES = ("fuse", "fuse-then-pin", "pin-or-fuse", "optimal")
Allowed = Callable[[Graph, frozenset[int], Residency], bool]


class Narrower:
    """The offers of some groups and residencies only; in one order, if so asked."""

    def __init__(self, offers: Offers, allowed: Allowed, *, one_order: bool = False) -> None:
        self.capacity, self._offers, self._allowed = offers.capacity, offers, allowed
        graph = offers.graph
        before = tuple(earlier | ({k - 1} if k else set()) for k, earlier in enumerate(graph.before))
        self.graph = replace(graph, before=before) if one_order else graph

    def of(self, nodes: frozenset[int], residency: Residency) -> tuple[Offer, ...]:
        """The front of a group, as in ``Offers``."""
        return self._offers.of(nodes, residency) if self._allowed(self._offers.graph, nodes, residency) else ()


def anything(_graph: Graph, _nodes: frozenset[int], _residency: Residency) -> bool:
    return True


def one_output(graph: Graph, nodes: frozenset[int], _residency: Residency) -> bool:
    return len(graph.leaving(nodes)) == 1


def chain(graph: Graph, nodes: frozenset[int], _residency: Residency) -> bool:
    order = sorted(nodes)
    return all(joins(graph, last, node) for last, node in pairwise(order))


def whole_life(graph: Graph, _nodes: frozenset[int], residency: Residency) -> bool:
    """Whether what is held is not stored as well, unless the network's user wants it."""
    return all(graph.base[base].wanted for base in residency.held & residency.stored)


def no_loading(_graph: Graph, _nodes: frozenset[int], residency: Residency) -> bool:
    return not residency.loaded


def like_the_paper(graph: Graph, nodes: frozenset[int], residency: Residency) -> bool:
    return all(one(graph, nodes, residency) for one in (one_output, chain, whole_life, no_loading))


EFFECTS: dict[str, tuple[Allowed, bool]] = {
    WHOLE: (anything, False),
    "the file's order only": (anything, True),
    "groups of one output": (one_output, False),
    "chains": (chain, False),
    "what is held is there for all readers": (whole_life, False),
    "nothing loaded whole": (no_loading, False),
    NARROWEST: (like_the_paper, True),
}


def network_of(name: str, batch: int) -> tw.Network:
    """A network for so many images at once."""
    return tw.load_model(MODELS / f"{name}.onnx", batch=batch)


def market(network: tw.Network, arch: Accelerator, objective: str) -> Market:
    """The offers of a network."""
    placed, options = place(rewrite(network), arch.layout), Options(effort="quick")
    return market_of(placed, arch, objective, options, alone_of(placed, arch, objective, options))


def effect(offers: Offers, objective: str, what: str) -> Solution:
    """The optimum of a narrower space."""
    allowed, one_order = EFFECTS[what]
    return optimal(Narrower(offers, allowed, one_order=one_order), objective, largest=LARGEST)


def run(args: argparse.Namespace, book: Book) -> None:
    """Do what is not known yet."""
    for name in args.networks:
        network = network_of(name, 1)
        for kib in sorted(args.sizes, reverse=True):
            head = {"network": name, "machine": args.machine, "objective": args.objective, "kib": kib, "batch": 1}
            _effects(network, tw.load_arch(args.machine).with_scratchpad(kib << 10), head, book)
    for name in args.networks:
        for batch in args.batches:
            head = {"network": name, "machine": args.machine, "objective": args.objective, "kib": 1024, "batch": batch}
            wanted = [one for one in STRATEGIES if book.key(head | {"what": one}) not in book.read()]
            try:
                network = network_of(name, batch)
            except InputError as error:
                print(f"{name} at batch {batch}: {str(error).splitlines()[0]}", file=sys.stderr)
                continue
            arch = tw.load_arch(args.machine).with_scratchpad(1 << 20)
            for row in compare([network], arch, args.objective, wanted):
                book.add(head | {"what": row.strategy} | record(row))


def _effects(network: tw.Network, arch: Accelerator, head: Row, book: Book) -> None:
    objective, known = head["objective"], book.read()
    wanted = [one for one in (*EFFECTS, FORMULA) if book.key(head | {"what": one}) not in known]
    if not wanted:
        return
    offers = market(network, arch, objective)
    sizes = [base.size_bytes for base in offers.graph.bases]
    room = {"largest_map": max(sizes), "all_maps": sum(sizes), "too_large": sum(s > offers.capacity for s in sizes)}
    groups = all_groups(Masks(offers.graph), LARGEST).all
    offers.prepare(sorted((group.members for group in groups), key=len))
    for what in wanted:
        began = time.perf_counter()
        found = pin_or_fuse(Limited(offers, LARGEST)) if what == FORMULA else effect(offers, objective, what)
        row = {
            "what": what, "proven": found.complete and what != FORMULA, "value": found.value(objective),
            "loose": sum(choice.offer.loose_cycles for choice in found.choices),
            "cycles": sum(choice.offer.cycles for choice in found.choices),
            "seconds": round(time.perf_counter() - began, 2), "maps": len(sizes), **room,
        }  # fmt: skip
        book.add(head | row)
    offers.close()


def tables(rows: Rows) -> bool:
    """Print what the rows say; whether all holds."""
    good = True
    for machine, objective in dict.fromkeys(key[1:3] for key in rows):
        some = {key: row for key, row in rows.items() if key[1:3] == (machine, objective) and "value" in row}
        print(f"\n**{machine}, {objective}**")
        for kib in sorted({key[3] for key in some if key[5] in EFFECTS}, reverse=True):
            good &= _effect_table(some, kib)
            good &= _estimates(some, kib)
            _fits(some, kib)
        if objective in ("latency", "energy", "traffic"):  # which add up over images
            _batches(some)
    return good


def _effect_table(rows: Rows, kib: int) -> bool:
    print(f"\n{kib} KiB, optimum of narrower spaces over that of the whole one\n")
    print("| space | networks | proven | above | mean | most |\n|---|--:|--:|--:|--:|--:|")
    good = True
    for what in EFFECTS:
        pairs = list(_pairs(rows, kib, what, WHOLE))
        ratios = [row["value"] / whole["value"] for row, whole in pairs]
        good &= all(ratio >= 1 / CLOSE for ratio, (_, whole) in zip(ratios, pairs, strict=True) if whole["proven"])
        proven, above = sum(row["proven"] for row, _ in pairs), sum(ratio > CLOSE for ratio in ratios)
        if ratios:
            print(f"| {what} | {len(pairs)} | {proven} | {above} | {geometric_mean(ratios):.3f} | {max(ratios):.3f} |")
    plans = _pairs(rows, kib, FORMULA, NARROWEST)
    return good and all(plan["value"] * CLOSE >= least["value"] for plan, least in plans if least["proven"])


def _estimates(rows: Rows, kib: int) -> bool:
    shares = [row["loose"] / row["cycles"] for row, _ in _pairs(rows, kib, FORMULA, FORMULA)]
    if shares:
        print(f"\n{kib} KiB: cycles by the published formula over those that its plan takes, {len(shares)} networks:"
              f" mean {geometric_mean(shares):.3f}, least {min(shares):.3f}, greatest {max(shares):.3f}")  # fmt: skip
    return max(shares, default=0.0) <= CLOSE


def _fits(rows: Rows, kib: int) -> None:
    print(f"\n| network | maps | larger than {kib} KiB | largest, B | all, B |\n|---|--:|--:|--:|--:|")
    for row, _ in _pairs(rows, kib, WHOLE, WHOLE):
        print(
            f"| {row['network']} | {row['maps']} | {row['too_large']} | {row['largest_map']:,} | {row['all_maps']:,} |"
        )


def _batches(rows: Rows) -> None:
    """Over the networks that have all batches."""
    told = {key: row for key, row in rows.items() if key[5] in STRATEGIES}
    batches = sorted({key[4] for key in told})
    names = dict.fromkeys(key[0] for key in told)
    whole = [n for n in names if sum(key[0] == n for key in told) == len(batches) * len(STRATEGIES)]
    if not whole:
        return
    by = {(key[0], key[4], key[5]): row["value"] for key, row in told.items()}
    print(f"\n{len(whole)} networks\n\n| images | strategy | mean over optimal | most | per image over one alone |")
    print("|--:|---|--:|--:|--:|")
    for batch in batches:
        for what in STRATEGIES:
            above = [by[name, batch, what] / by[name, batch, "optimal"] for name in whole]
            each = [by[name, batch, what] / batch / by[name, batches[0], what] for name in whole]
            print(f"| {batch} | {what} | {geometric_mean(above):.3f} | {max(above):.3f} | {geometric_mean(each):.3f} |")


def _pairs(rows: Rows, kib: int, what: str, other: str) -> Iterator[tuple[Row, Row]]:
    """Rows of one space with those of another, of all networks that have both."""
    for key, row in rows.items():
        base = rows.get((*key[:-1], other))
        if (key[3], key[-1]) == (kib, what) and base is not None:
            yield row, base


def main() -> int:
    """Run or print."""
    options = parser(__doc__, "reviewers.jsonl")
    options.add_argument("--networks", nargs="+", default=list(NETWORKS))
    options.add_argument("--machine", default="mobile-npu")
    options.add_argument("--objective", default="latency")
    options.add_argument("--sizes", nargs="+", type=int, default=[1024, 256], help="KiB, of the single effects")
    options.add_argument("--batches", nargs="+", type=int, default=[1, 4])
    return finish(options.parse_args(), NAMES, run, tables)


if __name__ == "__main__":
    sys.exit(main())
