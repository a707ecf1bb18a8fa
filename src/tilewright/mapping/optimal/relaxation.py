"""A structure's costs as posynomials of its candidates' features, for a bound that weighs them against each other.

Every count of a mapping is a sum of products with one factor per component (docs/model.md, section 7). In logarithms a
product is a sum over components, a sum of products is a convex function of these sums, and so are rooms and positions
taken. Its least value over convex mixtures of candidates is a bound of all their combinations (``dual_kernels``).
"""

from __future__ import annotations

from itertools import product

import numpy as np

from tilewright.mapping.optimal.assumed import Case, moves_window
from tilewright.mapping.optimal.chains import Floats
from tilewright.mapping.optimal.costs import OBJECTIVE_CODES, WITHIN, Costs, Layout, turns_taken
from tilewright.mapping.optimal.forms import (
    BRIEF_LAST,
    BY_REST,
    IF_ONCE,
    IF_SEVERAL,
    IF_STEPS,
    LATER,
    LONG_LAST,
    LONGEST,
    MIXED,
    ROOM,
    TINY,
    TOTAL,
    Columns,
    Feature,
    Form,
    Relaxed,
    Sharper,
    starts_of,
)
from tilewright.mapping.optimal.measured import HALF, STILL, Measured
from tilewright.mapping.optimal.transfer_kernels import BESIDE, DOUBLE, INNER, LOOPS, OPENING, ROOFLINE, SINGLE

LATENCY, ENERGY, EDP, TRAFFIC = (OBJECTIVE_CODES[name] for name in ("latency", "energy", "edp", "traffic"))
LESS = "less "  # before those of all refills of an item but one
# Before those that count if the last visit of results may be a single step, if not, and if there are several steps.
BRIEF, LONG, EARLIER = "brief ", "long ", "earlier "


def relaxed(where: Layout, cost: Costs, tables: list[Floats], case: Case) -> Relaxed:
    """The posynomials of a case; ``tables`` are the packed features of each component's candidates."""
    return _Relaxation(where, cost, tables, case).build()


