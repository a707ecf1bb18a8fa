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
from itertools import count, product
from math import prod
from time import monotonic
from typing import Any

import numpy as np

from tilewright.mapping.constraints import UNCONSTRAINED, Constraints, applied, keeps_allowed
from tilewright.mapping.evaluate import steps_of
from tilewright.mapping.floor import floor
from tilewright.mapping.mapping import Mapping
from tilewright.mapping.optimal.cases import Node, Origin, branches, explored, solved
from tilewright.mapping.optimal.chains import EVEN, EVERY, FEW, FEWER, Choice, chain_number
from tilewright.mapping.optimal.costs import (
    Layout,
    bare_forest,
    costs,
    layout,
    packed,
    separable,
    traits,
    turns_taken,
    with_fewest_points,
)
from tilewright.mapping.optimal.features import Component, Floats, Memo, alike, component, components
from tilewright.mapping.optimal.judge import Judge, Proof
from tilewright.mapping.optimal.realize import mappings
from tilewright.mapping.optimal.relaxation import Case
from tilewright.mapping.optimal.structure import Structure, structures, unspread
from tilewright.mapping.optimal.walks import side_by_side, walk
from tilewright.mapping.problem import NestProblem, Within

GLANCE, GLANCE_PROOF = 8_000, 2_000
FIRST_ORDERS, FIRST_PROOF, FIRST_DIVES = 6, 3, 2  # orders of keeps looked into first (before a proof), dives in each
DIVE, WALKS, WALKED = 30_000, 2, 0.1  # steps of a walk, walks of a dive, the share of all work that goes into them
NODES_A_SECOND = 200_000
NODES_AN_EVALUATION = 400  # what an exact evaluation costs, in bounds
MOST_LEAVES = 4096
MOST_ORDERS = 48
MOST_CANDIDATES, FEW_ENOUGH = 120_000, 12_000  # of a component; few enough to list every tile at once
MOST_FIRST = 30_000
SMALL, SMALLER, EASY = 50_000, 2_000, 50  # combinations, and bounds that are few
STATES, TRIAL = 100_000, 50_000  # vectors of tiles; bounds of a sweep
DOMINATED, COMPARED = 20_000, 500  # rows that are worth comparing, with how many where more than bytes counts
KEPT_ROWS, TANGENTS, FEW_TANGENTS, DEEP = 40_000, 1000, 7, 60
FEW_BOUNDS, PLUNGES, GLIMPSE = 150_000, 4, 3_000
Progress = Callable[[str, int, int], None]  # what, bounds computed, at most
RULES = frozenset({"tangent", "candidate", "dominated", "bound"})


