"""The usual nests by name, and the problem they pose when their arrays lie dense in DRAM (docs/model.md, section 1)."""

from __future__ import annotations

from tilewright.arch.accelerator import Accelerator
from tilewright.errors import UsageError
from tilewright.mapping.problem import Binding, NestProblem
from tilewright.workload.nest import Axis, LoopNest, Operand
from tilewright.workload.parts.convolution import convolution_nest

Pair = int | tuple[int, ...]


def pair(value: Pair, name: str) -> tuple[int, int]:
    """A number for both spatial axes, or one for each (y, x)."""
    if isinstance(value, int):
        return value, value
    if len(value) != 2:
        raise UsageError(f"{name} is one number or two (y, x), not {value}")
    return value[0], value[1]


def padding(value: Pair) -> tuple[int, int, int, int]:
    """Padding as top, left, bottom, right.

    >>> padding(1), padding((1, 2))
    ((1, 1, 1, 1), (1, 2, 1, 2))
    """
    if isinstance(value, tuple) and len(value) == 4:
        return value[0], value[1], value[2], value[3]
    if isinstance(value, tuple) and len(value) != 2:
        raise UsageError(f"pad is one number, two (y, x) or four (top, left, bottom, right), not {value}")
    y, x = pair(value, "pad")
    return y, x, y, x


def conv2d(
    K: int,
    C: int,
    Y: int,
    X: int,
    R: int = 1,
    S: int = 1,
    N: int = 1,
    G: int = 1,
    stride: Pair = 1,
    dilation: Pair = 1,
    pad: Pair = 0,
    H: int | None = None,
    W: int | None = None,
) -> LoopNest:
    """A convolution of G groups, each of K filters over C channels; Y and X are the output's rows and columns.

    The input has ``H`` rows, by default just those that the output needs:
    ``(Y - 1) * stride + (R - 1) * dilation + 1 - pad_top - pad_bottom``; ``W`` likewise.

    >>> conv2d(K=64, C=3, Y=112, X=112, R=7, S=7, stride=2, pad=(3, 3, 2, 2)).operand("input").axes[3].size
    224
    """
    (sy, sx), (dy, dx) = pair(stride, "stride"), pair(dilation, "dilation")
    top, left, bottom, right = padding(pad)
    rows = (Y - 1) * sy + (R - 1) * dy + 1 - top - bottom if H is None else H
    columns = (X - 1) * sx + (S - 1) * dx + 1 - left - right if W is None else W
    sizes = {
        "K": K,
        "C": C,
        "Y": Y,
        "X": X,
        "R": R,
        "S": S,
        "N": N,
        "G": G,
        "H": rows,
        "W": columns,
        "stride": min(sy, sx),
        "dilation": min(dy, dx),
    }
    wrong = [f"{name} is {value} and must be at least 1" for name, value in sizes.items() if value < 1]
    if min(top, left, bottom, right) < 0:
        wrong.append(f"padding {pad} must not be negative")
    if wrong:
        raise UsageError("; ".join(wrong))
    return convolution_nest(
        batch=N,
        groups=G,
        filters=K,
        channels=C,
        outs=(Y, X),
        kernel=(R, S),
        sizes=(rows, columns),
        strides=(sy, sx),
        dilations=(dy, dx),
        begins=(top, left),
    )


def depthwise(
    G: int,
    Y: int,
    X: int,
    R: int = 1,
    S: int = 1,
    N: int = 1,
    stride: Pair = 1,
    dilation: Pair = 1,
    pad: Pair = 0,
    H: int | None = None,
    W: int | None = None,
) -> LoopNest:
    """A convolution in which each of G channels has one filter of its own."""
    return conv2d(1, 1, Y, X, R, S, N, G, stride, dilation, pad, H, W)


def gemm(M: int, N: int, K: int, B: int = 1) -> LoopNest:
    """``output[b, m, n] = sum over k of input[b, m, k] * weight[b, k, n]``; one shared weight when B is 1.

    >>> gemm(M=4, N=5, K=6).points
    120
    """
    wrong = [f"{name} is {v} and must be at least 1" for name, v in (("M", M), ("N", N), ("K", K), ("B", B)) if v < 1]
    if wrong:
        raise UsageError("; ".join(wrong))
    batch, m, n, k = (Axis(((d, 1),), e, 0) for d, e in (("B", B), ("M", M), ("N", N), ("K", K)))

    def operand(name: str, role: str, *axes: Axis) -> Operand:
        placed = tuple(Axis(axis.terms, axis.size, place) for place, axis in enumerate(axes))
        return Operand(name, role, placed)  # type: ignore[arg-type]

    return LoopNest(
        (("B", B), ("M", M), ("N", N), ("K", K)),
        (
            operand("input", "input", batch, m, k),
            operand("weight", "weight", batch, k, n),
            operand("output", "output", batch, m, n),
        ),
    )


def tensor_strides(operand: Operand, layout: str) -> tuple[int, ...]:
    """Elements between neighbours along each axis of a dense tensor: row-major, or N, H, W, C for rank 4 under nhwc.

    >>> tensor_strides(conv2d(K=8, C=4, Y=6, X=5).operand("input"), "nhwc")
    (120, 4, 1, 20, 4)
    """
    extents: dict[int, int] = {}
    for axis in operand.axes:
        # Axes of one tensor axis add up: the coarsest has the rest's extent as its scale.
        extents[axis.tensor_axis] = max(extents.get(axis.tensor_axis, 1), axis.scale * axis.size)
    order = sorted(extents)
    if layout == "nhwc" and order == [0, 1, 2, 3]:
        order = [0, 2, 3, 1]
    apart, stride = {}, 1
    for tensor_axis in reversed(order):
        apart[tensor_axis] = stride
        stride *= extents[tensor_axis]
    return tuple(apart[axis.tensor_axis] * axis.scale for axis in operand.axes)


def default_problem(nest: LoopNest, arch: Accelerator, layout: str) -> NestProblem:
    """The nest on a machine with dense feature maps in DRAM and constant weights stored tile by tile."""
    bindings = tuple(
        Binding(operand.name, packed=True, constant=True)
        if operand.role == "weight"
        else Binding(operand.name, tensor_strides(operand, layout))
        for operand in nest.operands
    )
    return NestProblem(nest, arch, bindings)
