"""What a network consists of: operators, multiply-accumulates, weights, feature maps, and its layers as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tilewright.workload.attributes import integer, integers
from tilewright.workload.network import MAC_KINDS, Network, Operator


@dataclass(frozen=True)
class LayerRow:
    """An operator with multiply-accumulates, in the terms of a two-dimensional convolution.

    Strides and dilations are (rows, columns), pads (top, left, bottom, right). A matrix product has its rows as N, the
    summed axis as C and its columns as M, once for each of ``batch`` matrices. ``weight`` is whether one factor is
    constant. The multiply-accumulates of a transposed convolution are its input elements times the taps of each.
    """

    name: str
    kind: str
    N: int
    C: int
    H: int
    W: int
    M: int
    R: int
    S: int
    stride: tuple[int, int]
    pad: tuple[int, int, int, int]
    dilation: tuple[int, int]
    groups: int
    OH: int
    OW: int
    macs: int
    batch: int = 1
    bias: bool = False
    weight: bool = True


@dataclass(frozen=True)
class NetworkSummary:
    """A network at a glance.

    ``density`` is multiply-accumulates per compulsory byte: inputs, outputs and weights once each, a byte an element.
    ``weight_bytes`` are in the model's own element types. ``kernels`` are filter sizes of convolutions with counts.
    """

    name: str
    operators: tuple[tuple[str, int], ...]
    macs: int
    weight_elements: int
    weight_bytes: int
    largest_feature_map: tuple[str, int]
    kernels: tuple[tuple[tuple[int, int], int], ...]
    compulsory_bytes: int
    density: float
    layers: tuple[LayerRow, ...]


def summarise(network: Network) -> NetworkSummary:
    """Count what a network has; feature maps are all tensors that are no constants.

    >>> from tilewright.workload.onnx_import import load_model
    >>> summarise(load_model("resnet18")).macs
    1814073344
    """
    layers = tuple(layer_row(network, operator) for operator in network.operators if operator.kind in MAC_KINDS)
    constants = [tensor for tensor in network.tensors if tensor.constant]
    weights = sum(tensor.elements for tensor in constants)
    largest = max((tensor for tensor in network.tensors if not tensor.constant), key=lambda tensor: tensor.elements)
    ends = dict.fromkeys((*network.inputs, *network.outputs))
    compulsory = weights + sum(network.by_name[name].elements for name in ends)
    macs = sum(layer.macs for layer in layers)
    convolutions = [layer for layer in layers if layer.kind != "MatMul"]
    return NetworkSummary(
        name=network.name,
        operators=_counted(operator.kind for operator in network.operators),
        macs=macs,
        weight_elements=weights,
        weight_bytes=sum(tensor.elements * element_bytes(tensor.dtype) for tensor in constants),
        largest_feature_map=(largest.name, largest.elements),
        kernels=tuple(sorted(Counter((layer.R, layer.S) for layer in convolutions).items())),
        compulsory_bytes=compulsory,
        density=macs / compulsory,
        layers=layers,
    )


def element_bytes(dtype: str) -> int:
    """Bytes of one element of a type, by the digits in its name.

    >>> element_bytes("bfloat16"), element_bytes("int8"), element_bytes("bool")
    (2, 1, 1)
    """
    return int("".join(letter for letter in dtype if letter.isdigit()) or 8) // 8


def layer_row(network: Network, operator: Operator) -> LayerRow:
    """The row of one operator with multiply-accumulates."""
    if operator.kind == "MatMul":
        return _product_row(network, operator)
    x, w, y = (network.shape(name) for name in (*operator.inputs, operator.output))
    rows, taps, out_rows = ((shape[2] if len(shape) == 4 else 1) for shape in (x, w, y))
    pads = integers(operator, "pads")
    half = len(pads) // 2
    top, left = _plane(pads[:half], 0)
    bottom, right = _plane(pads[half:], 0)
    points = _product(x if operator.kind == "ConvTranspose" else y)
    return LayerRow(
        operator.name,
        operator.kind,
        N=x[0],
        C=x[1],
        H=rows,
        W=x[-1],
        M=y[1],
        R=taps,
        S=w[-1],
        stride=_plane(integers(operator, "strides"), 1),
        pad=(top, left, bottom, right),
        dilation=_plane(integers(operator, "dilations"), 1),
        groups=integer(operator, "groups"),
        OH=out_rows,
        OW=y[-1],
        macs=points * _product(w[1:]),
        bias=operator.parameter("bias") is not None,
    )


def _product_row(network: Network, operator: Operator) -> LayerRow:
    a, y = network.shape(operator.inputs[0]), network.shape(operator.output)
    summed = a[-2] if operator["trans_a"] else a[-1]
    constant = any(network.by_name[name].constant for name in operator.inputs)
    batch = _product(y[:-2])
    return LayerRow(
        operator.name,
        operator.kind,
        N=y[-2],
        C=summed,
        H=1,
        W=1,
        M=y[-1],
        R=1,
        S=1,
        stride=(1, 1),
        pad=(0, 0, 0, 0),
        dilation=(1, 1),
        groups=1,
        OH=1,
        OW=1,
        macs=_product(y) * summed,
        batch=batch,
        bias=operator.parameter("bias") is not None,
        weight=constant,
    )


def _plane(values: tuple[int, ...], missing: int) -> tuple[int, int]:
    """One or two spatial entries as (rows, columns); a single axis is the columns.

    >>> _plane((3,), 1)
    (1, 3)
    """
    first, second = (missing, *values)[-2:]
    return first, second


def _counted(kinds: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """Kinds with their counts, most frequent first, then in alphabetical order."""
    return tuple(sorted(Counter(kinds).items(), key=lambda item: (-item[1], item[0])))


def _product(extents: Iterable[int]) -> int:
    total = 1
    for extent in extents:
        total *= extent
    return total
