"""Fixed dataflows on any accelerator: which dimensions the array may unroll, as constraints of the general search.

What the literature names after what stays in the array is told apart here by the dimensions that are spread over it:

- ``output-stationary``: rows and columns of the output (what output and input have and weights have not);
- ``weight-stationary``: rows and columns of the filter (reductions that share an axis with an output dimension), or, of
  a nest without a window, all dimensions of the weights;
- ``row-stationary``: the first window's output dimension and filter dimension;
- ``input-stationary``: what the input has, apart from filter rows and columns;
- ``tpu``: what weights and output have, and reductions that move no window: output and input channels.

Loops, tiles and memories stay free, so each is the best of its kind on the machine.
"""

from __future__ import annotations

from tilewright.arch.accelerator import Accelerator
from tilewright.errors import UsageError
from tilewright.mapping.constraints import Constraints
from tilewright.workload.nest import LoopNest

DATAFLOWS = ("output-stationary", "weight-stationary", "row-stationary", "input-stationary", "tpu")


def dataflow(name: str, nest: LoopNest, arch: Accelerator) -> Constraints:
    """The constraints of a dataflow of ``DATAFLOWS``; UsageError where the nest or the array cannot have it.

    >>> import tilewright as tw
    >>> arch = tw.load_arch("mobile-npu")
    >>> constraints = dataflow("tpu", tw.conv2d(K=8, C=8, Y=8, X=8, R=3, S=3), arch)
    >>> axis, dims = constraints.only[0]
    >>> axis, sorted(dims)
    ('lane_c', ['C', 'K'])
    """
    if name not in DATAFLOWS:
        raise UsageError(f"there is no dataflow '{name}'; there are {', '.join(DATAFLOWS)}")
    dims = spread(name, nest)
    if not dims:
        raise UsageError(f"{name}: the nest has no dimensions for it ({_needs(name)})")
    if not any(arch.array.may_unroll(axis, dim) for axis, _ in arch.array.axes for dim in dims):
        raise UsageError(
            f"{name}: no axis of {arch.name} may unroll {', '.join(sorted(dims))}, which it spreads over the array"
        )
    axes = sorted(axis for axis, _ in arch.array.axes)
    return Constraints(only=tuple((axis, frozenset(dims)) for axis in axes))


def spread(name: str, nest: LoopNest) -> frozenset[str]:
    """The dimensions longer than one that a dataflow spreads over the array."""
    long = {dim for dim, extent in nest.dims if extent > 1}
    of = {role: {d for o in nest.operands if o.role == role for d in o.dims} for role in ("input", "weight", "output")}
    windows = [axis.dims for operand in nest.inputs for axis in operand.axes if axis.is_window]
    filters = {dim for dims in windows for dim in dims if dim not in of["output"]}
    first = next((set(dims) for dims in windows if len(set(dims) & long) == len(dims)), set())
    found = {
        "output-stationary": (of["output"] & of["input"]) - of["weight"],
        "weight-stationary": (filters & long) or of["weight"],
        "row-stationary": first,
        "input-stationary": of["input"] - filters,
        "tpu": ((of["output"] & of["weight"]) | set(nest.reduction_dims)) - filters,
    }[name]
    return frozenset(found & long)


def _needs(name: str) -> str:
    return {
        "output-stationary": "it spreads those of output and input that the weights have not",
        "row-stationary": "it spreads rows of a window that slides over the input",
    }.get(name, "all of those that it spreads have extent 1")
