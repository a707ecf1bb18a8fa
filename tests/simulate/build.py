"""Plans for tests: networks made by hand, mapped at random, costed and lowered as any schedule is."""

from __future__ import annotations

import random
from collections.abc import Callable
from collections.abc import Mapping as Table
from dataclasses import replace
from fractions import Fraction
from math import prod

import numpy as np
from tests.simulate.random_arrays import random_array

from tilewright.arch.accelerator import Accelerator, Array, Memory, VectorUnit, Widths
from tilewright.errors import InfeasibleError
from tilewright.mapping.arraypart import default_array_part
from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.legal import problems
from tilewright.mapping.mapping import Keep, Loop, Mapping, Node
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiling import step_tile
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


def arrange(
    problem: NestProblem, loops: tuple[Loop, ...], depths: Table[str, int], rng: random.Random | None = None
) -> Mapping:
    """Loops with each operand's keep in the scratchpad below so many of them, and an array part within the step: the
    plain one, or one drawn at random."""
    nodes: list[Node] = []
    pad = problem.arch.scratchpad
    kept = {name: at for name, at in depths.items() if pad_holds(problem, name)}
    if rng is not None:
        optional = [name for name in kept if problem.nest.operand(name).role not in pad.keeps]
        for name in optional if problem.nest.work is None else ():
            if rng.random() < 0.5 and len(kept) > 1:
                del kept[name]
    for depth in range(len(loops) + 1):
        nodes += [Keep(name, pad.name) for name, at in kept.items() if at == depth]
        nodes += loops[depth : depth + 1]
    tile = step_tile(problem.nest, loops)
    return Mapping((*nodes, *(random_array(problem, tile, rng) if rng else default_array_part(problem, tile))))


def pad_holds(problem: NestProblem, operand: str) -> bool:
    """Whether the scratchpad holds an operand, or may."""
    return problem.nest.work is not None or problem.arch.scratchpad.holds(problem.nest.operand(operand).role)


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
    innermost = max(depth for name, depth in depths.items() if pad_holds(problem, name))
    return arrange(problem, loops[:innermost], depths, rng)


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
    return Claim(schedule.cycles, schedule.traffic, schedule.accesses)
