"""``tilewright explain``: what a mapping does, and what each part of it costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tilewright.cli import nest, options, parse
from tilewright.cli.document import show
from tilewright.cli.guard import guarded
from tilewright.cli.map import read_file
from tilewright.errors import InfeasibleError, InputError, UsageError
from tilewright.serial import write_whole

if TYPE_CHECKING:
    from tilewright.emit.explain import Explanation
    from tilewright.mapping.mapping import Mapping
    from tilewright.mapping.problem import NestProblem
    from tilewright.mapping.search import Effort
    from tilewright.schedule.schedule import Schedule


@guarded
def explain_verb(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="A folder of `tilewright schedule -o`, instead of a nest.")
    ] = None,
    arch: Annotated[
        str | None, typer.Option("--arch", metavar="ARCH", help="A shipped machine or a YAML file.")
    ] = None,
    conv: nest.Conv = None,
    gemm: nest.Gemm = None,
    depthwise: nest.Depthwise = None,
    einsum: nest.Einsum = None,
    dims: nest.Dims = None,
    size: nest.Size = None,
    weight: nest.Weight = None,
    operator: Annotated[
        str | None, typer.Option("--operator", metavar="NAME", help="An operator of DIR; without it, they are listed.")
    ] = None,
    evaluate: Annotated[
        Path | None,
        typer.Option("--evaluate", metavar="FILE", help="Explain the mapping of this file instead of the best one."),
    ] = None,
    svg: Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Draw it as well, into this file.")] = None,
    objective: options.Goal = options.Objective.edp,
    effort: options.HowLong = options.Effort.proof,
    timeout: options.Timeout = None,
    no_cache: options.NoCache = False,
    as_json: options.Json = False,
) -> None:
    """Explain a mapping: loops with what moves at them, rooms, accesses, energy, what bounds the time, the floor.

    The mapping is the best one of a nest (as `tilewright map` finds it), that of --evaluate, or that of an operator in
    a folder which `tilewright schedule -o` wrote. One that does not fit is told what is missing, and which change of
    one tile would make it fit.
    """
    limit = None if timeout is None else parse.seconds(timeout)
    from tilewright.emit.explain import explain
    from tilewright.emit.explain_text import explanation_text

    if folder is not None:
        if arch is not None or any((conv, gemm, depthwise, einsum, evaluate)):
            raise UsageError("give a folder, or a nest with --arch, not both")
        chosen = _of_folder(folder, operator, as_json)
        if not chosen:
            return
    else:
        if operator is not None:
            raise UsageError("--operator goes with a folder that `tilewright schedule -o` wrote")
        if arch is None:
            raise UsageError("give --arch with a nest, or a folder that `tilewright schedule -o` wrote")
        problem = nest.problem_of(arch, nest.nest_of(conv, gemm, depthwise, einsum, dims, size, weight))
        chosen = [(problem, _mapping(problem, evaluate, objective.value, effort.value, limit, not no_cache))]
    explained = [explain(*one) for one in chosen]
    if svg is not None:
        from tilewright.emit.mapping_svg import mapping_svg

        if len(explained) > 1:
            raise UsageError(f"--svg draws one nest, and {operator} has {len(explained)} parts")
        write_whole(svg, mapping_svg(explained[0]))
    if as_json:
        documents = [_document(one) for one in explained]
        show(documents[0] if len(documents) == 1 else {"parts": documents})
    else:
        print("\n\n".join(explanation_text(one) for one in explained))


def _mapping(
    problem: NestProblem, file: Path | None, objective: str, effort: Effort, limit: float | None, cache: bool
) -> Mapping:
    from tilewright.mapping.legal import problems
    from tilewright.mapping.store import stored_map_nest
    from tilewright.mapping.text import parse_mapping

    if file is None:
        return stored_map_nest(problem, objective, effort=effort, timeout=limit, cache=cache).mapping
    mapping = read_file(file, lambda text: parse_mapping(text, problem.nest, problem.arch))
    wrong = problems(problem, mapping)
    if wrong:
        raise InfeasibleError("\n".join([*(f"{file}: {sentence}" for sentence in wrong), _remedy(problem, mapping)]))
    return mapping


def _remedy(problem: NestProblem, mapping: Mapping) -> str:
    from tilewright.emit.explain import smallest_change

    change = smallest_change(problem, mapping)
    if change is None:
        return "no smaller tile of one loop, and no loop more, makes it legal"
    return f"the smallest change that makes it legal: {change[0]}"


def _of_folder(folder: Path, operator: str | None, as_json: bool) -> list[tuple[NestProblem, Mapping]]:
    """The nests and mappings of an operator's parts; none after the folder's operators were listed."""
    from tilewright.cli.folder import load
    from tilewright.cli.summary import summary
    from tilewright.schedule.problems import nest_problem
    from tilewright.workload.storage import executed_parts

    schedule: Schedule = load(folder).schedule
    if operator is None:
        if as_json:
            names = [name for group in schedule.groups for name in group.operators]
            show({"operators": list(dict.fromkeys(names))})
        else:
            print(summary(schedule))
        return []
    parts = [part for group in schedule.groups for part in group.parts if part.operator == operator]
    tiled = [group for group in schedule.groups if group.tiled is not None and operator in group.operators]
    if tiled:
        raise InputError(
            f"{folder}: '{operator}' runs tile by tile in the group {' + '.join(tiled[0].operators)}; only operators"
            " that run by themselves, with all their feature maps in DRAM, have a mapping that can be explained:"
            " schedule with --strategy layerwise"
        )
    if not parts:
        raise InputError(f"{folder}: there is no operator '{operator}'; `tilewright explain {folder}` lists them")
    found = schedule.placed.network.operator[operator]
    pieces = executed_parts(schedule.placed, found)
    return [(nest_problem(schedule.placed, schedule.arch, found, pieces, one.part), one.mapping) for one in parts]


def _document(explained: Explanation) -> dict[str, Any]:
    from tilewright.mapping.text import format_mapping

    cost = explained.cost
    return {
        "arch": explained.problem.arch.name,
        "mapping": format_mapping(explained.mapping),
        "lines": [{"depth": line.depth, "node": line.node, "note": line.note} for line in explained.lines],
        "rooms": [
            {"memory": r.memory, "capacity": r.capacity, "used": r.used, "parts": dict(r.parts)}
            for r in explained.rooms
        ],
        "energy_pj": cost.energy_pj,
        "energy": [
            {
                "memory": s.memory,
                "operand": s.operand,
                "reads": s.read_bytes,
                "writes": s.write_bytes,
                "pj": s.energy_pj,
            }
            for s in explained.shares
        ],
        "cycles": cost.cycles,
        "times": dict(explained.times),
        "bound_by": explained.bound_by,
        "utilisation": explained.utilisation,
        "floor": dict(explained.floors),
        "values": {objective: cost.value(objective) for objective, _ in explained.floors},
    }
