"""Whether a mapping may be used: its structure, the room it takes, and hazards of overlapped transfers."""

from __future__ import annotations

from collections import Counter

from tilewright.mapping.buffers import operand_buffers, overflows
from tilewright.mapping.homes import PASS, home
from tilewright.mapping.mapping import Keep, Loop, Mapping, Par
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiling import Tiling, step_tile, without_single_loops
from tilewright.mapping.traffic import visits


def problems(problem: NestProblem, mapping: Mapping) -> tuple[str, ...]:
    """A sentence for everything that makes a mapping illegal on its problem; empty if it is legal."""
    found = [*_loops(problem, mapping), *_keeps(problem, mapping), *_pars(problem, mapping)]
    if found:
        return tuple(found)
    clean = without_single_loops(problem.nest, mapping)
    found += [*_order(problem, clean), *_vector(problem, clean)]
    if not found:
        found += overflows(problem, clean, operand_buffers(problem, clean))
        found += _clash(problem, clean)
    return tuple(found)


def _loops(problem: NestProblem, mapping: Mapping) -> list[str]:
    nest = problem.nest
    found = []
    for loop in mapping.loops:
        if loop.dim not in nest.extents:
            found.append(f"there is a loop over {loop.dim}, which the nest does not have")
        elif loop.tile < 1:
            found.append(f"the loop over {loop.dim} has tiles of {loop.tile}; at least 1 is needed")
        elif loop.dim in nest.whole and loop.tile < nest.extents[loop.dim]:
            found.append(f"the window dimension {loop.dim} may not be split")
    return found


def _keeps(problem: NestProblem, mapping: Mapping) -> list[str]:
    found = []
    kept = Counter(keep.operand for keep in mapping.keeps)
    for operand in problem.nest.operands:
        name = home(problem, operand.name).name
        if kept[operand.name] != 1:
            found.append(f"{operand.name} has {kept[operand.name]} keeps; it needs exactly one, in {name}")
    for keep in mapping.keeps:
        if keep.operand in kept and keep.operand not in {o.name for o in problem.nest.operands}:
            found.append(f"{keep.operand} is kept, but the nest has no such operand")
        elif keep.memory != home(problem, keep.operand).name:
            found.append(f"{keep.operand} is kept in {keep.memory}; its home is {home(problem, keep.operand).name}")
    return found


def _pars(problem: NestProblem, mapping: Mapping) -> list[str]:
    nest, array = problem.nest, problem.arch.array
    sizes = dict(array.axes)
    ranges = step_tile(nest, tuple(loop for loop in mapping.loops if loop.dim in nest.extents))
    found = []
    if nest.work is not None and mapping.pars:
        found.append("an operator of the vector unit cannot be unrolled over the array")
    for par in mapping.pars:
        if par.axis not in sizes or par.dim not in ranges or par.tile < 1:
            found.append(f"par {par.dim} in tiles of {par.tile} on {par.axis}: no such axis, dimension or tile")
            continue
        if not array.may_unroll(par.axis, par.dim):
            found.append(f"axis {par.axis} may not unroll {par.dim}")
        chunks = -(-ranges[par.dim] // par.tile)
        if chunks > sizes[par.axis]:
            found.append(f"{chunks} chunks of {par.dim} do not fit on axis {par.axis} of {sizes[par.axis]} positions")
        ranges[par.dim] = min(par.tile, ranges[par.dim])
    axes = Counter(par.axis for par in mapping.pars)
    found += [f"axis {axis} unrolls {n} dimensions; at most one" for axis, n in axes.items() if n > 1]
    return found


def _order(problem: NestProblem, mapping: Mapping) -> list[str]:
    """Loops and keeps first, every loop above the innermost scratchpad keep; unrolling; keeps of single positions."""
    found = []
    nodes = mapping.nodes
    inner = {m.name for m in problem.arch.below(problem.arch.scratchpad)}
    first_par = next((k for k, node in enumerate(nodes) if isinstance(node, Par)), len(nodes))
    if any(isinstance(node, Loop) for node in nodes[first_par:]):
        found.append("a loop stands inside an unrolling; all loops stand above the array")
    for place, node in enumerate(nodes):
        if not isinstance(node, Keep):
            continue
        memory = next(m for m in problem.arch.memories if m.name == node.memory)
        if not memory.per and place > first_par:
            found.append(f"the keep of {node.operand} in the shared {memory.name} stands inside an unrolling")
        if memory.per and (place < first_par and mapping.pars):
            found.append(f"the keep of {node.operand} stands above the unrolling; {memory.name} exists per position")
        if memory.per and any(isinstance(later, Loop) for later in nodes[place:]):
            found.append(f"a loop stands inside the keep of {node.operand} in {memory.name}; all loops stand above it")
    outer = [k for k, node in enumerate(nodes) if isinstance(node, Keep) and node.memory not in inner]
    loops = [k for k, node in enumerate(nodes) if isinstance(node, Loop)]
    if outer and loops and loops[-1] > outer[-1]:
        loop = nodes[loops[-1]]
        assert isinstance(loop, Loop)
        found.append(f"the loop over {loop.dim} stands inside every keep of {problem.arch.scratchpad.name}")
    return found


def _vector(problem: NestProblem, mapping: Mapping) -> list[str]:
    nest, work = problem.nest, problem.nest.work
    if work is None:
        return []
    above = mapping.loops_above(nest.output.name)
    if work.kind != "normalise":
        used = max((k + 1 for k, loop in enumerate(above) if loop.dim in nest.output.dims), default=0)
        split = [loop.dim for loop in above[:used] if loop.dim in nest.reduction_dims]
        return [f"the vector unit cannot spill: a loop over {dim} stands above the output's keep" for dim in split]
    return _normalise(problem, mapping)


def _normalise(problem: NestProblem, mapping: Mapping) -> list[str]:
    """Rows in one piece: no loop over passes. Split rows: one, above their loops and below all others."""
    nest, work = problem.nest, problem.nest.work
    assert work is not None
    loops = mapping.loops
    passes = [k for k, loop in enumerate(loops) if loop.dim == PASS]
    rows = [k for k, loop in enumerate(loops) if loop.dim in work.reduced]
    others = [k for k, loop in enumerate(loops) if loop.dim not in work.reduced and loop.dim != PASS]
    if not rows:
        return ["there is a loop over passes, but the rows are not split"] if passes else []
    if len(passes) != 1 or loops[passes[0]].tile != 1:
        return ["split rows need exactly one loop over `pass`, in tiles of 1"]
    found = []
    if passes[0] > rows[0] or (others and others[-1] > passes[0]):
        found.append("the loop over `pass` stands above the loops over reduced dimensions and below all others")
    outside = [o.name for o in nest.operands if len(mapping.loops_above(o.name)) < len(loops)]
    return found + [f"with split rows the keep of {name} stands inside all loops" for name in outside]


def _clash(problem: NestProblem, mapping: Mapping) -> list[str]:
    """With overlapped transfers a partial sum cannot come back in the very step after it left."""
    arch, nest = problem.arch, problem.nest
    if arch.timing != "pipelined" or arch.buffering != "double" or nest.work is not None:
        return []
    over = mapping.loops_above(nest.output.name)
    # Only where two loops split one dimension can an inner loop have a single chunk, so that one output tile's
    # visits follow on each other.
    if len({loop.dim for loop in over}) == len(over):
        return []
    clash = visits(problem, mapping, Tiling(nest, mapping.loops)).clash
    if clash:
        return [f"{clash} visits of {nest.output.name} read back partial sums that the visit just before still drains"]
    return []
