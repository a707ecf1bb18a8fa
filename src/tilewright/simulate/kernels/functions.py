"""Elementwise functions by name, as onnxruntime defines them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np

from tilewright.simulate.regions import Array


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) without overflow.

    >>> float(sigmoid(np.array(-1000.0))), float(sigmoid(np.array(0.0)))
    (0.0, 0.5)
    """
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def erf(x: Array) -> Array:
    """The error function to about 1e-7: Maclaurin series near 0, elsewhere a rational fit (Abramowitz, 7.1.26 form).

    >>> round(float(erf(np.array(0.5))), 6), float(erf(np.array(-9.0)))
    (0.5205, -1.0)
    """
    wide = x.astype(np.float64)
    size = np.minimum(np.abs(wide), 6.0)
    t = 1 / (1 + 0.5 * size)
    exponent = np.full_like(t, _ERFC[-1])
    for coefficient in _ERFC[-2::-1]:
        exponent = exponent * t + coefficient
    result: Array = np.copysign(1 - t * np.exp(exponent - size * size), wide).astype(x.dtype)
    return result


# Chebyshev fit of log(erfc(x) * exp(x^2) / t) in t = 1 / (1 + x / 2) (Numerical Recipes, 6.2): error below 1.2e-7.
_ERFC = (
    -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806,
    0.27886807, -1.13520398, 1.48851587, -0.82215223, 0.17087277,
)  # fmt: skip


def gelu(x: Array, approximate: float = 0.0) -> Array:
    """x times the normal distribution function, or its approximation by a hyperbolic tangent."""
    share: Array = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)) if approximate else erf(x / np.sqrt(2.0))
    result: Array = 0.5 * x * (1 + share)
    return result


def hard_sigmoid(x: Array, alpha: float = 0.2, beta: float = 0.5) -> Array:
    """alpha * x + beta, clipped to [0, 1]."""
    return np.clip(alpha * x + beta, 0.0, 1.0)


ELEMENTWISE: dict[str, Callable[..., Array]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Pow": np.power,
    "Relu": lambda x: np.maximum(x, 0),
    "Clip": lambda x, low, high: np.minimum(np.maximum(x, low), high),
    "LeakyRelu": lambda x, alpha: np.where(x >= 0, x, alpha * x),
    "PRelu": lambda x, slope: np.where(x >= 0, x, slope * x),
    "Sigmoid": sigmoid,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": lambda x: x * hard_sigmoid(x, 1 / 6, 0.5),
    "Tanh": np.tanh,
    "Sqrt": np.sqrt,
    "Exp": np.exp,
    "Softplus": lambda x: np.logaddexp(x, 0),
    "Elu": lambda x, alpha: np.where(x >= 0, x, alpha * np.expm1(np.minimum(x, 0))),
    "Abs": np.abs,
    "Neg": np.negative,
    "Erf": erf,
    "SiLU": lambda x: x * sigmoid(x),
    "Gelu": gelu,
    "GELU": gelu,
    "Affine": lambda x, scale, shift: x * scale + shift,
}

VARIADIC: dict[str, Callable[[Array, Array], Array]] = {"Sum": np.add, "Max": np.maximum, "Min": np.minimum}


def apply(function: str, operands: Sequence[Array], arguments: Sequence[float] = ()) -> Array:
    """A function of ``ELEMENTWISE`` or ``VARIADIC`` on arrays that broadcast.

    >>> apply("Clip", [np.array([-3.0, 9.0])], (0.0, 6.0))
    array([0., 6.])
    >>> apply("Sum", [np.array([1.0]), np.array([2.0]), np.array([3.0])])
    array([6.])
    """
    with np.errstate(all="ignore"):
        if function in VARIADIC:
            return reduce(VARIADIC[function], operands)
        return ELEMENTWISE[function](*operands, *arguments)
