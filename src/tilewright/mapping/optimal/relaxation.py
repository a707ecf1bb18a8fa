"""A structure's costs as posynomials of its candidates' features, for a bound that weighs them against each other.

Every count of a mapping is a sum of products with one factor per component (docs/model.md, section 7). In logarithms a
product is a sum over components, a sum of products is a convex function of these sums, and so are rooms and positions
taken. Its least value over convex mixtures of candidates is a bound of all their combinations (``dual_kernels``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tilewright.mapping.optimal.costs import OBJECTIVE_CODES, WITHIN, Costs, Layout
from tilewright.mapping.optimal.features import Floats
from tilewright.mapping.optimal.forms import LONGEST, MIXED, ROOM, TINY, TOTAL, Feature, Form, Relaxed
from tilewright.mapping.optimal.tangents import tangent
from tilewright.mapping.optimal.transfer_kernels import (
    BESIDE,
    DOUBLE,
    FOOTPRINT,
    INNER,
    ITEM,
    LOOPS,
    OPENING,
    RING,
    ROOFLINE,
    SINGLE,
    WIDEST,
)

LATENCY, ENERGY, EDP, TRAFFIC = (OBJECTIVE_CODES[name] for name in ("latency", "energy", "edp", "traffic"))
LEAST_ROUNDS, FEWEST_BESIDE = 30, 0.2  # of a search for the least n of a stream; the logarithm of one that counts


@dataclass(frozen=True)
class Case:
    """What is assumed of all mappings of a case: ``inner[j]`` is the segment of the innermost loop that item j's
    operand uses (-1: none, j: one below its pars, ``None``: not known), for items whose pars hold them in place;
    ``twice`` are items loaded ahead into a second footprint, ``once`` those that need but one; ``slides`` are items
    with the one component along which their windows slide, where that is known."""

    inner: tuple[int | None, ...]
    twice: frozenset[int] = frozenset()
    once: frozenset[int] = frozenset()
    slides: frozenset[tuple[int, int]] = frozenset()

    def may_slide(self, j: int, c: int) -> bool:
        """Whether the window of an item may slide along a component."""
        return (j, c) in self.slides or all(item != j for item, _ in self.slides)


def moves_window(where: Layout, table: Floats, j: int) -> Any:
    """Which candidates of a component have a single loop above an item, such that less than two footprints do."""
    at = where.at_item[j]
    return (table[:, at + LOOPS] == 1) & (table[:, at + RING] < 2 * table[:, at + FOOTPRINT])


def segments_known(where: Layout, tables: list[Floats], case: Case) -> list[tuple[int, bool]]:
    """For every item the segment of its innermost loop, at least, and whether that is known to be so."""
    found = []
    for j, at in enumerate(where.at_item):
        known = case.inner[j]
        if known is not None:
            found.append((known, known <= where.barrier[j]))
        else:
            found.append((int(max(table[:, at + INNER].min() for table in tables)), False))
    return found


def relaxed(where: Layout, cost: Costs, tables: list[Floats], case: Case) -> Relaxed:
    """The posynomials of a case; ``tables`` are the packed features of each component's candidates."""
    return _Relaxation(where, cost, tables, case).build()


