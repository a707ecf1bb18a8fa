"""Cycles of an interpreted mapping, computed plainly step by step from what each step touches and moves."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, prod

from tilewright.mapping.interpreter import StepSeen
from tilewright.mapping.mapping import Mapping
from tilewright.mapping.problem import NestProblem
from tilewright.workload.nest import Operand


def interpreted_cycles(problem: NestProblem, mapping: Mapping, steps: list[StepSeen]) -> int:
    """The nest's total cycles (docs/model.md, section 6)."""
    arch = problem.arch
    times = [_tile(problem, mapping, step, steps) for step in steps]
    vectors = [-(-size * arch.widths.accumulator // 8) for size in problem.parameters]
    if arch.timing == "roofline":
        return _roofline(problem, steps, times, sum(vectors))
    loads = [_group(problem, step, "load", vectors if k == 0 else []) for k, step in enumerate(steps)]
    streams = [_group(problem, step, "stream", []) for step in steps]
    stores = [_group(problem, step, "store", []) for step in steps]
    if arch.buffering == "single":
        return sum(
            load + max(tile, stream) + store
            for load, (tile, _, _, _), stream, store in zip(loads, times, streams, stores, strict=True)
        )
    total = loads[0] + stores[-1]
    for k, (tile, _, _, _) in enumerate(times):
        before = stores[k - 1] if k else 0
        after = loads[k + 1] if k + 1 < len(steps) else 0
        total += max(tile, before + after + streams[k])
    return total


def array_side_bytes(problem: NestProblem, mapping: Mapping, steps: list[StepSeen]) -> int:
    """Bytes read and written at the scratchpad by all computations, transfers left out."""
    times = [_tile(problem, mapping, step, steps) for step in steps]
    return sum(read + written for _, _, read, written in times)


def _group(problem: NestProblem, step: StepSeen, kind: str, vectors: list[int]) -> int:
    dram = problem.arch.dram
    rate = dram.write_bandwidth if kind == "store" else dram.read_bandwidth
    moves = [move for move in step.moves if move.kind == kind]
    size = sum(move.size_bytes for move in moves) + sum(vectors)
    runs = sum(move.runs for move in moves) + len(vectors)
    return dram.setup_cycles * runs + (ceil(size / rate) if rate else 0)


def _roofline(problem: NestProblem, steps: list[StepSeen], times: list[tuple[int, int, int, int]], vectors: int) -> int:
    dram, pad = problem.arch.dram, problem.arch.scratchpad
    moves = [move for step in steps for move in step.moves]
    loaded = sum(m.size_bytes for m in moves if m.kind == "load") + vectors
    streamed = sum(m.size_bytes for m in moves if m.kind == "stream")
    stored = sum(m.size_bytes for m in moves if m.kind == "store")
    busy = sum(busy for _, busy, _, _ in times)
    read, written = sum(r for _, _, r, _ in times), sum(w for _, _, _, w in times)
    return max(
        busy,
        _port(dram.shared_port, dram.read_bandwidth, dram.write_bandwidth, loaded + streamed, stored),
        _port(pad.shared_port, pad.read_bandwidth, pad.write_bandwidth, read + stored, written + loaded),
    )


def _port(shared: bool, reading: Fraction | None, writing: Fraction | None, read: int, written: int) -> int:
    """Cycles of some bytes through one port for both directions, or one for each."""
    if shared:
        return ceil((read + written) / reading) if reading else 0
    return max(ceil(read / reading) if reading else 0, ceil(written / writing) if writing else 0)


def _tile(problem: NestProblem, mapping: Mapping, step: StepSeen, steps: list[StepSeen]) -> tuple[int, int, int, int]:
    """(cycles, busy cycles, bytes read, bytes written at the scratchpad) of a step; passes add."""
    pad, nest = problem.arch.scratchpad, problem.nest
    passes = _mac(problem, mapping, step, steps) if nest.work is None else _vector(problem, step, steps)
    cycles = busy_cycles = read_bytes = written_bytes = 0
    for busy, read, written in passes:
        if pad.shared_port:
            served, given = ceil((read + written) / 8), 0
        else:
            served, given = ceil(read / 8), ceil(written / 8)
        cycles += max(busy, _port(pad.shared_port, pad.read_bandwidth, pad.write_bandwidth, served, given))
        busy_cycles, read_bytes, written_bytes = busy_cycles + busy, read_bytes + served, written_bytes + given
    return cycles, busy_cycles, read_bytes, written_bytes


def _accumulates(problem: NestProblem, steps: list[StepSeen]) -> bool:
    """Whether some output element receives contributions in more than one step."""
    nest = problem.nest
    reductions = [dim for dim, _ in nest.dims if dim not in nest.output.dims]
    return any(len(step.ranges[dim]) < nest.extents[dim] for step in steps for dim in reductions)


def _positions(mapping: Mapping, step: StepSeen) -> tuple[int, dict[str, tuple[str, int]]]:
    """Points of the busiest position, and per axis its dimension and the positions used."""
    busiest = {dim: len(values) for dim, values in step.ranges.items()}
    used = {}
    for par in mapping.pars:
        chunks = [min(par.tile, busiest[par.dim] - start) for start in range(0, busiest[par.dim], par.tile)]
        used[par.axis] = (par.dim, len(chunks))
        busiest[par.dim] = max(chunks)
    return prod(busiest.values()), used


def _shared(operand: Operand, axes: tuple[str, ...], used: dict[str, tuple[str, int]]) -> int:
    return prod(count for axis, (dim, count) in used.items() if axis in axes and dim not in operand.dims)


def _mac(problem: NestProblem, mapping: Mapping, step: StepSeen, steps: list[StepSeen]) -> list[tuple[int, int, int]]:
    arch, nest = problem.arch, problem.nest
    busy, used = _positions(mapping, step)
    points = prod(len(values) for values in step.ranges.values())
    inner = arch.memories[arch.memories.index(arch.scratchpad) + 1 :]
    read = written = 0
    for operand in nest.operands:
        if operand.role not in arch.scratchpad.keeps:
            continue
        below = any(operand.role in memory.keeps for memory in inner)
        is_output = operand.role == "output"
        if below:
            words = step.touched[operand.name]
        else:
            axes = arch.array.reduce if is_output else arch.array.multicast
            words = ceil(points / _shared(operand, axes, used))
        if not is_output:
            read += words * problem.bits(operand.name)
            continue
        wide = not below or _accumulates(problem, steps)
        bits = arch.widths.accumulator if wide else arch.widths.output
        written += words * bits
        read += max(0, words - (step.touched[operand.name] if step.starts_from_zero else 0)) * bits
    return [(busy, read, written)]


def _vector(problem: NestProblem, step: StepSeen, steps: list[StepSeen]) -> list[tuple[int, int, int]]:
    nest, widths, lanes = problem.nest, problem.arch.widths, problem.arch.vector.lanes
    work = nest.work
    assert work is not None
    taken = sum(step.touched[o.name] * problem.bits(o.name) for o in nest.inputs)
    results = step.touched[nest.output.name]
    points = prod(len(values) for dim, values in step.ranges.items() if dim != "pass")
    if work.kind == "map":
        return [(ceil(work.operations * results / lanes), taken, results * widths.output)]
    if work.kind == "reduce":
        given = results * (widths.accumulator if _accumulates(problem, steps) else widths.output)
        return [(ceil(points / lanes), taken + (0 if step.starts_from_zero else given), given)]
    rows = prod(len(values) for dim, values in step.ranges.items() if dim != "pass" and dim not in work.reduced)
    statistic = rows * widths.accumulator
    busy, given = ceil(points / lanes), results * widths.output
    if len(step.ranges["pass"]) == 3:
        if work.exponentials:
            kept = step.touched[nest.inputs[0].name] * widths.accumulator
            return [
                (busy, taken, statistic),
                (busy, taken + statistic, statistic + kept),
                (busy, kept + statistic, given),
            ]
        return [(busy, taken, statistic), (busy, taken + statistic, statistic), (busy, taken + 2 * statistic, given)]
    number = step.ranges["pass"].start
    again = 0 if all(step.ranges[dim].start == 0 for dim in work.reduced) else statistic
    if number == 0:
        return [(busy, taken + again, statistic)]
    if number == 1:
        return [(busy, taken + statistic + again, statistic)]
    return [(busy, taken + 2 * statistic, given)]
