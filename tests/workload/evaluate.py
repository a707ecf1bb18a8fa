"""A slow and simple evaluator of canonical operators on whole tensors, in double precision; shares no code with src."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from math import erf, floor, prod
from typing import Any

import numpy as np

from tilewright.workload.derive import derive
from tilewright.workload.network import Activation, Network, Operator

Array = np.ndarray
Constants = Callable[[str], Array]

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Add": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "Div": lambda a, b: a / b,
    "Pow": lambda a, b: a**b,
    "Sum": lambda *terms: sum(terms),
    "Max": lambda *terms: np.maximum.reduce(np.broadcast_arrays(*terms)),
    "Min": lambda *terms: np.minimum.reduce(np.broadcast_arrays(*terms)),
    "Relu": lambda x: np.where(x > 0, x, 0),
    "Clip": lambda x, low, high: np.clip(x, low, high),
    "LeakyRelu": lambda x, alpha: np.where(x < 0, alpha * x, x),
    "PRelu": lambda x, slope: np.where(x < 0, slope * x, x),
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "HardSigmoid": lambda x, alpha, beta: np.clip(alpha * x + beta, 0, 1),
    "HardSwish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "Tanh": np.tanh,
    "Erf": np.vectorize(erf, otypes=[float]),
    "Sqrt": np.sqrt,
    "Exp": np.exp,
    "Neg": lambda x: -x,
    "SiLU": lambda x: x / (1 + np.exp(-x)),
    "GELU": lambda x: x * (1 + np.vectorize(erf, otypes=[float])(x / np.sqrt(2))) / 2,
    "Affine": lambda x, scale, shift: x * scale + shift,
}


def evaluate(network: Network, inputs: Mapping[str, Array], constants: Mapping[str, Array]) -> dict[str, Array]:
    """Every tensor of the network by name; ``constants`` are those of the model, derived ones follow from them."""
    known: dict[str, Array] = dict(constants)
    for derived in network.derived:
        known[derived.tensor] = derive(derived, [known[name] for name in derived.inputs])
    for tensor in network.tensors:
        if tensor.constant:
            assert known[tensor.name].shape == tensor.shape, tensor
    values: dict[str, Array] = {name: array.astype(float) for name, array in inputs.items()}
    for operator in network.operators:
        for name in operator.reads:
            if name not in values:
                values[name] = known[name].astype(float)
        values[operator.output] = apply(operator, values, network)
        assert values[operator.output].shape == network.shape(operator.output), operator
    return values


def apply(operator: Operator, values: Mapping[str, Array], network: Network) -> Array:
    """One operator with its parameters and epilogue."""
    a = dict(operator.attributes)
    x = [values[name] for name in operator.inputs]
    p = {parameter.role: values[parameter.tensor] for parameter in operator.parameters}
    result = KINDS[operator.kind](x, a, p, network.shape(operator.output))
    if "bias" in p and operator.kind in ("Conv", "ConvTranspose", "MatMul"):
        (axis,) = next(parameter.axes for parameter in operator.parameters if parameter.role == "bias")
        result = result + along(p["bias"], axis, result.ndim)
    for activation in operator.epilogue:
        result = activate(activation, result, values)
    return result


def along(vector: Array, axis: int, rank: int) -> Array:
    shape = [1] * rank
    shape[axis] = vector.size
    return vector.reshape(shape)


def activate(activation: Activation, x: Array, values: Mapping[str, Array]) -> Array:
    extra = () if activation.slope is None else (along(values[activation.slope], 1, x.ndim),)
    return FUNCTIONS[activation.function](x, *activation.arguments, *extra)


def conv(x: list[Array], a: dict, p: dict, out: tuple[int, ...]) -> Array:
    source, weight = x
    rank = weight.ndim - 2
    pads = list(zip(a["pads"][:rank], a["pads"][rank:], strict=True))
    source = np.pad(source, [(0, 0), (0, 0), *pads])
    groups, depth, filters = a["groups"], weight.shape[1], weight.shape[0] // a["groups"]
    result = np.zeros(out)
    for tap in product(*(range(k) for k in weight.shape[2:])):
        region = (
            slice(t * d, t * d + (n - 1) * stride + 1, stride)
            for t, d, n, stride in zip(tap, a["dilations"], out[2:], a["strides"], strict=True)
        )
        window = source[(slice(None), slice(None), *region)]
        for g in range(groups):
            w = weight[(slice(g * filters, (g + 1) * filters), slice(None), *tap)]
            result[:, g * filters : (g + 1) * filters] += np.einsum(
                "kc,nc...->nk...", w, window[:, g * depth : (g + 1) * depth]
            )
    return result


def conv_transpose(x: list[Array], a: dict, p: dict, out: tuple[int, ...]) -> Array:
    source, weight = x
    rank, groups = weight.ndim - 2, a["groups"]
    depth, filters = weight.shape[0] // groups, weight.shape[1]
    begins = a["pads"][:rank]
    result = np.zeros(out)
    for place in np.ndindex(*source.shape[2:]):
        for tap in np.ndindex(*weight.shape[2:]):
            at = tuple(
                i * s + t * d - b
                for i, s, t, d, b in zip(place, a["strides"], tap, a["dilations"], begins, strict=True)
            )
            if all(0 <= i < n for i, n in zip(at, out[2:], strict=True)):
                for g in range(groups):
                    c = slice(g * depth, (g + 1) * depth)
                    result[(slice(None), slice(g * filters, (g + 1) * filters), *at)] += (
                        source[(slice(None), c, *place)] @ weight[(c, slice(None), *tap)]
                    )
    return result


def matmul(x: list[Array], a: dict, p: dict, out: tuple[int, ...]) -> Array:
    left, right = x
    return (left.swapaxes(-1, -2) if a["trans_a"] else left) @ (right.swapaxes(-1, -2) if a["trans_b"] else right)


def elementwise(x: list[Array], a: dict, p: dict, out: tuple[int, ...]) -> Array:
    tensors = iter(x)
    operands = [next(tensors) if constant is None else constant for constant in a.get("constants", (None,) * len(x))]
    return np.asarray(FUNCTIONS[a["function"]](*operands, *a.get("arguments", ())))


def pool(x: list[Array], a: dict, p: dict, out: tuple[int, ...]) -> Array:
    (source,) = x
    rank = len(a["kernel"])
    pads = list(zip(a["pads"][:rank], a["pads"][rank:], strict=True))
    fill = -np.inf if a["function"] == "max" else np.nan
    result = np.zeros(out)
    for place in np.ndindex(*out[2:]):
        found = []
        for tap in np.ndindex(*a["kernel"]):
            at = [
                i * s + t * d - b
                for i, s, t, d, (b, _) in zip(place, a["strides"], tap, a["dilations"], pads, strict=True)
            ]
            inside = all(0 <= i < n for i, n in zip(at, source.shape[2:], strict=True))
            found.append(source[(slice(None), slice(None), *at)] if inside else np.full(out[:2], fill))
        stacked = np.stack(found)
        if a["function"] == "max":
            value = stacked.max(axis=0)
        elif a["count_include_pad"]:
            value = np.nansum(stacked, axis=0) / len(found)
        else:
            value = np.nanmean(stacked, axis=0)
        result[(slice(None), slice(None), *place)] = value
    return result


def resize(x: list[Array], a: dict, p: dict, out: tuple[int, ...]) -> Array:
    (value,) = x
    rounding = {
        "floor": floor,
        "ceil": lambda v: -floor(-v),
        "round_prefer_floor": lambda v: -floor(0.5 - v),
        "round_prefer_ceil": lambda v: floor(v + 0.5),
    }
    for axis, (numerator, addend, denominator) in enumerate(a["coordinates"]):
        positions = [(numerator * y + addend) / denominator for y in range(out[axis])]
        last = value.shape[axis] - 1
        if a["mode"] == "nearest":
            value = value.take([min(max(rounding[a["nearest_mode"]](v), 0), last) for v in positions], axis)
        else:
            low = [min(max(floor(v), 0), last) for v in positions]
            high = [min(max(floor(v) + 1, 0), last) for v in positions]
            part = along(np.array([v - floor(v) for v in positions]), axis, value.ndim)
            value = value.take(low, axis) * (1 - part) + value.take(high, axis) * part
    return value


def local_response(x: list[Array], a: dict, p: dict, out: tuple[int, ...]) -> Array:
    (value,) = x
    before, after = (a["size"] - 1) // 2, a["size"] // 2
    sums = np.stack([(value[:, max(0, c - before) : c + after + 1] ** 2).sum(axis=1) for c in range(out[1])], axis=1)
    return value / (a["bias"] + a["alpha"] / a["size"] * sums) ** a["beta"]


def batch_norm(x: list[Array], a: dict, p: dict, out: tuple[int, ...]) -> Array:
    scale, bias, mean, variance = (along(p[role], 1, len(out)) for role in ("scale", "bias", "mean", "variance"))
    return (x[0] - mean) / np.sqrt(variance + a["epsilon"]) * scale + bias


def normalised(value: Array, axes: tuple[int, ...], epsilon: float) -> Array:
    mean = value.mean(axis=axes, keepdims=True)
    return (value - mean) / np.sqrt(((value - mean) ** 2).mean(axis=axes, keepdims=True) + epsilon)


def layer_norm(x: list[Array], a: dict, p: dict, out: tuple[int, ...]) -> Array:
    result = normalised(x[0], tuple(range(a["axis"], len(out))), a["epsilon"])
    shape = out[a["axis"] :]
    return result * p["scale"].reshape(shape) + (p["bias"].reshape(shape) if "bias" in p else 0)


def instance_norm(x: list[Array], a: dict, p: dict, out: tuple[int, ...]) -> Array:
    result = normalised(x[0], tuple(range(2, len(out))), a["epsilon"])
    return result * along(p["scale"], 1, len(out)) + along(p["bias"], 1, len(out))


def softmax(x: list[Array], a: dict, p: dict, out: tuple[int, ...]) -> Array:
    powers = np.exp(x[0] - x[0].max(axis=a["axis"], keepdims=True))
    return powers / powers.sum(axis=a["axis"], keepdims=True)


def reduction(x: list[Array], a: dict, p: dict, out: tuple[int, ...]) -> Array:
    return np.asarray(getattr(x[0], a["function"])(axis=a["axes"], keepdims=a["keepdims"]))


def slicing(x: list[Array], a: dict, p: dict, out: tuple[int, ...]) -> Array:
    return x[0][tuple(slice(b, b + (n - 1) * s + 1, s) for b, s, n in zip(a["starts"], a["steps"], out, strict=True))]


def padding(x: list[Array], a: dict, p: dict, out: tuple[int, ...]) -> Array:
    result = np.full(out, float(a["value"]))
    for index in np.ndindex(*out):
        source = tuple(i - begin for i, begin in zip(index, a["pads"], strict=False))
        if all(0 <= i < n for i, n in zip(source, x[0].shape, strict=True)):
            result[index] = x[0][source]
    return result


KINDS: dict[str, Callable[[list[Array], dict, dict, tuple[int, ...]], Array]] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "MatMul": matmul,
    "Elementwise": elementwise,
    "Pool": pool,
    "LRN": local_response,
    "Resize": resize,
    "BatchNormalization": batch_norm,
    "Reduce": reduction,
    "Softmax": softmax,
    "LayerNormalization": layer_norm,
    "InstanceNormalization": instance_norm,
    "Reshape": lambda x, a, p, out: x[0].reshape(out),
    "Slice": slicing,
    "Concat": lambda x, a, p, out: np.concatenate(x, axis=a["axis"]),
    "Transpose": lambda x, a, p, out: x[0].transpose(a["perm"]),
    "Pad": padding,
    "Expand": lambda x, a, p, out: np.broadcast_to(x[0], out),
    "Identity": lambda x, a, p, out: x[0],
}


def numbered(shape: tuple[int, ...], start: int = 0) -> Array:
    """Distinct whole numbers."""
    return start + np.arange(prod(shape), dtype=float).reshape(shape)
