"""Constants that follow from other constants: folded normalisations, permuted weights (``network.Derived``).

Each function takes the arrays of ``Derived.inputs`` and the pairs of ``Derived.arguments`` as keywords. Sums and
products are formed in double precision and rounded once to the type of the first array.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tilewright.workload.network import Derived

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, numpy.dtype[Any]]


def derive(derived: Derived, inputs: Sequence[Array]) -> Array:
    """The value of a derived constant from the values of the constants named in ``derived.inputs``."""
    value: Array = FUNCTIONS[derived.function](*inputs, **dict(derived.arguments))
    return value


def bn_weight(weight: Array, scale: Array, variance: Array, *, epsilon: float, axis: int, groups: int = 1) -> Array:
    """A weight whose output channels are scaled as batch normalisation does: by ``scale / sqrt(variance + epsilon)``.

    ``axis`` is the weight's axis of output channels; with ``groups`` (transposed convolution) axis 0 runs over
    groups too, and the output channel is ``group * size of axis + index``.

    >>> import numpy
    >>> bn_weight(numpy.ones((2, 1)), numpy.array([2.0, 3.0]), numpy.array([4.0, 9.0]), epsilon=0.0, axis=0)
    array([[1.],
           [1.]])
    """
    return scaled_weight(weight, _rate(scale, variance, epsilon), axis=axis, groups=groups)


def bn_bias(
    scale: Array, bias: Array, mean: Array, variance: Array, before: Array | None = None, *, epsilon: float
) -> Array:
    """The bias after batch normalisation: ``(before - mean) * scale / sqrt(variance + epsilon) + bias``.

    >>> import numpy
    >>> one = numpy.array([1.0])
    >>> bn_bias(2 * one, 5 * one, 3 * one, 4 * one, epsilon=0.0)
    array([2.])
    """
    centred = _double(before) - _double(mean) if before is not None else -_double(mean)
    return _like(bias, centred * _rate(scale, variance, epsilon) + _double(bias))


def scaled_weight(weight: Array, factor: Array, *, axis: int, groups: int = 1, power: int = 1) -> Array:
    """A weight whose output channels are multiplied by ``factor ** power``, of one element or one per channel.

    >>> import numpy
    >>> scaled_weight(numpy.ones((2, 2)), numpy.array([[2.0, 4.0]]), axis=1, power=-1)
    array([[0.5 , 0.25],
           [0.5 , 0.25]])
    """
    channels = groups * weight.shape[axis]
    rate = _vector(factor, channels) ** power
    if groups == 1:
        shape = [1] * weight.ndim
        shape[axis] = channels
        return _like(weight, _double(weight) * rate.reshape(shape))
    # Axis 0 holds the groups' input channels one group after the other; `axis` the output channels of one group.
    split = _double(weight).reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    shape = [1] * split.ndim
    shape[0], shape[axis + 1] = groups, weight.shape[axis]
    return _like(weight, (split * rate.reshape(shape)).reshape(weight.shape))


def scaled_vector(vector: Array, factor: Array, *, size: int, power: int = 1) -> Array:
    """A per-channel vector of ``size`` elements times ``factor ** power``, each of one element or one per channel.

    >>> import numpy
    >>> scaled_vector(numpy.array([1.0, 2.0]), numpy.array(3.0), size=2)
    array([3., 6.])
    """
    return _like(vector, _vector(vector, size) * _vector(factor, size) ** power)


def summed_vectors(first: Array, *others: Array, size: int, sign: int = 1) -> Array:
    """The sum of per-channel vectors of ``size`` elements; ``sign`` applies to all but the first.

    >>> import numpy
    >>> summed_vectors(numpy.array([1.0, 2.0]), numpy.array([[[5.0]]]), size=2, sign=-1)
    array([-4., -3.])
    """
    total = _vector(first, size)
    for other in others:
        total = total + sign * _vector(other, size)
    return _like(first, total)


def vector(source: Array, *, size: int, sign: int = 1) -> Array:
    """A constant of any shape, of one element or ``size``, as a vector of ``size`` elements times ``sign``.

    >>> import numpy
    >>> vector(numpy.array([[[0.25]]]), size=2)
    array([0.25, 0.25])
    """
    return _like(source, sign * _vector(source, size))


def filled(source: Array, *, size: int, value: float) -> Array:
    """A vector of ``size`` elements of one value, in the type of ``source``.

    >>> import numpy
    >>> filled(numpy.zeros((3, 3)), size=2, value=1.5)
    array([1.5, 1.5])
    """
    import numpy

    return numpy.full(size, value, dtype=source.dtype)


def permute_rows(weight: Array, *, shape: tuple[int, int, int], transposed: bool) -> Array:
    """The rows of a matrix taken from (channel, row, column) order to (row, column, channel) order.

    Rows are the last axis of a ``transposed`` one; ``shape`` is (channels, height, width).

    >>> import numpy
    >>> permute_rows(numpy.arange(4).reshape(4, 1), shape=(2, 1, 2), transposed=False).ravel()
    array([0, 2, 1, 3])
    """
    import numpy

    order = numpy.arange(weight.shape[1 if transposed else 0]).reshape(shape).transpose(1, 2, 0).ravel()
    return weight[:, order] if transposed else weight[order]


def scale(source: Array, *, factor: float) -> Array:
    """A constant times a number (the alpha and beta of a Gemm).

    >>> import numpy
    >>> scale(numpy.array([2.0, 4.0]), factor=0.5)
    array([1., 2.])
    """
    return _like(source, _double(source) * factor)


def reshape(source: Array, *, shape: tuple[int, ...]) -> Array:
    """A constant with its elements, in row-major order, in another shape.

    >>> import numpy
    >>> reshape(numpy.array([[1.0, 2.0]]), shape=(2,))
    array([1., 2.])
    """
    return source.reshape(shape)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "bn_weight": bn_weight,
    "bn_bias": bn_bias,
    "scaled_weight": scaled_weight,
    "scaled_vector": scaled_vector,
    "summed_vectors": summed_vectors,
    "vector": vector,
    "filled": filled,
    "permute_rows": permute_rows,
    "scale": scale,
    "reshape": reshape,
}


def _rate(scale: Array, variance: Array, epsilon: float) -> Array:
    import numpy

    rate: Array = _double(scale) / numpy.sqrt(_double(variance) + epsilon)
    return rate


def _vector(source: Array, size: int) -> Array:
    import numpy

    flat = _double(source).ravel()
    return numpy.full(size, flat[0]) if flat.size == 1 else flat


def _double(source: Array) -> Array:
    import numpy

    return source.astype(numpy.float64)


def _like(model: Array, value: Array) -> Array:
    return value.astype(model.dtype)