def keep_rows(part: Component, rows: Any) -> Component:
    """A component with some of its candidates."""
    names = [name for name in part.__dataclass_fields__ if name not in ("dims", "tables")]
    return replace(part, **{name: getattr(part, name)[rows] for name in names})


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
        self.structures = [
            one for one in structures(problem) if keeps_allowed(constraints, ((i.operand, i.memory) for i in one.items))
        ]
        self.parts = components(problem.nest)
        self.nodes = 0
        self.pruned: Counter[str] = Counter()
        self.memo: Memo = {}
        self.fewest: dict[tuple[bytes, ...], Floats] = {}
        self.order, self.seeds = count(), count()
        self.interrupted = False
        self.walked = 0  # steps of random moves
        self.winner: tuple[Structure, dict[str, tuple[int, ...]]] | None = None  # where the best mapping comes from
        self.order_of: Mapping | None = None  # whose order of tile loops is taken where no other order can be better
        self.sweeps = self.swept = 0
        # The least bound of what had too many steps, and whether candidates never give way to others of more steps.
        self.too_long, self.careful = np.inf, objective != "traffic"
        self.progress: Progress | None = None

    def again(self, objective: str | Within, deadline: float | None) -> Search:
        """A search for another objective that knows what this one has listed, and evaluates nothing twice."""
        other = Search(self.problem, objective, self.judge.max_steps, deadline, self.rules, self.constraints)
        other.memo, other.structures = self.memo, self.structures
        other.judge.seen, other.judge.watch = self.judge.seen, self.judge.watch
        return other

    def stop(self) -> None:
        """End the search; a KeyboardInterrupt goes on where there is no mapping yet."""
        if self.judge.best is None:
            raise
        self.deadline, self.interrupted = monotonic(), True

    @property
    def spent(self) -> bool:
        return self.deadline is not None and monotonic() > self.deadline

    def run(self, nodes: int, floor: float = 0.0) -> Proof:
        """Search with at most so many bounds; the proof says what is known of the mappings that were not looked at.

        No mapping at all is below ``floor``: the search ends at one that meets it.
        """
        proof = Proof(-np.inf, "nothing")
        spread = self.structures
        if self.objective == "traffic" and nodes > 0 and self.free:
            self.structures = list(dict.fromkeys(map(unspread, self.structures)))
        try:
            self.first_mapping(FIRST_PROOF if nodes > 0 else FIRST_ORDERS)
        except KeyboardInterrupt:
            self.stop()
        if nodes > 0 and self.objective != "traffic" and not self.interrupted and self.judge.least > floor:
            try:  # for a better mapping to cut with
                if self.candidates(FEW) <= MOST_FIRST:
                    self.prove(FEW, self.nodes + FEW_BOUNDS)
            except KeyboardInterrupt:
                self.stop()
        spaces = (EVERY,) if self.candidates(EVERY) <= FEW_ENOUGH else (EVEN, EVERY)
        for choice in spaces if nodes > 0 else ():
            if self.candidates(choice) > MOST_CANDIDATES:
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
            self.unroll(spread, *self.winner)
        return proof

    def unroll(self, spread: list[Structure], structure: Structure, chosen: dict[str, tuple[int, ...]]) -> None:
        """Give the best mapping an array part of little energy and few cycles, where none was looked for."""
        whole = next(one for one in spread if one.items == structure.items)
        if whole == structure:
            return
        given = tuple(
            (dim, split.segment, tile)
            for dim, tiles in chosen.items()
            for split, tile in zip(structure.splits(dim), tiles, strict=True)
            if split.segment <= structure.last_fed
        )
        few = FEW if self.candidates(FEW) <= MOST_FIRST else FEWER
        for objective in ("energy", "edp"):
            other = self.again(objective, None)
            other.judge.watch = self.judge.take
            if self.problem.arch.timing == "roofline":  # orders of one traffic differ in nothing else
                other.order_of = self.judge.best
            node = other.root(whole, replace(self.allowed(few), most_loops=99, given=given))
            if node is not None:
                other.dive(node)
            self.nodes += other.nodes
            self.judge.evaluated += other.judge.evaluated

    def allowed(self, choice: Choice) -> Choice:
        """The tiles of a choice that the constraints allow."""
        return replace(choice, constraints=self.constraints)

    def hopeful(self, choice: Choice) -> Choice:
        """Without chains that take longer to compute than anything that is of interest."""
        limit = self.judge.limit()
        if "candidate" not in self.rules or self.objective in ("energy", "traffic") or not np.isfinite(limit):
            return choice
        if isinstance(self.objective, Within):
            return replace(choice, most_cycles=self.objective.cycles * limit)
        energy = 1.0 if self.objective == "latency" else floor(self.problem, "energy")
        return replace(choice, most_cycles=limit / energy) if energy > 0 else choice

    def candidates(self, choice: Choice) -> int:
        """The most candidates that a component has in any order of keeps, or some number above what is too many."""
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
        return most

    def prove(self, choice: Choice, budget: int) -> Proof:
        """Every combination of some tiles, the most promising first."""
        choice = self.allowed(choice)
        if self.objective == "traffic" and "dominated" in self.rules and self.free:
            choice = replace(choice, lean=True)
        proof = Proof(np.inf, choice.name)
        queue: list[tuple[float, int, Node]] = []
        plunges = PLUNGES
        for structure in self.structures:
            if self.spent:
                return Proof(-np.inf, "nothing")
            if self.least_of(structure) >= self.judge.limit():
                self.pruned["candidate"] += 1
                continue
            node = self.root(structure, choice)
            if node is not None:
                if plunges > 0:
                    self.plunge(node)
                plunges -= 1
                self.put(queue, node)
        while queue:
            bound, _, node = heappop(queue)
            if bound >= np.log(self.judge.limit()):
                self.pruned["tangent"] += 1 + len(queue)
                break
            if self.spent or self.nodes >= budget:
                proof.bound = min(proof.bound, float(np.exp(bound)))
                break
            if self.progress is not None:
                self.progress(f"at most {100 * (self.judge.least / np.exp(bound) - 1):.1f}% off", self.nodes, budget)
            try:
                parts = self.looked_into(node, proof, budget)
            except KeyboardInterrupt:
                self.stop()
                parts = [node]
            for part in parts:
                self.put(queue, part)
        return proof

    def least_of(self, structure: Structure) -> float:
        """What no mapping of an order of keeps goes below: compulsory traffic, and computing on the axes that the order
        leaves room for."""
        if self.objective in ("energy", "traffic") or "candidate" not in self.rules:
            return 0.0
        places = zip(self.problem.arch.array.axes, structure.axis_places, strict=True)
        positions = prod(size for (_, size), place in places if place is not None)
        cycles = max(self.problem.nest.points / positions, floor(self.problem, "latency"))
        if self.objective == "latency":
            return cycles
        energy, within = floor(self.problem, "energy"), self.objective
        return max(energy / within.energy_pj, cycles / within.cycles) if isinstance(within, Within) else energy * cycles

    def looked_into(self, node: Node, proof: Proof, budget: int) -> list[Node]:
        """What is still of interest in a node after a search of it, or for better mappings in it."""
        if not node.tables:
            node = self.filled(node)
        parts = self.cut(node, TANGENTS)
        if parts is not None:
            if self.walked < WALKED * self.nodes:
                self.dive(node)
            return parts
        single = node.size <= 1 or "tangent" not in self.rules
        rest = self.sweep(node, proof, budget if single else TRIAL)
        if rest >= self.judge.limit():
            return []
        if single:
            proof.bound = min(proof.bound, float(np.exp(node.bound)))
            return []
        parts = self.branched(node)
        return parts if parts is not None else self.parts_of(node, node.size / 16, node.states() / 16, TANGENTS)

    def plunge(self, node: Node) -> None:
        """Look for a better mapping in the most promising part of a node, and the most promising part of that."""
        waiting = [node]
        for _ in range(DEEP):
            if not waiting or self.spent:
                return
            node = waiting.pop()
            parts = self.cut(node, FEW_TANGENTS)
            if parts is None:
                self.sweep(node, Proof(0.0, "few"), TRIAL)
                return
            waiting += sorted(parts, key=lambda part: -part.bound)

    def cut(self, node: Node, tangents: int) -> list[Node] | None:
        """What is of interest in a node, in parts; None if it is small enough for shortest paths."""
        if "tangent" not in self.rules or node.size <= self.small:
            return None
        # Positions first: what is settled is small, so that other cuts cost little.
        states = STATES
        if not node.origin.structure.deep:
            states = 0
        elif not node.settled:
            return self.parts_of(node, self.small, np.inf, tangents)
        elif not node.fits():
            return []
        elif node.states() <= STATES:
            return None
        parts = self.branched(node)
        return parts if parts is not None else self.parts_of(node, self.small, states, tangents)

    @property
    def small(self) -> int:
        """The most combinations that are worth trees: more where trees have ended at once."""
        return SMALL if self.swept <= EASY * self.sweeps else SMALLER

    def branched(self, node: Node) -> list[Node] | None:
        """The same by cuts that bring bounds nearer to the costs; None if none is left."""
        children = branches(node)
        return [better for child in children if (better := self.bounded(child)) is not None] if children else None

    def parts_of(self, node: Node, small: float, states: float, tangents: int) -> list[Node]:
        """The same by positions and by tiles."""
        whole = node if node.form is not None else self.bounded(node)
        if whole is None:
            return []
        parts, dropped, work = explored(whole, self.judge.limit(), max(1.0, small), states, tangents)
        self.nodes += work
        self.pruned["tangent"] += dropped
        return parts

    def put(self, queue: list[tuple[float, int, Node]], node: Node) -> None:
        if node.rows > KEPT_ROWS:  # too many to keep while they wait
            node = replace(node, tables=(), form=None)
        heappush(queue, (node.bound, next(self.order), node))

    def filled(self, node: Node) -> Node:
        """The node with its features again."""
        parts = self.components_of(node.origin.structure, node.origin.choice)
        whole, _ = self.packed_all(node.origin.structure, parts)
        tables = tuple(table[rows] for table, rows in zip(whole, node.numbers, strict=True))
        return self.bounded(replace(node, tables=tables)) or replace(node, tables=tables)

    def bounded(self, node: Node) -> Node | None:
        """The node with its bound, or None if nothing in it is of interest."""
        if "tangent" not in self.rules:
            return node
        better, dropped, work = solved(node, self.judge.limit())
        self.nodes += work // 2 + 100
        self.pruned["tangent"] += dropped
        return better

    def components_of(self, structure: Structure, choice: Choice) -> list[Component]:
        """The candidates of every component; empty if constraints leave one without any."""
        parts: list[Component] = []
        twins = self.free and not choice.given  # what is given may differ for dimensions that are alike
        for dims in self.parts:
            twin = next((part for part in parts if twins and alike(structure, part.dims, dims)), None)
            made = component(structure, dims, choice, self.memo) if twin is None else replace(twin, dims=dims)
            if made is None:
                return []
            parts.append(made)
        return parts

    def packed_all(self, structure: Structure, parts: list[Component]) -> tuple[list[Floats], Any]:
        """The packed features of every component; those that are alike are packed once."""
        tables: list[Floats] = []
        kinds = None
        for number, part in enumerate(parts):
            twin = next((k for k, other in enumerate(parts[:number]) if other.reads is part.reads), None)
            if twin is None:
                table, kinds = packed(structure, part)
                tables.append(table)
            else:
                tables.append(tables[twin])
        return tables, kinds

    def root(self, structure: Structure, choice: Choice) -> Node | None:
        """A structure with all candidates that may be part of something better than the best; None if it has none."""
        machine, where = costs(structure), layout(structure, self.parts, self.objective)
        choice = self.hopeful(choice)
        parts = self.components_of(structure, choice)
        if not parts:
            return None
        # Other objectives' walks get further without a limit.
        steps = float(self.judge.max_steps) if self.careful and self.objective == "traffic" else np.inf
        where = with_fewest_points(where, parts, self.fewest)._replace(most_steps=steps)
        tables, kinds = self.packed_all(structure, parts)
        chains = tuple(tuple(zip(part.dims, part.tables, strict=True)) for part in parts)
        numbers = tuple(np.arange(len(part)) for part in parts)
        node: Node | None = Node(
            Origin(structure, choice, where, machine, chains, kinds),
            numbers,
            tuple(tables),
            Case((None,) * len(where.parent)),
        )
        assert node is not None
        comparable = "dominated" in self.rules and separable(where, machine)
        early = self.objective == "traffic" and max(len(part) for part in parts) < DOMINATED
        if comparable and early:  # few are left where bytes alone count
            node = self.without_dominated(node, parts)
        node = self.bounded(node)
        if node is not None and "candidate" in self.rules:
            node = self.without_hopeless(node)
        if node is not None and comparable and not early and node.rows < DOMINATED:
            node = self.without_dominated(node, parts)
        return node

    def without_hopeless(self, node: Node) -> Node | None:
        """Without candidates whose own bounds are not below the best."""
        from tilewright.mapping.optimal.bound_kernels import bound
        from tilewright.mapping.optimal.branch_kernels import single_bounds

        where, machine = node.origin.where, node.origin.machine
        limit = self.judge.limit()
        bare = bare_forest(list(node.tables), node.origin.kinds, where.at_free)
        scratch = np.empty(4 * len(where.parent) + where.operands)
        root = bound(bare.roots, bare.table, where, machine, scratch)[0]
        if not root < limit:
            self.pruned["candidate"] += node.rows
            return None
        if not np.isfinite(limit):
            return node

        def below(c: int) -> Any:
            first, number = bare.starts[c], len(node.numbers[c])
            return single_bounds(c, first, number, bare.roots, bare.table, where, machine) < limit

        masks = side_by_side(below, range(len(node.numbers)))
        self.pruned["candidate"] += sum(int((~mask).sum()) for mask in masks)
        if not all(mask.any() for mask in masks):
            return None
        self.nodes += node.rows
        return replace(node.only(masks), bound=max(node.bound, float(np.log(max(root, 1e-99)))))

    def without_dominated(self, node: Node, parts: list[Component]) -> Node:
        """Without candidates that another one equals or beats in everything that counts."""
        from tilewright.mapping.optimal.branch_kernels import undominated

        masks: list[Any] = []
        enough = node.rows if self.objective == "traffic" else COMPARED
        most = [float(part.steps[rows].max()) for part, rows in zip(parts, node.numbers, strict=True)]
        for number, (part, rows) in enumerate(zip(parts, node.numbers, strict=True)):
            twin = next((k for k, other in enumerate(parts[:number]) if other.reads is part.reads), None)
            if twin is not None and np.array_equal(node.numbers[twin], rows):
                masks.append(masks[twin])
                continue
            columns, _ = traits(node.origin.structure, keep_rows(part, rows), node.origin.where, node.origin.machine)
            if self.careful:  # a better one of more steps is no better where there may be too many of them
                steps = np.maximum(part.steps[rows], self.judge.max_steps * most[number] / prod(most))
                columns = np.hstack([columns, steps[:, None]])
            order = np.argsort(columns.sum(axis=1), kind="stable")
            mask = np.zeros(len(rows), bool)
            mask[order[undominated(np.ascontiguousarray(columns[order]), enough)]] = True
            self.pruned["dominated"] += int((~mask).sum())
            masks.append(mask)
        return node.only(masks)

    def dive(self, node: Node) -> float:
        """Evaluate what random moves find, candidates of least scores preferred (in every second walk where there are
        memories further in than the scratchpad); its bound."""
        deep = node.origin.structure.deep
        steps = min(DIVE if deep else DIVE // 2, 30 * node.rows)
        seeds = [next(self.seeds) for _ in range(WALKS)]
        found = side_by_side(
            lambda seed: walk(node, node.origin.where, steps, seed, 1.0 + (seed % 2 if deep else 1)), seeds
        )
        self.nodes += WALKS * (steps + node.rows)
        self.walked += WALKS * (steps + node.rows)
        for rows, value in found:
            self.try_walked(node, rows, value)
        return float(min(value for _, value in found))

    def try_walked(self, node: Node, rows: Any, value: float) -> None:
        """Evaluate what a random walk found."""
        if value < self.judge.limit(node.origin.machine.most_pj):
            self.try_leaf(node, rows, Proof(0.0, "few"), value)

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
            if left < self.judge.limit() and children:
                waiting += children
            else:
                rest = min(rest, left)
        return float(rest)

    def sweep_one(self, node: Node, proof: Proof, budget: int) -> float:
        """The same for a node that cuts bring no nearer to the costs."""
        from tilewright.mapping.optimal.lattice import least_in_trees, shortest_paths

        few = node.size <= self.small
        most, spent = 16, 0
        while True:
            allowed = budget - spent
            if self.deadline is not None:
                allowed = min(allowed, max(1000, int((self.deadline - monotonic()) * NODES_A_SECOND)))
            found = (least_in_trees if few else shortest_paths)(node, self.judge.limit(), most, allowed)
            if few:
                self.sweeps, self.swept = self.sweeps + 1, self.swept + found.work
            rest = found.rest
            self.nodes += found.work
            spent += found.work
            self.pruned["bound"] += found.cut
            before = self.judge.evaluated
            for rows, value in zip(found.rows, found.values, strict=True):
                if not value < self.judge.limit():
                    break
                if self.spent:
                    rest = min(rest, value)
                    break
                self.try_leaf(node, rows, proof, value)
            spent += NODES_AN_EVALUATION * (self.judge.evaluated - before)
            if rest >= self.judge.limit() or self.spent or most >= MOST_LEAVES or spent >= budget:
                return rest
            most *= 16

    def sweep_all(self, node: Node, proof: Proof) -> float:
        """The same without shortest paths: every combination by itself."""
        from tilewright.mapping.optimal.bound_kernels import bound

        scratch = np.empty(4 * len(node.origin.where.parent) + node.origin.where.operands)
        turns = turns_taken(node.origin.where)
        table = np.concatenate(node.tables)
        starts = np.concatenate([[0], np.cumsum([len(rows) for rows in node.numbers])])[:-1]
        for chosen in product(*(range(len(rows)) for rows in node.numbers)):
            rows = starts + chosen
            value = min(bound(rows, table, turn, node.origin.machine, scratch)[0] for turn in turns)
            self.nodes += len(turns)
            if value < self.judge.limit():
                self.try_leaf(node, rows - starts, proof, value)
        return float("inf")

    def try_leaf(self, node: Node, rows: Any, proof: Proof, value: float) -> None:
        """Evaluate the mappings of one combination; what may be left of it goes into the proof's bound."""
        chosen: dict[str, tuple[int, ...]] = {}
        for c, row in enumerate(rows):
            chosen.update(node.origin.chain(c, int(node.numbers[c][row])))
        candidates, all_of_them = mappings(node.origin.structure, chosen, MOST_ORDERS)
        if steps_of(self.problem, candidates[0]) > self.judge.max_steps:  # in any order
            self.too_long = min(self.too_long, value)
            return
        if self.order_of is not None:
            pad = self.problem.arch.scratchpad.name
            candidates = [m for m in candidates if m.tile_loops(pad) == self.order_of.tile_loops(pad)] or candidates
        before, best = self.judge.evaluated, self.judge.best
        for mapping in candidates:
            self.judge.judge(mapping)
            if self.objective == "traffic" and self.judge.least <= value:
                break  # the others are no better
        if self.judge.best is not best:
            self.winner = node.origin.structure, chosen
        self.nodes += NODES_AN_EVALUATION * (self.judge.evaluated - before)
        if not all_of_them:
            proof.bound = min(proof.bound, value)

    def first_mapping(self, orders: int) -> None:
        """A good mapping: random moves over few tiles in every order of keeps, then over more in the best of them."""
        free = [one for one in self.structures if None not in one.axis_places]
        rules, self.rules = self.rules, self.rules & {"candidate"}
        ready: list[tuple[Node, Layout]] = []
        steps = GLANCE if orders == FIRST_ORDERS else GLANCE_PROOF
        for structure in free or self.structures:
            node = None if self.spent and ready else self.root(structure, self.allowed(FEWER))
            turns = [] if node is None else turns_taken(node.origin.where)
            ready += [(node, where) for where in (turns if steps == GLANCE else turns[:1]) if node is not None]
        walked = side_by_side(lambda k: walk(*ready[k], min(steps, 30 * ready[k][0].rows), 0), range(len(ready)))
        for (node, _), (rows, value) in zip(ready, walked, strict=True):
            self.try_walked(node, rows, value)
        glances = sorted((value, k) for k, (_, value) in enumerate(walked))
        self.rules = rules
        best = list(dict.fromkeys(ready[k][0].origin.structure for _, k in glances))
        if self.candidates(FEW) <= MOST_FIRST:
            values: dict[Structure, float] = {}
            for structure in best[:orders]:
                node = None if self.spent else self.root(structure, self.allowed(FEW))
                if node is not None:
                    values[structure] = min(self.dive(node) for _ in range(FIRST_DIVES))
            best.sort(key=lambda structure: values.get(structure, np.inf))
        # The most promising orders first: what they yield cuts the others short.
        rank = {structure: number for number, structure in enumerate(best)}
        self.structures = sorted(self.structures, key=lambda one: rank.get(one, len(rank)))
