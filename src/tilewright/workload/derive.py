"""Constants computed from other constants: what the importer and the rewrites put in place of the model's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Derivation = Callable[[list[Array], dict[str, Any]], Array]


def scale(inputs: list[Array], arguments: dict[str, Any]) -> Array:
    """One constant times the number ``factor``, in the constant's own type.

    >>> scale([np.array([2.0, 4.0], np.float32)], {"factor": 0.5}).tolist()
    [1.0, 2.0]
    """
    (value,) = inputs
    return value * value.dtype.type(arguments["factor"])


def reshape(inputs: list[Array], arguments: dict[str, Any]) -> Array:
    """One constant with its elements in another ``shape``."""
    (value,) = inputs
    return value.reshape(arguments["shape"])


DERIVATIONS: dict[str, Derivation] = {"reshape": reshape, "scale": scale}