class _Relaxation(Measured):
    def __init__(self, where: Layout, cost: Costs, tables: list[Floats], case: Case) -> None:
        super().__init__(where, cost, tables, case)
        self.refilling = [max(self.inner[j][0], 0) if self.inner[j][0] <= where.barrier[j] else j for j in self.items]
        self.moves: dict[int, Form] = {}  # cycles of all transfers of an item that DRAM feeds, or is stored there
        self.opened: dict[int, Form] = {}  # those of the first load, or the last store
        self.together: list[tuple[int, ...]] = []  # items whose transfers come in steps of their own: see ``waits``
        self.started: dict[int, tuple[Feature, Feature]] = {}  # words, and those of them that start from zero
        self.parallel = 0
        for table in tables:
            self.parallel |= int(np.bitwise_and.reduce(table[:, where.at_free + 1].astype(np.int64)))

    # Costs.

    def build(self) -> Relaxed:
        where, cost = self.where, self.cost
        energy = Form(constant=cost.fixed_pj)
        read, written, runs, streamed = Form(constant=where.parameter_bytes), Form(), Form(), Form()
        runs.constant = float(where.parameters)
        pad_read, pad_written = Form(), Form()
        moved_in, moved_out = Form(constant=where.parameter_bytes), Form()
        for j in self.items:
            if where.output[j]:
                continue
            size = where.bits[j] / 8
            reads, writes = ("reads", j, self.refilling[j]), ("writes", j, self.refilling[j])
            energy.add(reads, size * cost.read_pj[where.parent_memory[j]])
            linked = cost.link_pj if self.parallel & int(where.between[j]) else 0.0
            energy.add(writes, size * (cost.write_pj[where.memory[j]] + linked))
            if where.parent[j] < 0:
                read.add(reads, size)
                own = self.runs(j)
                runs.take(own, 1.0)
                self.moves[j] = own.scaled(cost.setup)
                self.moves[j].add(reads, size / cost.dram_read_rate)
                if where.memory[j] == where.pad:
                    moved_in.add(reads, size)
                    self.open(j, size)
                else:
                    streamed.add(reads, size)
            elif where.parent_memory[j] == where.pad:
                pad_read.add(reads, size)
        for o in range(where.operands):
            if o == where.output_operand:
                continue
            size, memory = where.operand_bits[o] / 8, where.innermost_memory[o]
            energy.add(("served", o, 0), size * cost.read_pj[memory])
            if self.parallel & int(where.below[o]):
                energy.constant += where.in_bounds[o] * size * cost.link_pj
            if memory == where.pad:
                pad_read.add(("served", o, 0), size)
        self.results(energy, read, written, runs, pad_read, pad_written, moved_in, moved_out)
        groups: list[tuple[int, Form]] = []
        if cost.leakage_pj:
            energy.add(("points", 0, 0), cost.leakage_pj)
        if where.objective in (ENERGY, EDP):
            groups.append((TOTAL, energy))
        if where.objective == WITHIN and np.isfinite(where.most_energy):
            groups.append((LONGEST, energy.scaled(1 / where.most_energy)))
        if where.objective == TRAFFIC:
            traffic = Form()
            traffic.take(read, 1.0)
            traffic.take(written, 1.0)
            groups.append((TOTAL, traffic))
        scale = 1 / where.most_cycles if where.objective == WITHIN else 1.0
        if where.objective in (LATENCY, EDP, WITHIN) and scale > 0:
            flows = (read, written, runs, streamed, pad_read, pad_written, moved_in, moved_out)
            groups += [(LONGEST, form.scaled(scale)) for form in self.times(*flows)]
        groups += [(ROOM, form) for form in self.rooms()]
        return self.laid_out(groups)

    def laid_out(self, groups: list[tuple[int, Form]]) -> Relaxed:
        """Groups and their roles as arrays."""
        groups = [(role, form) for role, form in groups if form.terms or role == TOTAL]
        features = sorted({feature for _, form in groups for feature in form.terms})
        coefficients = np.zeros((len(groups), max(1, len(features))))
        for g, (_, form) in enumerate(groups):
            for feature, coefficient in form.terms.items():
                coefficients[g, features.index(feature)] = coefficient
        sharp = self.sharper(features)
        return Relaxed(
            sharp.at(starts_of(self.tables), [np.arange(len(table)) for table in self.tables]),
            coefficients,
            np.array([form.constant for _, form in groups]),
            np.array([role for role, _ in groups]),
            np.array([self.item_of(feature) for feature in features] or [0]),
            sharp,
        )

    def sharper(self, features: list[Feature]) -> Sharper:
        """What features are in parts of the case, by what is left open in them."""
        where, case, many = self.where, self.case, len(self.items)
        segments, raw, loops, slides, beside = [], [], [], [], []
        for table in self.tables:
            inner = table[:, where.at_item + INNER].astype(np.int64)
            for j in self.items:
                inner[:, j] = self.inner[j][0] if self.inner[j][1] else inner[:, j]
            raw.append(inner)
            beside.append(table[:, where.at_item + BESIDE].astype(np.int64))
            segments.append(np.where(inner <= where.barrier, inner, np.arange(many)))
            loops.append(table[:, where.at_item + LOOPS].astype(np.int64))
            slides.append(np.stack([moves_window(where, table, j) for j in self.items], axis=1))
        found = Columns(lambda feature: [self.column(feature, c) for c in range(len(self.tables))], many, len(features))
        for f, feature in enumerate(features):
            self.listed(found, f, feature)
        if where.timing == DOUBLE and where.memory[where.first_output] == where.pad:
            found.stored = int(where.first_output)
        for j in self.items if where.timing == DOUBLE else ():
            if where.parent[j] < 0:
                found.visited(j, [("lasting", j, s) for s in range(j + 1)])
        turns = [turn.before for turn in turns_taken(where, case.inner, case.before)]
        unknown = np.logical_or.reduce(turns)
        passing = np.array([where.parent[j] < 0 and where.memory[j] != where.pad for j in self.items])
        return found.sharper(
            # All in one order: compiled code is made anew for arrays of another one.
            *(np.ascontiguousarray(np.concatenate(own)) for own in (segments, raw, loops, slides, beside)),
            float(np.log(where.accumulator_bits / where.output_bits)), where.barrier,
            np.array([j for j in self.items if case.inner[j] is None and where.barrier[j] >= 0], np.int64),
            np.array([[self.slides(j, c) for j in self.items] for c in range(len(self.tables))]),
            np.array([*turns, self.before]), np.array([*turns, unknown]),
            where.turns, where.turns_all, passing, where.tile_items,
            np.concatenate([table[:, where.at_points + 4] > 1 for table in self.tables]),
            axes=(where.axis_count, where.axis_component, where.axis_stride, where.axis_size),
        )  # fmt: skip

    def listed(self, found: Columns, f: int, feature: Feature) -> None:
        """Note the columns of a feature."""
        what, j, segment = feature
        for when, prefix in ((BRIEF_LAST, BRIEF), (LONG_LAST, LONG), (LATER, EARLIER)):
            if what.startswith(prefix):
                what, found.when[f] = what.removeprefix(prefix), when
        if what == "steps":
            found.by_steps(f, ("points", 0, 0), [(i, self.apart(i)) for i in self.together[j]])
        elif what == "again":
            (words, k, at), (_, source, _) = self.started[j]
            started = [("writes", source, s) for s in range(source + 1)]
            found.by_share(f, k, self.each(words, k, at), source, started)
            found.widths[f] = segment - 1
        elif what == "held":
            found.by_segment(f, j, self.each("reads", j, segment), self.each("reads", j, segment))
            found.widths[f] = j
        elif what == "all but two":
            # The last store stands for itself.
            base, apart = (("one", j, 0), "size") if segment == 0 else (("visits", j, 0), "visits")
            found.by_steps(f, base, [(j, [(HALF + apart, j, 0)])], kind=BY_REST)
        elif what == "first":
            found.by_steps(f, ("step", 0, 0), [(i, self.apart(i)) for i in self.together[j]], kind=IF_STEPS)
        elif what == "room":
            # Of mappings that need but one footprint none has two loops above the item.
            single = self.where.doubles[j] == 1 and segment == 1 and j not in self.case.once
            found.by_loops(f, j, (what, j, segment)) if single else found.fixed(f, (what, j, segment))
            if self.where.output[j] and self.where.narrow_bits[j] < self.where.accumulator_bits:
                found.widths[f] = self.where.next_output[j]
        elif what == "several":
            found.by_condition(f, 0, ("step", 0, 0), kind=IF_SEVERAL)
        elif what == "once":
            found.by_condition(f, j, ("one" if segment else "reads", j, 0), kind=IF_ONCE)
        elif what in ("opening runs", "last runs"):
            found.fixed(f, (what.removesuffix(" runs"), j, segment))
            found.in_runs(f, j, ("widest", j, 0), *([("one", j, 0)],) * 2)
        else:
            whole = what.removeprefix(LESS)
            moved = "reads" if whole == "runs" else whole
            found.by_segment(f, j, *self.moving_and_still(moved, j, segment))
            if whole == "runs":
                found.in_runs(f, j, ("widest", j, 0), *self.moving_and_still("filled", j, segment))
            found.plain[f] = whole == "visits"
            if what != whole:
                moving, still = self.moving_and_still("reads", j, self.refilling[j])
                found.one_less(f, j, moving, still, ("widest", j, 0))

    def moving_and_still(self, what: str, j: int, segment: int) -> tuple[list[Feature], list[Feature]]:
        """A feature of an item for every segment that may refill it, while its window slides and while it does not."""
        moving = self.each(what, j, segment)
        still = [(STILL + one, k, s) for one, k, s in moving] if self.slid(what, j) else moving
        return moving, still

    def slid(self, what: str, j: int) -> bool:
        """Whether a feature counts less while a window slides."""
        return what in ("reads", "writes", "filled", "ending") and any(
            self.slides(j, c) for c in range(len(self.tables))
        )

    def each(self, what: str, j: int, segment: int) -> list[Feature]:
        """A feature of an item for every segment that may refill it."""
        is_open = self.case.inner[j] is None and self.where.barrier[j] >= 0
        if what not in ("reads", "writes", "visits", "filled", "ending") or not is_open:
            return [(what, j, segment)]
        return [(what, j, s) for s in range(j + 1)]

    def apart(self, j: int) -> list[Feature]:
        return [("apart", j, s) for s in range(j + 1)]

    def item_of(self, feature: Feature) -> int:
        """The keep on whose tiles a feature depends; the last one for what the multipliers do."""
        what, j = feature[0].removeprefix(BRIEF).removeprefix(LONG).removeprefix(EARLIER), feature[1]
        if what in ("steps", "first", "several", "once") or what.startswith(LESS):
            return MIXED
        if what in ("points", "served", "ending served", "used") or j < 0:
            return len(self.items) - 1
        if what == "final":
            return self.where.tile_items - 1
        return int(self.where.first_output) if what == "last" else j

    def results(
        self, energy: Form, read: Form, written: Form, runs: Form, pad_read: Form, pad_written: Form,
        moved_in: Form, moved_out: Form,
    ) -> None:  # fmt: skip
        """Results on their way from the multipliers to DRAM, and partial sums on their way back."""
        where, cost, wide = self.where, self.cost, self.where.accumulator_bits / 8
        k = where.first_output
        started: Feature | None = None  # the words that start from zero above: all results, or visits of an item
        while True:
            arrivals, visits = ("reads", k, self.refilling[k]), ("writes", k, self.refilling[k])
            back = self.difference(arrivals, started, k, -1)
            if where.parent[k] < 0:
                stored = where.results * where.output_bits / 8
                self.moves[k] = Form(constant=stored / cost.dram_write_rate)
                self.moves[k].take(back, wide / cost.dram_write_rate)
                written.constant += stored
                written.take(back, wide)
                read.take(back, wide)
                energy.constant += stored * (cost.write_pj[0] + cost.read_pj[where.memory[k]])
                round_trip = cost.write_pj[0] + cost.read_pj[where.memory[k]] + cost.read_pj[0]
                energy.take(back, wide * (round_trip + cost.write_pj[where.memory[k]]))
                if where.memory[k] == where.pad:
                    moved_out.constant += stored
                    moved_out.take(back, wide)
                    moved_in.take(back, wide)
                runs.take(self.runs(k), 1.0)
                child_back = Form()
            else:
                child_back = Form() if where.may_scatter[k] else back
                if self.parallel & int(where.between[k]):
                    energy.take(child_back, wide * cost.link_pj)
            following = where.next_output[k]
            if following >= 0:
                held, words = where.output_bits / 8, ("reads", following, self.refilling[following])
                coming: Feature = ("held", following, self.refilling[following])
            else:
                held, words = wide, ("served", where.output_operand, 0)
                coming = words
            again = self.difference(words, None if where.simple[k] else visits, following, following)
            held_back = child_back if started is None else self.difference(arrivals, started, k, following)
            reading, writing = cost.read_pj[where.memory[k]], cost.write_pj[where.memory[k]]
            energy.add(coming, held * writing)
            if where.parent[k] < 0:
                energy.take(again, held * reading)
            else:
                energy.add(coming, held * reading)
                if not where.may_scatter[k]:
                    energy.take(held_back, held * (reading + writing))
            if where.memory[k] == where.pad:
                pad_read.take(again, held)
                pad_written.add(coming, held)
            if following < 0:
                return
            k, started = following, None if where.simple[k] else visits

    def difference(self, words: Feature, started: Feature | None, item: int, held: int) -> Form:
        """Words on their way to an item (-1: the multipliers), less those that start from zero; wider if those of item
        ``held`` are (-1: never)."""
        if started is None:
            return Form({words: 1.0}, -self.where.results)
        self.started[item] = words, started
        return Form({("again", item, held + 1): 1.0})

    def runs(self, j: int) -> Form:
        """The DRAM runs of an item, those of words that come back not counted."""
        where = self.where
        if self.cost.setup == 0 or where.padded[j]:
            return Form()
        return Form({("visits" if where.packed[j] else "runs", j, self.refilling[j]): 1.0})

    def first_runs(self, what: str, j: int) -> Form:
        """The cycles that the runs of an item's first load or last store take to be set up."""
        if self.where.padded[j] or self.where.packed[j] or self.cost.setup == 0:
            return Form(constant=self.cost.setup)
        return Form({(what + " runs", j, 0): self.cost.setup})

    def open(self, j: int, size: float) -> None:
        """The first transfer of an item, unless some of its candidates begin with padding alone."""
        if all(table[:, self.where.at_item[j] + OPENING].min() > 0 for table in self.tables):
            self.opened[j] = self.first_runs("opening", j)
            self.opened[j].add(("opening", j, 0), size / self.cost.dram_read_rate)

    def times(
        self, read: Form, written: Form, runs: Form, streamed: Form, pad_read: Form, pad_written: Form,
        moved_in: Form, moved_out: Form,
    ) -> list[Form]:  # fmt: skip
        """Forms that cycles are not below, any of them."""
        where, cost = self.where, self.cost

        def joined(*parts: tuple[Form, float]) -> Form:
            form = Form()
            for part, rate in parts:
                form.take(part, 1.0 / rate)
            return form

        points = Form({("points", 0, 0): 1.0})
        if where.timing == ROOFLINE:
            if cost.pad_shared:
                ports = [joined(*((part, cost.pad_read_rate) for part in (pad_read, pad_written, moved_in, moved_out)))]
            else:
                ports = [
                    joined((pad_read, cost.pad_read_rate), (moved_out, cost.pad_read_rate)),
                    joined((pad_written, cost.pad_write_rate), (moved_in, cost.pad_write_rate)),
                ]
            if cost.dram_shared:
                return [points, *ports, joined((read, cost.dram_read_rate), (written, cost.dram_read_rate))]
            return [points, *ports, joined((read, cost.dram_read_rate)), joined((written, cost.dram_write_rate))]
        if cost.pad_shared:
            tiles = [points, joined((pad_read, cost.pad_read_rate), (pad_written, cost.pad_read_rate))]
        else:
            tiles = [
                points,
                joined((pad_read, cost.pad_read_rate)),
                joined((pad_written, cost.pad_write_rate)),
            ]
        dma = joined((read, cost.dram_read_rate), (written, cost.dram_write_rate))
        dma.take(runs, cost.setup)
        if where.timing == SINGLE:
            rest = joined((dma, 1.0))
            rest.take(streamed, -1.0 / cost.dram_read_rate)
            return [joined((tile, 1.0), (rest, 1.0)) for tile in tiles] + [dma]
        assert where.timing == DOUBLE
        if where.memory[where.first_output] == where.pad:
            last = where.output_bits / 8 / cost.dram_write_rate
            stored = int(where.first_output)
            self.opened[stored] = self.first_runs("last", stored)
            self.opened[stored].add(("last", 0, 0), last)
        edges = Form(constant=where.parameters * cost.setup + where.parameter_bytes / cost.dram_read_rate)
        for one in self.opened.values():
            edges.take(one, 1.0)
        return [joined((tile, 1.0), (edges, 1.0)) for tile in tiles] + [dma, *self.closing(), *self.waits(edges)]

    def closing(self) -> list[Form]:
        """In the last step nothing is loaded, and what was stored last before: it takes what is computed in it, or
        passes the scratchpad's port, and all other transfers come besides. In the first of several steps nothing is
        stored, and each item is loaded once at most: what is computed in both, and all transfers but these."""
        where, cost = self.where, self.cost
        moved = Form(constant=where.parameters * cost.setup + where.parameter_bytes / cost.dram_read_rate)
        reads, writes, between = Form(), Form(), Form({("several", 0, 0): 1.0, ("final", 0, 0): 1.0})
        less = Form(constant=moved.constant)
        for j in self.items:
            if where.output[j]:
                continue
            if where.parent[j] < 0 and where.memory[j] == where.pad:
                moved.take(self.moves[j], 1.0)
                for (what, i, segment), times in self.moves[j].terms.items():
                    less.add((LESS + what, i, segment), times)
            elif where.parent[j] < 0:  # what passes the scratchpad by moves in the first step, if it does so once
                moved.add(("once", j, 0), where.bits[j] / 8 / cost.dram_read_rate)
                if self.runs(j).terms:  # a run at least
                    moved.add(("once", j, 1), cost.setup)
            elif where.parent_memory[j] == where.pad and where.parent[j] >= 0:
                reads.add(("ending", j, self.refilling[j]), where.bits[j] / 8 / cost.pad_read_rate)
        for o in range(where.operands):
            if where.innermost_memory[o] == where.pad and o != where.output_operand:
                reads.add(("ending served", o, 0), where.operand_bits[o] / 8 / cost.pad_read_rate)
        k, stores = int(where.first_output), Form()
        if where.memory[k] == where.pad:
            stored = where.results * where.output_bits / 8 / cost.dram_write_rate
            stores.add((BRIEF + "one", k, 0), self.opened[k].constant)
            for (what, j, segment), times in self.opened[k].terms.items():
                stores.add((BRIEF + what, j, segment), times)
            stores.add((BRIEF + "all but two", k, 0), stored)
            if where.in_bounds[where.output_operand] > 0:  # every store is a run at least
                stores.add((BRIEF + "all but two", k, 1), cost.setup)
            stores.add((LONG + "one", k, 0), stored)
            for (what, j, segment), times in self.runs(k).terms.items():
                stores.add((LONG + what, j, segment), times * cost.setup)
            inner, written = int(where.next_output[k]), ("ending served", where.output_operand, 0)
            if inner >= 0:
                written = ("ending", inner, self.refilling[inner])
            writes.add(written, min(where.output_bits, where.accumulator_bits) / 8 / cost.pad_write_rate)
        ends = [Form({("final", 0, 0): 1.0})]
        if cost.pad_shared:
            reads.take(writes, 1.0)
        ports = [port for port in ((reads,) if cost.pad_shared else (reads, writes)) if port.terms]
        firsts = [between]
        for port in ports:  # in the first step no less passes it than in the last one
            both = Form()
            both.take(port, 1.0)
            for (what, j, segment), times in port.terms.items():
                both.add((EARLIER + what, j, segment), times)
            firsts.append(both)
        ends += ports
        for end in ends:
            end.take(moved, 1.0)
        for first in firsts:
            first.take(less, 1.0)
        ends += firsts
        for end in ends:
            end.take(stores, 1.0)
        return ends

    def waits(self, edges: Form) -> list[Form]:
        """What moves in some of the tile steps hides behind the computing of these alone: cycles are those of its
        transfers, and of the computing in all other steps."""
        where, found = self.where, []
        fed = [j for j in self.items if where.parent[j] < 0 and not where.output[j]]
        loaded = [j for j in fed if where.memory[j] == where.pad]
        passing = [j for j in fed if where.memory[j] != where.pad]
        stored = [int(where.first_output)] if where.memory[where.first_output] == where.pad else []
        for several in product([-1, *loaded], [-1, *passing], [-1, *stored]):
            sources = tuple(j for j in several if j >= 0)
            if not sources:
                continue
            form = Form({("steps", len(self.together), 0): 1.0})
            # The first load and the last store are outside of all steps.
            form.add(("first", len(self.together), 0), float(sum(j not in passing for j in sources)))
            self.together.append(sources)
            form.take(edges, 1.0)
            for j in sources:
                form.take(self.moves[j], 1.0)
                if j in self.opened:
                    form.without(self.opened[j])
            found.append(form)
        return found

    def rooms(self) -> list[Form]:
        """Rooms and positions, as shares of what there is."""
        where, forms = self.where, []
        for group, capacity in enumerate(where.capacity):
            room = float(capacity) - float(where.reserved[group])
            form = Form()
            for j in self.items:
                if where.group[j] != group or not np.isfinite(capacity):
                    continue
                twice = where.doubles[j] == 2 or (where.doubles[j] == 1 and self.twice(j))
                form.add(("room", j, 2 if twice else 1), where.narrow_bits[j] / 8 / max(room, TINY))
            forms.append(form)
        for axis, positions in enumerate(where.positions):
            if positions > 1 or any(table[:, where.at_used + axis].max() > 1 for table in self.tables):
                forms.append(Form({("used", axis, 0): 1.0 / float(positions)}))
        return forms

    def twice(self, j: int) -> bool:
        """Whether every mapping of the case needs two footprints of an item that is loaded ahead."""
        if j in self.case.twice:
            return True
        loops = [table[:, self.where.at_item[j] + LOOPS].min() for table in self.tables]
        slides = any(moves_window(self.where, table, j).any() for table in self.tables)
        return bool(sum(loops) > (1 if slides else 0))
