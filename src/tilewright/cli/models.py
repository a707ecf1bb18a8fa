"""``tilewright models [FILE]``: the shipped networks, or what one network consists of."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tilewright.cli import options, text
from tilewright.cli.document import show
from tilewright.cli.guard import guarded

if TYPE_CHECKING:
    from tilewright.workload.summary import LayerRow, NetworkSummary


@guarded
def models_verb(
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help=options.MODEL_HELP)] = None,
    batch: options.Batch = None,
    input_shape: options.InputShape = None,
    dim: options.Dim = None,
    until: options.Until = None,
    as_json: options.Json = False,
) -> None:
    """List the shipped networks; with MODEL, its operators and layers.

    The density is multiply-accumulates per compulsory byte: every input, weight and output once, one byte each.
    """
    loading = options.load_options(batch, input_shape, dim, until)
    from tilewright.workload import zoo
    from tilewright.workload.summary import summarise

    names = zoo.shipped() if model is None else (model,)
    summaries = [summarise(loading.load(name)) for name in names]
    if as_json:
        show({"models": [_entry(summary, layers=model is not None) for summary in summaries]})
        return
    print(models_text(summaries))
    if model is not None:
        print("\n" + _operators(summaries[0]) + "\n\n" + layers_text(summaries[0].layers))


def models_text(summaries: list[NetworkSummary]) -> str:
    """One line per network."""
    rows = [
        (
            s.name,
            sum(count for _, count in s.operators),
            text.rounded(s.macs),
            text.rounded(s.weight_elements),
            s.largest_feature_map[1],
            f"{s.density:.1f}",
            " ".join(f"{r}x{c}" for (r, c), _ in s.kernels),
        )
        for s in summaries
    ]
    headings = ["network", "operators", "MACs", "weights", "largest map, elements", "MAC/B", "kernels"]
    return text.table(headings, rows)


def _operators(summary: NetworkSummary) -> str:
    return "operators: " + ", ".join(f"{kind} {count}" for kind, count in summary.operators)


def layers_text(layers: tuple[LayerRow, ...]) -> str:
    """One line per operator with multiply-accumulates, in the terms of a convolution."""
    rows = [
        (
            text.shortened(row.name),
            row.kind,
            row.batch * row.N,
            row.groups,
            row.C,
            f"{row.H}x{row.W}",
            row.M,
            f"{row.OH}x{row.OW}",
            f"{row.R}x{row.S}",
            _short(row.stride),
            _short(row.pad),
            _short(row.dilation),
            row.macs,
        )
        for row in layers
    ]
    headings = [
        "layer",
        "kind",
        "N",
        "groups",
        "C",
        "input",
        "M",
        "output",
        "filter",
        "stride",
        "pad",
        "dilation",
        "MACs",
    ]
    return text.table(headings, rows, left=2)


def _short(values: tuple[int, ...]) -> str:
    """One number where all are equal."""
    return str(values[0]) if len(set(values)) == 1 else ":".join(map(str, values))


def _entry(summary: NetworkSummary, *, layers: bool) -> dict[str, Any]:
    entry = asdict(summary)
    entry["operators"] = dict(summary.operators)
    entry["kernels"] = [[*kernel, count] for kernel, count in summary.kernels]
    entry["largest_feature_map"] = dict(zip(("tensor", "elements"), summary.largest_feature_map, strict=True))
    if not layers:
        del entry["layers"]
    return entry
