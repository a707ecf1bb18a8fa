"""Plans for tests: networks made by hand, mapped at random, costed and lowered as any schedule is."""

from __future__ import annotations

import random
from collections.abc import Callable
from collections.abc import Mapping as Table
from dataclasses import replace
from fractions import Fraction
from math import prod

import numpy as np

from tilewright.arch.accelerator import Accelerator, Array, Memory, VectorUnit, Widths
from tilewright.errors import InfeasibleError
from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.homes import home
from tilewright.mapping.legal import problems
from tilewright.mapping.mapping import Keep, Loop, Mapping, Node
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiling import step_tile
from tilewright.mapping.unroll import direct_unrolling
from tilewright.plan.lower import lower
from tilewright.plan.plan import Plan
from tilewright.schedule.problems import nest_problem, tensor_traffic
from tilewright.schedule.schedule import Group, PartSchedule, Schedule
from tilewright.simulate.run import Claim
from tilewright.workload.nest import LoopNest
from tilewright.workload.network import Network, Operator, Tensor
from tilewright.workload.storage import executed_parts, place

Mapper = Callable[[NestProblem], Mapping]


def machine(**changes: object) -> Accelerator:
    """A small machine with one on-chip memory."""
    everything = ("input", "weight", "output")
    dram = Memory("dram", None, everything, read_bandwidth=Fraction(4), write_bandwidth=Fraction(4), setup_cycles=3)
    pad = Memory("pad", 1 << 20, everything, read_bandwidth=Fraction(16), write_bandwidth=Fraction(16), scratchpad=True)
    array = Array((("lane_k", 4), ("lane_c", 2)), multicast=("lane_k", "lane_c"), reduce=("lane_c",))
    base = Accelerator("test", Fraction(10**9), (dram, pad), array, VectorUnit(4, 0.1), Widths(8, 8, 8, 32))
    return replace(base, **changes)  # type: ignore[arg-type]


class Values:
    """Constants with given values; drawn by name and shape where none is given."""

    def __init__(self, network: Network, given: Table[str, np.ndarray] | None = None, seed: int = 0) -> None:
        self.network, self.given, self.seed = network, dict(given or {}), seed

    def value(self, name: str) -> np.ndarray:
        if name not in self.given:
            rng = np.random.default_rng([self.seed, *name.encode()])
            self.given[name] = rng.standard_normal(self.network.shape(name)).astype(np.float32)
        return self.given[name]


def one_operator(operator: Operator, shapes: Table[str, tuple[int, ...]], constants: tuple[str, ...] = ()) -> Network:
    """A network of one operator; every tensor that is not named constant or the output is an input."""
    tensors = tuple(Tensor(name, shape, constant=name in constants) for name, shape in shapes.items())
    inputs = tuple(t.name for t in tensors if not t.constant and t.name != operator.output)
    return Network("one", (operator,), tensors, inputs, (operator.output,))


def arrange(problem: NestProblem, loops: tuple[Loop, ...], depths: Table[str, int]) -> Mapping:
    """Loops with each operand's keep below so many of them, and the direct unrolling of the step tile.

    Keeps of memories that exist per position stand below everything.
    """
    nodes: list[Node] = []
    inner: list[Keep] = []
    homes = {operand.name: home(problem, operand.name) for operand in problem.nest.operands}
    for depth in range(len(loops) + 1):
        nodes += [Keep(name, homes[name].name) for name, at in depths.items() if at == depth and not homes[name].per]
        nodes += loops[depth : depth + 1]
    inner = [Keep(name, memory.name) for name, memory in homes.items() if memory.per]
    pars = direct_unrolling(problem, step_tile(problem.nest, loops))
    return Mapping((*nodes, *pars, *inner))


def flat(problem: NestProblem) -> Mapping:
    """Everything in one step."""
    return arrange(problem, (), {operand.name: 0 for operand in problem.nest.operands})


def tiled(seed: int, *, most: int = 200) -> Mapper:
    """Random loops over random dimensions, each operand kept at a random depth, until the mapping is legal."""
    rng = random.Random(seed)

    def mapping(problem: NestProblem) -> Mapping:
        for attempt in range(400):
            found = _attempt(rng, problem, most * (1 + attempt // 20))
            if not problems(problem, found):
                return found
        raise InfeasibleError(f"no legal mapping found for {problem.nest.dims}")

    return mapping


def _attempt(rng: random.Random, problem: NestProblem, most: int) -> Mapping:
    nest = problem.nest
    rows = nest.work.reduced if nest.work is not None and nest.work.kind == "normalise" else ()
    loops = _loops(rng, nest, most)
    split = any(loop.dim in rows for loop in loops)
    if split:
        outer = tuple(loop for loop in loops if loop.dim not in rows)
        loops = (*outer, Loop("pass", 1), *(loop for loop in loops if loop.dim in rows))
    depths = {operand.name: rng.randint(0, len(loops)) for operand in nest.operands}
    if split:
        depths = dict.fromkeys(depths, len(loops))
    elif nest.work is not None:
        reductions = [k for k, loop in enumerate(loops) if loop.dim in nest.reduction_dims]
        depths[nest.output.name] = rng.randint(0, min(reductions, default=len(loops)))
    kept_outside = [depth for name, depth in depths.items() if home(problem, name).scratchpad]
    return arrange(problem, loops[: max(kept_outside)], depths)


def _loops(rng: random.Random, nest: LoopNest, most: int) -> tuple[Loop, ...]:
    while True:
        sizes, loops = dict(nest.dims), []
        for _ in range(rng.randint(0, 4)):
            dims = [d for d, size in sizes.items() if size > 1 and d not in nest.whole and d != "pass"]
            if dims:
                dim = rng.choice(dims)
                sizes[dim] = rng.randint(1, sizes[dim] - 1)
                loops.append(Loop(dim, sizes[dim]))
        if prod(-(-extent // sizes[d]) for d, extent in nest.dims) <= most:
            return tuple(loops)


def schedule_of(network: Network, arch: Accelerator, mapper: Mapper) -> Schedule:
    """Every operator by itself, each part under the mapping that ``mapper`` chooses for it."""
    placed = place(network, arch.layout)
    groups = []
    for operator in placed.network.operators:
        parts = executed_parts(placed, operator)
        entries = []
        for index, part in enumerate(parts):
            problem = nest_problem(placed, arch, operator, parts, index)
            mapping = mapper(problem)
            cost = evaluate(problem, mapping)
            traffic = tensor_traffic(placed, arch, operator, part, index, cost)
            entries.append(PartSchedule(operator.name, index, mapping, cost, traffic))
        if entries:
            groups.append(Group((operator.name,), (), "recompute", (), (), tuple(entries)))
    return Schedule(placed, arch, "edp", "random", "feasible", tuple(groups), 0.0, 0.0, 0.0)


def plan_of(network: Network, arch: Accelerator, mapper: Mapper) -> Plan:
    """The plan of that schedule."""
    return lower(schedule_of(network, arch, mapper))


def claim_of(schedule: Schedule) -> Claim:
    """What a schedule says that its plan takes."""
    return Claim(schedule.cycles, schedule.traffic)


def accesses_of(schedule: Schedule) -> tuple[tuple[str, int, int], ...]:
    """Bytes read and written at DRAM and at the scratchpad, as predicted."""
    found = []
    for memory in (schedule.arch.dram, schedule.arch.scratchpad):
        mine = [a for part in schedule.parts for a in part.cost.accesses if a.memory == memory.name]
        found.append((memory.name, sum(a.read_bytes for a in mine), sum(a.write_bytes for a in mine)))
    return tuple(found)
