"""Whether a mapping may be used: its structure, the room it takes, and hazards of overlapped transfers."""

from __future__ import annotations

from tilewright.mapping.boundary import boundaries, loops_within
from tilewright.mapping.buffers import operand_buffers, overflows
from tilewright.mapping.homes import PASS, bypasses, chain
from tilewright.mapping.mapping import Keep, Loop, Mapping, Par
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiling import Tiling, without_single_loops
from tilewright.mapping.traffic import visits


def problems(problem: NestProblem, mapping: Mapping) -> tuple[str, ...]:
    """A sentence for everything that makes a mapping illegal on its problem; empty if it is legal."""
    found = [*_loops(problem, mapping), *_keeps(problem, mapping), *_pars(problem, mapping)]
    if found:
        return tuple(found)
    clean = without_single_loops(problem.nest, mapping)
    found = [*_places(problem, clean), *_partial_sums(problem, clean), *_vector(problem, clean)]
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
    """Every operand in each memory that must keep it, at most once in those that may, from the outside in."""
    names = [operand.name for operand in problem.nest.operands]
    strangers = dict.fromkeys(keep.operand for keep in mapping.keeps if keep.operand not in names)
    found = [f"{name} is kept, but the nest has no such operand" for name in strangers]
    for name in names:
        allowed = dict(chain(problem, name))
        kept = [keep.memory for keep in mapping.keeps if keep.operand == name]
        found += [
            f"{name} cannot be kept in {memory}; it may be kept in {', '.join(allowed)}"
            for memory in dict.fromkeys(kept)
            if memory not in allowed
        ]
        for memory, holding in allowed.items():
            if kept.count(memory) > 1:
                found.append(f"{name} has {kept.count(memory)} keeps in {memory}; at most one is possible")
            elif holding == "must" and memory not in kept:
                found.append(f"{name} has no keep in {memory}, which always keeps it")
        order = [memory for memory in kept if memory in allowed]
        if order != sorted(order, key=list(allowed).index):
            inward = ", ".join(sorted(order, key=list(allowed).index))
            found.append(f"the keeps of {name} stand in the order {', '.join(order)}; they must follow {inward}")
    return found


def _pars(problem: NestProblem, mapping: Mapping) -> list[str]:
    """Pars over known dimensions that their axes may unroll, together of no more chunks than an axis has positions."""
    nest, array = problem.nest, problem.arch.array
    sizes = dict(array.axes)
    ranges = dict(nest.extents)
    chunks = dict.fromkeys(sizes, 1)
    found = []
    if nest.work is not None and mapping.pars:
        found.append("an operator of the vector unit cannot be unrolled over the array")
    for node in mapping.nodes:
        if isinstance(node, Keep) or (isinstance(node, Loop) and (node.dim not in ranges or node.tile < 1)):
            continue
        if isinstance(node, Par):
            if node.axis not in sizes or node.dim not in ranges or node.tile < 1:
                said = "no such axis, dimension or tile"
                found.append(f"par {node.dim} in tiles of {node.tile} on {node.axis}: {said}")
                continue
            if node.tile < ranges[node.dim] and not array.may_unroll(node.axis, node.dim):
                found.append(f"axis {node.axis} may not unroll {node.dim}")
            chunks[node.axis] *= -(-ranges[node.dim] // node.tile)
        ranges[node.dim] = min(node.tile, ranges[node.dim])
    for axis, number in chunks.items():
        if number > sizes[axis]:
            dims = ", ".join(dict.fromkeys(par.dim for par in mapping.pars if par.axis == axis))
            found.append(f"{number} chunks of {dims} do not fit on axis {axis} of {sizes[axis]} positions")
    return found


def _places(problem: NestProblem, mapping: Mapping) -> list[str]:
    """A keep of a memory per position stands below all pars of the memory's axes and above all others."""
    found = []
    memories = {memory.name: memory for memory in problem.arch.memories}
    for place, keep in enumerate(mapping.nodes):
        if not isinstance(keep, Keep):
            continue
        per = memories[keep.memory].per
        where = f"one exists for each position of {', '.join(per)}" if per else "it exists once"
        for other, node in enumerate(mapping.nodes):
            if isinstance(node, Par) and (node.axis in per) != (other < place):
                side = "below" if node.axis in per else "above"
                found.append(
                    f"the keep of {keep.operand} in {keep.memory} must stand {side} the par over {node.dim} on "
                    f"{node.axis}: {where}"
                )
    return found


def _partial_sums(problem: NestProblem, mapping: Mapping) -> list[str]:
    """Sums that nothing on the chip adds up: positions' shares on their way to DRAM, and spills past the scratchpad."""
    nest, array = problem.nest, problem.arch.array
    output = nest.output.name
    found = [
        f"the par over {node.dim} on {node.axis} stands above the outermost keep of {output}, but the axis does not "
        f"reduce: results can be added up on the chip only"
        for node in mapping.nodes[: mapping.place(output)]
        if isinstance(node, Par) and node.dim in nest.reduction_dims and node.axis not in array.reduce
    ]
    if nest.work is None and bypasses(problem, mapping, output):
        split = loops_within(boundaries(problem, mapping, nest.output)[0], nest.reduction_dims)
        found += [
            f"{output} bypasses {problem.arch.scratchpad.name}, so no loop over {dim} may split it into visits that "
            f"leave partial sums"
            for dim in dict.fromkeys(split)
        ]
    return found


def _vector(problem: NestProblem, mapping: Mapping) -> list[str]:
    nest, work = problem.nest, problem.nest.work
    if work is None:
        return []
    pad = problem.arch.scratchpad.name
    found = [
        f"the loop over {node.dim} stands inside every keep of {pad}"
        for node in mapping.array_part(pad)
        if isinstance(node, Loop)
    ]
    above = mapping.loops_above(nest.output.name)
    if work.kind != "normalise":
        used = max((k + 1 for k, loop in enumerate(above) if loop.dim in nest.output.dims), default=0)
        split = [loop.dim for loop in above[:used] if loop.dim in nest.reduction_dims]
        found += [f"the vector unit cannot spill: a loop over {dim} stands above the output's keep" for dim in split]
        return found
    return found + _normalise(problem, mapping)


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
    overlapped = arch.overlaps
    if not overlapped or nest.work is not None or bypasses(problem, mapping, nest.output.name):
        return []
    over = mapping.loops_above(nest.output.name)
    # Only where two loops split one dimension can an inner loop have a single chunk, so that one output tile's
    # visits follow on each other.
    if len({loop.dim for loop in over}) == len(over):
        return []
    clash = visits(problem, mapping, Tiling(nest, mapping.tile_loops(arch.scratchpad.name))).clash
    if clash:
        return [f"{clash} visits of {nest.output.name} read back partial sums that the visit just before still drains"]
    return []
