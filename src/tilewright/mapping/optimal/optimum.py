"""The best mapping of a nest, with its proof: a good first one, bounds on all others, exact evaluation of survivors.

Cases (orders of keeps with candidates of each component) wait in a queue, the one of least bound first. Each is bounded
by its best tangent, loses the candidates that cannot be part of anything better than the best mapping known, and is cut
in two; what is small is searched by trees of candidates, and combinations that remain are evaluated exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from heapq import heappop, heappush
from itertools import chain, count, islice, product
from time import monotonic
from typing import Any

import numpy as np

from tilewright.mapping.constraints import UNCONSTRAINED, Constraints, applied
from tilewright.mapping.evaluate import steps_of
from tilewright.mapping.floor import Kept
from tilewright.mapping.mapping import Mapping
from tilewright.mapping.optimal.branches import branches
from tilewright.mapping.optimal.builder import Memo
from tilewright.mapping.optimal.cases import Node, solved
from tilewright.mapping.optimal.chains import EVEN, EVERY, Choice, Floats, chain_number
from tilewright.mapping.optimal.compiling import Progress, compiling_told
from tilewright.mapping.optimal.components import components
from tilewright.mapping.optimal.costs import turns_taken
from tilewright.mapping.optimal.early import (
    DIP_ORDERS,
    MOST_CANDIDATES,
    MOST_OF_ALL,
    MOST_ORDERS,
    dive,
    first_mapping,
    pair_all,
    polish_all,
    unroll,
)
from tilewright.mapping.optimal.features import Component
from tilewright.mapping.optimal.glances import (
    GLIMPSE,
    KEPT_OF_CASES,
    MOST_AGAIN,
    STATES,
    glanced,
    ruled_out,
    told_apart,
)
from tilewright.mapping.optimal.judge import Judge, Proof
from tilewright.mapping.optimal.lattice import least_in_trees, shortest_paths
from tilewright.mapping.optimal.orders import Orders, Queue, Waiting
from tilewright.mapping.optimal.parts import explored
from tilewright.mapping.optimal.profiles import Profiles
from tilewright.mapping.optimal.realize import every_mapping, mappings
from tilewright.mapping.optimal.restarts import FAR, MUCH_TOLD, start_again
from tilewright.mapping.optimal.roots import TANGENTS, Tally, least_of, root
from tilewright.mapping.optimal.rungs import climbed
from tilewright.mapping.optimal.structure import Structure
from tilewright.mapping.optimal.threads import MANY, THREADS, side_by_side
from tilewright.mapping.problem import NestProblem, Within

WALKED, DIPPED = 0.1, 0.1  # the share of all work that goes into random moves, and into looking for good mappings
NODES_A_SECOND = 200_000
NODES_AN_EVALUATION = 1000  # what an exact evaluation costs, in bounds
MOST_LEAVES = 4096
FEW_ENOUGH = 12_000  # candidates of a component that are few enough to list every tile at once
SMALL, SMALLER, EASY = 500_000, 2_000, 50  # combinations, and bounds that are few
TRIAL = 50_000  # bounds of a sweep
KEPT_ROWS, FEW_TANGENTS, DEEP = 40_000, 7, 60
PLUNGES, AT_ONCE = 2, 16
MOST_WAITING = 2**30  # bytes of the candidates of all orders of keeps that are kept while they wait
RULES = frozenset({"tangent", "candidate", "dominated", "bound"})


class Search:
    """One nest, one machine, one objective. ``rules`` are those of ``RULES`` that may cut; without any of them every
    combination is looked at."""

    def __init__(
        self,
        problem: NestProblem,
        objective: str | Within,
        max_steps: int,
        deadline: float | None = None,
        rules: frozenset[str] = RULES,
        constraints: Constraints = UNCONSTRAINED,
    ) -> None:
        problem = applied(constraints, problem)
        self.problem = problem
        self.constraints, self.free = constraints, constraints == UNCONSTRAINED
        self.objective = objective
        self.deadline = deadline
        # Where an order of loops is wanted, the better candidate may be the one that stands in no such order.
        self.rules = rules if len(constraints.loops) < 2 else rules - {"dominated"}
        self.judge = Judge(problem, objective, max_steps, constraints)
        self.orders = Orders(problem, constraints)
        self.structures = self.orders.first()
        self.parts = components(problem.nest)
        self.nodes = 0
        self.pruned: Counter[str] = Counter()
        self.memo: Memo = {}
        self.counted: dict[str, int] = {}  # candidates of every choice of tiles
        self.listed: dict[tuple[Structure, Choice], list[Component]] = {}
        self.rows_listed = 0
        self.floors: dict[Kept, tuple[float, float]] = {}  # of energy and cycles
        self.fewest: dict[tuple[bytes, ...], Floats] = {}
        self.number, self.seeds = count(), count()
        self.interrupted = False
        self.walked = 0  # steps of random moves
        self.winner: tuple[Structure, dict[str, tuple[int, ...]]] | None = None  # where the best mapping comes from
        self.order_of: Mapping | None = None  # whose order of tile loops is taken where no other order can be better
        self.sweeps = self.swept = 0  # trees, and their bounds
        self.profiles = Profiles(problem, deadline)
        self.finds: list[tuple[float, Structure, dict[str, tuple[int, ...]]]] = []  # what walks have found
        self.dipped = 0  # bounds computed for good mappings on the way
        # The least bound of what had too many steps, and whether candidates never give way to others of more steps.
        self.too_long, self.careful = np.inf, objective != "traffic"
        self.progress: Progress | None = None
        self.cap, self.started_again = np.inf, False  # nothing above it is looked for (``rungs``); see ``restarts``

    def again(self, objective: str | Within, deadline: float | None) -> Search:
        """A search for another objective that knows what this one has listed, and evaluates nothing twice."""
        other = Search(self.problem, objective, self.judge.max_steps, deadline, self.rules, self.constraints)
        other.memo, other.listed, other.structures = self.memo, self.listed, self.structures
        other.judge.seen, other.judge.watch = self.judge.seen, self.judge.watch
        return other

    def stop(self) -> None:
        """End the search; a KeyboardInterrupt goes on where there is no mapping yet."""
        if self.judge.best is None:
            raise
        self.deadline, self.interrupted = monotonic(), True

    @property
    def limit(self) -> float:
        """What a bound has to stay below to be of interest."""
        return min(self.judge.limit(), self.cap)

    @property
    def spent(self) -> bool:
        return self.deadline is not None and monotonic() > self.deadline

    def run(self, nodes: int, floor: float = 0.0) -> Proof:
        """Search with at most so many bounds; the proof says what is known of the mappings that were not looked at.

        No mapping at all is below ``floor``: the search ends at one that meets it.
        """
        with compiling_told(self.progress):
            return self.searched(nodes, floor)

    def searched(self, nodes: int, floor: float) -> Proof:
        """The same without a word of compilation."""
        self.tell("first mappings", nodes)
        proof = Proof(-np.inf, "nothing")
        if self.objective == "traffic" and nodes > 0 and self.free:
            self.orders = replace(self.orders, unspread=True)
            self.structures = self.orders.first()
        try:
            first_mapping(self)
        except KeyboardInterrupt:
            self.stop()
        if self.objective != "traffic" and not self.interrupted and self.judge.least > floor:
            try:
                pair_all(self, nodes > 0)
                if nodes > 0:  # for a better mapping to cut with
                    polish_all(self)
            except KeyboardInterrupt:
                self.stop()
        enough = MOST_OF_ALL if self.objective == "traffic" else FEW_ENOUGH  # few are left where bytes alone count
        spaces = (EVERY,) if self.candidates(EVERY) <= enough else (EVEN, EVERY)
        for choice in spaces if nodes > 0 else ():
            if self.candidates(choice) > (MOST_OF_ALL if choice is EVERY else MOST_CANDIDATES):
                break
            if self.interrupted or self.judge.least <= floor:
                break
            try:
                # What is proven over even tiles is not left waiting for long.
                allowed = nodes if proof.space == "nothing" else min(nodes, self.nodes + nodes // 20)
                latest = self.prove(choice, allowed)
                if self.too_long < self.judge.limit() and not self.careful:  # what gave way to it may be the best
                    self.careful = True
                    latest = self.prove(choice, allowed)
            except KeyboardInterrupt:
                self.stop()
                break
            if proof.space == "nothing" or latest.bound >= self.judge.least:
                proof = latest
            if latest.bound < self.judge.least or self.spent or self.nodes >= nodes:
                break
        if self.winner is not None:
            unroll(self, *self.winner)
        return proof

    def tell(self, what: str, budget: int) -> None:
        """Say what is known or being done, to whoever wants to know."""
        if self.progress is not None:
            self.progress(what, self.nodes, budget)

    def allowed(self, choice: Choice) -> Choice:
        """The tiles of a choice that the constraints allow."""
        return replace(choice, constraints=self.constraints)

    def candidates(self, choice: Choice) -> int:
        """The most candidates that a component has in any order of keeps, or some number above what is too many."""
        if choice.name in self.counted:
            return self.counted[choice.name]
        extents = self.problem.nest.extents
        most = 0
        for structure in self.structures:
            for dims in self.parts:
                number = 1
                for dim in dims:
                    splits = tuple((split.positions, split.any_tile) for split in structure.splits(dim))
                    number *= chain_number(extents[dim], splits, choice.tiles)
                most = max(most, number)
            if most > MOST_CANDIDATES:
                break
        self.counted[choice.name] = most
        return most

    def prove(self, choice: Choice, budget: int) -> Proof:
        """Every combination of some tiles, the most promising first."""
        choice = self.allowed(choice)
        if self.objective == "traffic" and "dominated" in self.rules and self.free:
            choice = replace(choice, lean=True)
        proof = Proof(np.inf, choice.name)
        queue: Queue = []
        plunges, room, looked_at = PLUNGES, MOST_WAITING, 0
        orders = chain(self.structures, self.orders.others(self.structures))
        while pair := list(islice(orders, THREADS)):
            if self.spent or (self.orders.too_many and self.nodes >= budget):
                return Proof(-np.inf, "nothing")
            self.tell(f"orders of keeps, {looked_at} so far", budget)
            looked_at += len(pair)
            hopeful = [one for one in pair if least_of(self, one) < self.limit]
            self.pruned["candidate"] += len(pair) - len(hopeful)
            cases = self.cases(hopeful, choice, plunges > 0)
            plunges -= len(pair)
            for structure in hopeful:
                own = [case for case in cases if case.origin.structure == structure]
                room -= own[0].origin.bytes if own else 0
                if room < 0 and own:
                    least = min(case.bound for case in own)
                    heappush(queue, (least, next(self.number), Waiting(structure, choice, least)))
                    continue
                for case in own:
                    self.put(queue, case)
        if queue and queue[0][0] < np.log(FAR * self.limit):
            start_again(self, queue, budget)
        self.emptied(climbed(self, queue, proof, budget), proof, budget)
        self.finish(proof, budget)
        return proof

    def emptied(self, queue: Queue, proof: Proof, budget: int) -> None:
        """Look into all nodes of a queue, until nothing below the limit is left or time is up."""
        told = 0
        while queue:
            if told >= MUCH_TOLD:
                start_again(self, queue, budget)
            bound, _, node = heappop(queue)
            if bound >= np.log(self.limit):
                self.pruned["tangent"] += 1 + len(queue)
                break
            if self.spent or self.nodes >= budget:
                proof.bound = min(proof.bound, float(np.exp(bound)))
                break
            if self.progress is not None:
                self.progress(f"at most {100 * (self.judge.least / np.exp(bound) - 1):.1f}% off", self.nodes, budget)
            if isinstance(node, Waiting):
                for case in self.cases([node.structure], node.choice, plunging=False):
                    self.put(queue, case)
                continue
            nodes, unknown = self.batch(node, queue), self.open(node)
            told += 2 * THREADS if unknown else 0
            try:
                parts = self.told_apart(nodes) if unknown else self.closed(nodes, proof, budget)
            except KeyboardInterrupt:
                self.stop()
                parts = nodes
            for part in parts:
                self.put(queue, part)

    def finish(self, proof: Proof, budget: int) -> None:
        """Evaluate what is left of combinations with more orders of loops than were tried at once: now that the best
        mapping is known, most need no other look."""
        for value, structure, chosen in sorted(proof.left, key=lambda one: one[0]):
            for mapping in every_mapping(structure, chosen):
                if value >= self.limit:
                    return
                if self.spent or self.nodes >= budget:
                    proof.bound = min(proof.bound, value)
                    return
                self.evaluate([mapping], structure, chosen, value)

    def cases(self, orders: list[Structure], choice: Choice, plunging: bool) -> list[Node]:
        """Orders of keeps with their candidates, in cases; on the way better mappings, if there should be some."""
        nodes = [node for node in self.roots([(one, choice) for one in orders]) if node is not None]
        if plunging:
            self.plunge([node for node in nodes if not node.held])
        return nodes

    def open(self, node: Node) -> bool:
        """Whether candidates take different positions that are to be told apart first."""
        told = node.apart or not node.origin.structure.deep or "tangent" not in self.rules
        return not told and node.size > self.small and not node.settled

    def told_apart(self, nodes: list[Node]) -> list[Node]:
        """What is of interest in nodes, in parts by the positions that candidates take; good mappings in the best.

        What shortest paths rule out is gone. What has a better bound now comes back whole: others may promise more.
        """
        limit, small = self.limit, self.small
        until = self.deadline if "bound" in self.rules else 0.0
        free = self.free
        found = self.learning(
            lambda node, own, tally: told_apart(node, limit, small, free, until, own, tally), nodes, MANY
        )
        left: list[Node] = []
        hopeful: list[tuple[float, int, Any]] = []
        for part, seen in chain(*found):
            if seen is not None and seen.rest > 0:
                part = part.above(float(np.log(min([seen.rest, *seen.values]))))
            left.append(part)
            if seen is not None and seen.rows:
                hopeful.append((seen.values[0], len(left) - 1, seen.rows[0]))
        before = self.nodes
        for value, k, rows in sorted(hopeful, key=lambda one: one[0]):
            if value >= self.limit or self.dipped + self.nodes - before > DIPPED * self.nodes:
                break
            self.try_leaf(left[k], rows, Proof(0.0, "few"), value, DIP_ORDERS)
        self.dipped += self.nodes - before
        return [part for part in left if part.bound < np.log(self.limit)]

    def batch(self, node: Node, queue: Queue) -> list[Node]:
        """The nodes to be looked at together with one: the next ones in the queue, if as much is known of them."""
        if not self.rules >= {"tangent", "bound"}:
            return [node]
        nodes, unknown = [node], self.open(node)
        most = 2 * THREADS if unknown else AT_ONCE
        while queue and len(nodes) < most:
            following = queue[0][2]
            if isinstance(following, Waiting) or self.open(following) != unknown:
                break
            nodes.append(following)
            heappop(queue)
        return nodes

    def closed(self, nodes: list[Node], proof: Proof, budget: int) -> list[Node]:
        """The same for nodes whose positions are told apart: most of several end after a glance."""
        nodes, limit = [node.dressed for node in nodes], self.limit
        if len(nodes) == 1:
            return self.looked_into(nodes, proof, budget)

        rows, small = sum(node.rows for node in nodes), self.small
        found = self.learning(lambda node, own, tally: glanced(node, limit, small, own, tally), nodes, rows)
        left: list[Node] = []
        for node, seen in zip(nodes, found, strict=True):
            for part, rows, value in () if seen is None else seen:
                if value >= self.limit or self.spent:
                    break
                self.try_leaf(part, rows, proof, value)
            if seen is None or self.spent:
                left.append(node)
        return self.looked_into(left, proof, budget)

    def looked_into(self, nodes: list[Node], proof: Proof, budget: int) -> list[Node]:
        """What is still of interest in nodes after a search of them, or for better mappings in them."""
        cuts = self.cut_all(nodes, TANGENTS)
        left: list[Node] = []
        for node, parts in zip(nodes, cuts, strict=True):
            if node.bound >= np.log(self.limit):
                continue
            if self.spent:
                left += [node] if parts is None else parts
            elif parts is None:
                left += self.swept_out(node, proof, budget)
            else:
                if self.walked < WALKED * self.nodes:
                    dive(self, node)
                left += parts
        return left

    def swept_out(self, node: Node, proof: Proof, budget: int) -> list[Node]:
        """The same for a node that is small enough."""
        single = node.size <= 1 or "tangent" not in self.rules
        rest = self.sweep(node, proof, budget if single else TRIAL)
        if rest >= self.limit:
            return []
        if single:
            proof.bound = min(proof.bound, float(np.exp(node.bound)))
            return []
        tally = Tally()
        parts = self.branched(node, tally)
        if parts is None:
            parts = self.parts_of(node, node.size / 16, node.states() / 16, TANGENTS, tally)
        self.count(tally)
        return parts

    def plunge(self, nodes: list[Node]) -> None:
        """Look for better mappings in the most promising part of each node, and the most promising part of that."""
        waiting = [[node] for node in nodes]
        for _ in range(DEEP):
            waiting = [stack for stack in waiting if stack]
            if not waiting or self.spent:
                return
            tops = [stack.pop() for stack in waiting]
            found = self.cut_all(tops, FEW_TANGENTS)
            for node, stack, parts in zip(tops, waiting, found, strict=True):
                if parts is None:
                    stack.clear()
                    self.sweep(node, Proof(0.0, "few"), TRIAL)
                else:
                    stack += sorted(parts, key=lambda part: -part.bound)

    def cut_all(self, nodes: list[Node], tangents: int) -> list[list[Node] | None]:
        """``cut`` for several nodes at a time."""
        return self.aside(
            lambda k, tally: self.cut(nodes[k], tangents, tally), len(nodes), sum(node.rows for node in nodes)
        )

    def cut(self, node: Node, tangents: int, tally: Tally) -> list[Node] | None:
        """What is of interest in a node, in parts; None if it is small enough for shortest paths."""
        if "tangent" not in self.rules or node.size <= self.small:
            return None
        states = STATES
        if not node.origin.structure.deep:
            states = 0
        elif not node.fits():
            return []
        elif node.states() <= STATES:
            return None
        parts = self.branched(node, tally)
        return parts if parts is not None else self.parts_of(node, self.small, states, tangents, tally)

    @property
    def small(self) -> int:
        """The most combinations that are worth trees: more where trees have ended at once."""
        return SMALL if self.swept <= EASY * self.sweeps else SMALLER

    def branched(self, node: Node, tally: Tally) -> list[Node] | None:
        """The same by cuts that bring bounds nearer to the costs; None if none is left."""
        children = branches(node)
        return [one for child in children if (one := self.bounded(child, tally)) is not None] if children else None

    def parts_of(self, node: Node, small: float, states: float, tangents: int, tally: Tally) -> list[Node]:
        """The same by positions and by tiles."""
        whole = node if node.tangent is not None else self.bounded(node, tally)
        if whole is None:
            return []
        parts = explored(whole, self.limit, max(1.0, small), states, tangents)
        tally.take(parts.work, parts.dropped)
        return parts.nodes

    def put(self, queue: Queue, node: Node) -> None:
        if node.rows > (KEPT_OF_CASES if node.held else KEPT_ROWS):  # too many to keep while they wait
            node = node.bare
        heappush(queue, (node.bound, next(self.number), node))

    def bounded(self, node: Node, tally: Tally) -> Node | None:
        """The node with its bound, or None if nothing in it is of interest."""
        better, dropped, work = solved(node, self.limit)
        tally.take(work // 2 + 100, dropped)
        return better

    def root(self, structure: Structure, choice: Choice) -> Node | None:
        """An order of keeps with its candidates (``roots.root``)."""
        return self.roots([(structure, choice)])[0]

    def roots(self, wanted: list[tuple[Structure, Choice]]) -> list[Node | None]:
        """The same for several at a time."""
        rows = sum(self.candidates(choice) for _, choice in wanted)
        return self.aside(lambda k, tally: root(self, *wanted[k], tally), len(wanted), rows)

    def aside(self, work: Callable[[int, Tally], Any], jobs: int, rows: int) -> list[Any]:
        """What jobs give that change nothing but their own tallies, several at a time; ``rows`` says how long they
        take."""
        tallies = [Tally() for _ in range(jobs)]
        found = side_by_side(lambda k: work(k, tallies[k]), range(jobs), rows)
        for tally in tallies:
            self.count(tally)
        return found

    def learning(self, work: Callable[[Node, Profiles, Tally], Any], nodes: list[Node], rows: int) -> list[Any]:
        """The same for nodes, with profiles that every job learns by itself; all are known afterwards."""
        own = [self.profiles.copy(node.origin) for node in nodes]
        found = self.aside(lambda k, tally: work(nodes[k], own[k], tally), len(nodes), rows)
        for learned in own:
            self.profiles.take(learned)
        return found

    def count(self, tally: Tally) -> None:
        """Add what a thread did."""
        self.nodes += tally.nodes
        self.pruned.update(tally.pruned)

    def sweep(self, node: Node, proof: Proof, budget: int) -> float:
        """Evaluate the combinations of least bound; no other one is below what is returned, or below the best."""
        if "bound" not in self.rules:
            return self.sweep_all(node, proof)
        waiting, rest = [node], np.inf
        while waiting:
            case = waiting.pop()
            children = branches(case)
            # Most cases end at once; the others are cut.
            left = self.sweep_one(case, proof, GLIMPSE if children else budget)
            if left < self.limit and children:
                waiting += children
            else:
                rest = min(rest, left)
        return float(rest)

    def sweep_one(self, node: Node, proof: Proof, budget: int) -> float:
        """The same for a node that cuts bring no nearer to the costs."""
        few = node.size <= self.small
        most, spent, learned = 16, 0, 0
        tried: set[tuple[int, ...]] = set()
        while True:
            allowed = budget - spent
            if self.deadline is not None:
                allowed = min(allowed, max(1000, int((self.deadline - monotonic()) * NODES_A_SECOND)))
            if few:
                found = least_in_trees(node, self.limit, most, allowed)
                self.sweeps, self.swept = self.sweeps + 1, self.swept + found.work
            else:
                found = shortest_paths(node, self.limit, most, allowed, None, self.profiles.cuts(node))
            rest = found.rest
            self.nodes += found.work
            spent += found.work
            self.pruned["bound"] += found.cut
            before, left_out = self.judge.evaluated, self.pruned["bound"]
            for rows, value in zip(found.rows, found.values, strict=True):
                if not value < self.limit:
                    break
                if (chosen := tuple(rows.tolist())) in tried:
                    continue
                if self.spent:
                    rest = min(rest, value)
                    break
                tried.add(chosen)
                self.try_leaf(node, rows, proof, value)
            spent += NODES_AN_EVALUATION * (self.judge.evaluated - before)
            if rest >= self.limit or self.spent or most >= MOST_LEAVES or spent >= budget:
                return rest
            self.profiles.learn(node.origin, found.asked)
            gone = bool(found.asked) or (self.pruned["bound"] > left_out and self.judge.evaluated == before)
            if gone and not few and learned < MOST_AGAIN:
                learned += 1  # paths do not lead again to what took too long
            else:
                most *= 16

    def sweep_all(self, node: Node, proof: Proof) -> float:
        """The same without shortest paths: every combination by itself."""
        from tilewright.mapping.optimal.bound_kernels import bound
        from tilewright.mapping.optimal.transfer_kernels import scratch_of

        scratch = scratch_of(node.origin.where)
        turns = turns_taken(node.origin.where)
        table = np.concatenate(node.tables)
        starts = node.offsets[:-1]
        for chosen in product(*(range(len(rows)) for rows in node.numbers)):
            rows = starts + chosen
            value = min(bound(rows, table, turn, node.origin.machine, scratch)[0] for turn in turns)
            self.nodes += len(turns)
            if value < self.limit:
                self.try_leaf(node, rows - starts, proof, value)
        return float("inf")

    def try_leaf(self, node: Node, rows: Any, proof: Proof, value: float, orders: int = MOST_ORDERS) -> None:
        """Evaluate the mappings of one combination; what may be left of it goes into the proof's bound."""
        chosen = node.tiles(rows)
        if "bound" in self.rules and ruled_out(node, rows, self.limit, self.profiles):
            self.pruned["bound"] += 1
            return
        (first,), _ = mappings(node.origin.structure, chosen, 1)
        if steps_of(self.problem, first) > self.judge.max_steps:  # in any order
            self.too_long = min(self.too_long, value)
            return
        candidates, all_of_them = mappings(node.origin.structure, chosen, orders)
        if self.order_of is not None:
            pad = self.problem.arch.scratchpad.name
            candidates = [m for m in candidates if m.tile_loops(pad) == self.order_of.tile_loops(pad)] or candidates
        self.evaluate(candidates, node.origin.structure, chosen, value)
        if not all_of_them:
            proof.left.append((value, node.origin.structure, chosen))

    def evaluate(
        self, candidates: list[Mapping], structure: Structure, chosen: dict[str, tuple[int, ...]], value: float
    ) -> None:
        """Evaluate mappings of one combination, whose bound is ``value``."""
        before, best = self.judge.evaluated, self.judge.best
        for mapping in candidates:
            self.judge.judge(mapping)
            if self.objective == "traffic" and self.judge.least <= value:
                break  # the others are no better
        if self.judge.best is not best:
            self.winner = structure, chosen
        self.nodes += NODES_AN_EVALUATION * (self.judge.evaluated - before)