class _Relaxation:
    def __init__(self, where: Layout, cost: Costs, tables: list[Floats], case: Case) -> None:
        self.where, self.cost, self.tables, self.case = where, cost, tables, case
        self.inner = segments_known(where, tables, case)
        self.items = range(len(where.parent))
        self.refilling = [max(self.inner[j][0], 0) if self.inner[j][0] <= where.barrier[j] else j for j in self.items]
        self.powers: dict[int, float] = {}  # of streams whose steps are few: see ``waits``
        self.parallel = 0
        for table in tables:
            self.parallel |= int(np.bitwise_and.reduce(table[:, where.at_free + 1].astype(np.int64)))

    # Features.

    def column(self, feature: Feature, c: int) -> Floats:
        """One feature of every candidate of a component, in logarithms."""
        where, table = self.where, self.tables[c]
        what, j, segment = feature
        if what == "points":
            values = table[:, where.at_points]
        elif what == "served":
            values = table[:, where.at_points + 5 + j]
        elif what == "last":
            values = table[:, where.at_points + 1]
        elif what == "used":
            values = table[:, where.at_used + j]
        elif what == "room":
            # Of mappings that need but one footprint none has two loops above the item.
            values = table[:, where.at_item[j] + (RING if j in self.case.once else FOOTPRINT)]
        elif what == "opening":
            values = table[:, where.at_item[j] + OPENING]
        elif what == "visits":
            values = table[:, where.at_visits[j] + segment]
        elif what == "apart":
            values = self.steps_beside(j, segment, c)
        elif what == "beside":
            values = table[:, where.at_points] * self.steps_beside(j, segment, c) ** self.powers[j]
        elif what == "runs":
            values = np.exp(self.column(("reads", j, self.refilling[j]), c))
            if c == segment:
                values = values / np.maximum(table[:, where.at_item[j] + WIDEST], 1.0)
        else:
            values = self.moved(what == "writes", j, segment, c)
        found: Floats = np.log(np.maximum(values, TINY))
        return found

    def moved(self, writes: bool, j: int, segment: int, c: int) -> Floats:
        where, table, at = self.where, self.tables[c], self.where.at_item[j]
        inner, known = self.inner[j]
        counted = segment
        if known and 0 <= inner <= where.barrier[j]:
            for i in self.items:
                if where.before[i, j] and where.turns_all[i, j, c] and self.inner[i] == (inner, True):
                    counted = min(inner + 1, j)
        values = table[:, at + ITEM + (j + 1 if writes else 0) + counted]
        if where.window[c, j] and self.case.may_slide(j, c):
            slides = at + ITEM + 2 * (j + 1) + (counted if where.repeated else 0)
            sliding = table[:, slides + (j + 1 if where.repeated else 1) * writes]
            if known:
                sliding = np.where(table[:, at + INNER] == inner, sliding, values)
            values = np.minimum(values, sliding)
        return values

    def most_ratio(self, above: Feature, below: Feature) -> float:
        """The most that one feature can be as a share of another."""
        share = 1.0
        for c in range(len(self.tables)):
            share *= float(np.exp((self.column(above, c) - self.column(below, c)).max()))
        return min(share, 1.0)

    # Costs.

    def build(self) -> Relaxed:
        where, cost = self.where, self.cost
        energy = Form(constant=cost.fixed_pj)
        read, written, runs, streamed = Form(constant=where.parameter_bytes), Form(), Form(), Form()
        runs.constant = float(where.parameters)
        pad_read, pad_written = Form(), Form()
        moved_in, moved_out = Form(constant=where.parameter_bytes), Form()
        opening = Form(constant=where.parameter_bytes)
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
                self.runs(runs, j, 1.0, 0.0)
                if where.memory[j] == where.pad:
                    moved_in.add(reads, size)
                    self.opening(opening, j, size)
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
            flows = (read, written, runs, streamed, pad_read, pad_written, moved_in, moved_out, opening)
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
        logs = tuple(
            np.ascontiguousarray(np.stack([self.column(feature, c) for feature in features], axis=1))
            if features
            else np.zeros((len(table), 1))
            for c, table in enumerate(self.tables)
        )
        return Relaxed(
            logs,
            coefficients,
            np.array([form.constant for _, form in groups]),
            np.array([role for role, _ in groups]),
            np.array([self.item_of(feature) for feature in features] or [0]),
        )

    def item_of(self, feature: Feature) -> int:
        """The keep on whose tiles a feature depends; the last one for what the multipliers do."""
        what, j, _ = feature
        if what in ("apart", "beside"):
            return MIXED
        if what in ("points", "served", "used"):
            return len(self.items) - 1
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
            back = self.difference(arrivals, started)
            if where.parent[k] < 0:
                stored = where.results * where.output_bits / 8
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
                self.runs(runs, k, 2.0, -where.results)
                child_back = Form()
            else:
                child_back = Form() if where.may_scatter[k] else back
                if self.parallel & int(where.between[k]):
                    energy.take(child_back, wide * cost.link_pj)
            following = where.next_output[k]
            if following >= 0:
                refilling, held = self.refilling[following], where.output_bits / 8
                for table in self.tables:
                    beside = int(np.bitwise_and.reduce(table[:, where.at_item[following] + BESIDE].astype(np.int64)))
                    if beside & ((1 << refilling) - 1):
                        held = wide
                coming: Feature = ("reads", following, refilling)
            else:
                held, coming = wide, ("served", where.output_operand, 0)
            again = self.difference(coming, None if where.simple[k] else visits)
            reading, writing = cost.read_pj[where.memory[k]], cost.write_pj[where.memory[k]]
            energy.add(coming, held * writing)
            if where.parent[k] < 0:
                energy.take(again, held * reading)
            else:
                energy.add(coming, held * reading)
                energy.take(child_back, held * (reading + writing))
            if where.memory[k] == where.pad:
                pad_read.take(again, held)
                pad_written.add(coming, held)
            if following < 0:
                return
            k, started = following, None if where.simple[k] else visits

    def difference(self, words: Feature, started: Feature | None) -> Form:
        """Words less those that start from zero."""
        if started is None:
            return Form({words: 1.0}, -self.where.results)
        return Form({words: 1.0 - self.most_ratio(started, words)})

    def runs(self, runs: Form, j: int, times: float, constant: float) -> None:
        """The DRAM runs of an item whose words move so many times."""
        where = self.where
        if self.cost.setup == 0 or where.padded[j]:
            return
        if where.packed[j]:
            runs.add(("visits", j, self.refilling[j]), 1.0)
            return
        run, component = 1.0, -1
        for k in range(where.axis_count[j]):
            c, stride, extent = (
                int(where.axis_component[j, k]),
                where.axis_stride[j, k],
                float(where.axis_size[j, k]),
            )
            if run != stride:
                break
            if c < 0:
                run *= extent
                continue
            widest = self.tables[c][:, where.at_item[j] + WIDEST]
            if widest.max() < extent:
                component = c
                break
            run *= extent
            if widest.min() < extent:
                run *= self.most_rest(j, k)
                break
        run = max(run, 1.0)  # nothing at all moves where all tiles lie in padding
        if component >= 0:
            runs.add(("runs", j, component), 1.0 / run)
        else:
            # Words of an output that come back move twice.
            runs.add(("reads", j, self.refilling[j]), times / run)
            runs.constant += constant / run

    def most_rest(self, j: int, last: int) -> float:
        """The longest that runs can still grow beyond an axis that some tiles cover whole."""
        where, run, full = self.where, 1.0, 1.0
        for k in range(where.axis_count[j]):
            c, stride, extent = (
                int(where.axis_component[j, k]),
                where.axis_stride[j, k],
                float(where.axis_size[j, k]),
            )
            if full != stride:
                break
            widest = extent if c < 0 else min(extent, self.tables[c][:, where.at_item[j] + WIDEST].max())
            if k > last:
                run *= widest
            full *= extent
            if widest < extent:
                break
        return run

    def opening(self, opening: Form, j: int, size: float) -> None:
        """The first transfer of an item, unless some of its candidates begin with padding alone."""
        if all(table[:, self.where.at_item[j] + OPENING].min() > 0 for table in self.tables):
            opening.add(("opening", j, 0), size / self.cost.dram_read_rate)
            opening.constant += self.cost.setup

    def times(
        self, read: Form, written: Form, runs: Form, streamed: Form, pad_read: Form, pad_written: Form,
        moved_in: Form, moved_out: Form, opening: Form,
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
        edges = Form(dict(opening.terms), opening.constant)
        edges.constant += where.parameters * cost.setup + where.parameter_bytes * (1 / cost.dram_read_rate - 1)
        if where.memory[where.first_output] == where.pad:
            edges.add(("last", 0, 0), where.output_bits / 8 / cost.dram_write_rate)
            edges.constant += cost.setup
        return [joined((tile, 1.0), (edges, 1.0)) for tile in tiles] + [dma, *self.waits(edges)]

    def steps_beside(self, j: int, segment: int, c: int) -> Floats:
        """A component's factor of n: all compute steps are as many as those of n times as many tile steps, the longest
        ones, as a stream has refills."""
        where, table = self.where, self.tables[c]
        found: Floats = table[:, where.at_points] / (
            table[:, where.at_visits[j] + segment] * table[:, where.at_points + 2]
        )
        return found

    def waits(self, edges: Form) -> list[Form]:
        """What passes the scratchpad by and comes in every n-th tile step hides behind the computing of these steps
        alone: cycles are those of its transfers, and ``points * (1 - 1 / n)``.

        In logarithms of n that factor is concave, so that above its least n it is above a chord, a power of n.
        """
        where, cost, found = self.where, self.cost, []
        for j in self.items:
            inner, known = self.inner[j]
            passing = where.parent[j] < 0 and where.memory[j] != where.pad and not where.output[j]
            if not (passing and known and inner < where.tile_items):
                continue
            turning = inner >= 0 and any(where.turns[i, j].any() for i in self.items)
            segment = min(inner + 1, j) if turning else self.refilling[j]
            factors = [self.column(("apart", j, segment), c) for c in range(len(self.tables))]
            high = sum(float(own.max()) for own in factors)
            if high <= FEWEST_BESIDE:
                continue
            apart = Form({("apart", j, segment): 1.0})
            least = tangent(
                self.laid_out([(TOTAL, apart), *((ROOM, form) for form in self.rooms())]), np.inf, LEAST_ROUNDS
            )
            low = max(least.bound, sum(float(own.min()) for own in factors) - 1e-9)
            if low < FEWEST_BESIDE or low >= high:
                continue
            near, far = (float(np.log1p(-np.exp(-end))) for end in (low, high))
            self.powers[j] = (far - near) / (high - low)
            form = Form({("beside", j, segment): float(np.exp(near - self.powers[j] * low))})
            form.add(("reads", j, self.refilling[j]), where.bits[j] / 8 / cost.dram_read_rate)
            form.take(edges, 1.0)
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
                form.add(("room", j, 0), (2 if twice else 1) * where.narrow_bits[j] / 8 / max(room, TINY))
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
