"""The options that several verbs share, and what they amount to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from tilewright.cli import parse

if TYPE_CHECKING:
    from tilewright.arch.accelerator import Accelerator, Widths
    from tilewright.workload.network import Network


class Objective(StrEnum):
    """What a schedule is best at."""

    latency = "latency"
    energy = "energy"
    edp = "edp"
    traffic = "traffic"


class Method(StrEnum):
    """Who chooses the mapping of ``tilewright map``."""

    search = "search"
    stoutchinin = "stoutchinin"


class Effort(StrEnum):
    """How long a search may go on."""

    quick = "quick"
    good = "good"
    proof = "proof"
    long = "long"


class Dataflow(StrEnum):
    """What may be spread over the array (``tilewright.mapping.dataflows``)."""

    output = "output-stationary"
    weight = "weight-stationary"
    row = "row-stationary"
    input = "input-stationary"
    tpu = "tpu"


class WidthsFrom(StrEnum):
    """Whose word counts for the bits of an element."""

    arch = "arch"
    model = "model"


MODEL_HELP = "An ONNX file, or a shipped network (see `tilewright models`)."
Model = Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)]
Arch = Annotated[
    str, typer.Option("--arch", metavar="ARCH", help="A shipped machine (see `tilewright arch list`) or a YAML file.")
]
Goal = Annotated[Objective, typer.Option("--objective", help="What to minimise; edp is energy times cycles.")]
Strategy = Annotated[
    str | None,
    typer.Option(
        "--strategy",
        metavar="NAME",
        help="optimal (the default, which has the space of all others), layerwise (every operator by itself), fuse,"
        " pin, fuse-then-pin, pin-or-fuse or genetic. See docs/strategies.md.",
    ),
]
Strategies = Annotated[
    str | None,
    typer.Option("--strategies", metavar="NAME,NAME,...", help="What networks are scheduled with; by default all."),
]
WidthsChoice = Annotated[
    WidthsFrom, typer.Option("--widths", help="Count bits per element as the machine says, or the model's own types.")
]
Batch = Annotated[int | None, typer.Option("--batch", metavar="N", min=1, help="First axis of every input.")]
InputShape = Annotated[
    list[str] | None,
    typer.Option("--input-shape", metavar="NAME=1,3,64,64", help="Shape of an input; may be repeated."),
]
Dim = Annotated[
    list[str] | None, typer.Option("--dim", metavar="NAME=VALUE", help="A symbolic dimension; may be repeated.")
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="TENSOR", help="Cut the network: this tensor becomes its only output.")
]
Timeout = Annotated[
    str | None,
    typer.Option("--timeout", metavar="60|60s|2m", help="Stop searching then, with the best found so far."),
]
Weights = Annotated[
    str,
    typer.Option(
        "--weights",
        metavar="auto|stored|seeded:N",
        help="Numbers to execute with: `auto` draws weights that are absent or all alike, `stored` takes the file's.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Seed of the inputs' random numbers.")]
SearchSeed = Annotated[
    int,
    typer.Option(
        "--seed", metavar="N", min=0, help="Seed of strategies that throw dice (genetic) and of the inputs' numbers."
    ),
]
Largest = Annotated[
    int | None,
    typer.Option(
        "--largest", metavar="N", min=1, help="The most operators that may run together as a group, 5 by default."
    ),
]
Inputs = Annotated[
    str | None,
    typer.Option("--input", metavar="FILE.npz", help="An array per input of the network, instead of random numbers."),
]
HowLong = Annotated[
    Effort,
    typer.Option(
        "--effort",
        help="quick: plain mappings; good: a search through the whole hierarchy; proof: until a mapping is proven the"
        " best, for some seconds a nest; long: the same for some minutes.",
    ),
]
HowLongEach = Annotated[
    Effort | None,
    typer.Option(
        "--effort",
        help="How long to look for mappings of operators by themselves, as of `tilewright map`: good by default for"
        " layerwise, quick for all others, which have array parts of their own.",
    ),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Neither read nor keep results on disk.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
ShowProgress = Annotated[
    bool, typer.Option("--progress", help="Show progress on standard error even where it is no terminal.")
]


@dataclass(frozen=True)
class LoadOptions:
    """How a model is to be loaded, read from what was typed."""

    batch: int | None
    input_shapes: dict[str, tuple[int, ...]]
    dims: dict[str, int]
    until: str | None

    def load(self, model: str) -> Network:
        """The network."""
        from tilewright import load_model

        return load_model(model, batch=self.batch, input_shapes=self.input_shapes, dims=self.dims, until=self.until)


def load_options(
    batch: int | None, input_shape: list[str] | None, dim: list[str] | None, until: str | None
) -> LoadOptions:
    """The loading options of a verb; UsageError where one is not understood."""
    return LoadOptions(batch, parse.input_shapes(input_shape or ()), parse.dims(dim or ()), until)


def machine(source: str, widths: WidthsFrom, network: Network) -> Accelerator:
    """The machine, with its own widths or the network's."""
    from tilewright import load_arch

    arch = load_arch(source)
    return arch.with_widths(model_widths(network)) if widths is WidthsFrom.model else arch


def model_widths(network: Network) -> Widths:
    """The widths that the model's own types have: the widest feature map and the widest constant.

    Results of integers are summed up in at least 32 bits.
    """
    from tilewright.arch.accelerator import Widths
    from tilewright.workload.summary import element_bytes

    def widest(constant: bool) -> int:
        return max((8 * element_bytes(t.dtype) for t in network.tensors if t.constant is constant), default=8)

    maps, constants = widest(constant=False), widest(constant=True)
    return Widths(input=maps, weight=constants, output=maps, accumulator=max(32, maps, constants))
