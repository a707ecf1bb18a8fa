"""Functions that count no references return no arrays: whoever called would give back what was never taken."""

from __future__ import annotations

import importlib
import pkgutil

import numpy as np
import pytest
from numba import njit, types
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError

import tilewright as tw
from tilewright.mapping import optimal
from tilewright.mapping.nests import conv2d, default_problem
from tilewright.mapping.optimal.leaf import leaf
from tilewright.mapping.search import map_nest


def leaves() -> dict[str, Dispatcher]:
    """All of them, by module and name."""
    found = {}
    for module in pkgutil.iter_modules(optimal.__path__):
        for name, value in vars(importlib.import_module(f"{optimal.__name__}.{module.name}")).items():
            if isinstance(value, Dispatcher) and "_nrt" in value.targetoptions:
                found[f"{value.py_func.__module__}.{name}"] = value
    return found


def holds_array(kind: types.Type) -> bool:
    if isinstance(kind, types.BaseTuple):
        return any(holds_array(part) for part in kind)
    return isinstance(kind, types.Array)


def test_leaves_return_no_arrays() -> None:
    arch = tw.load_arch("eyeriss")
    found = map_nest(default_problem(conv2d(K=8, C=4, Y=6, X=6, R=3, S=3), arch, arch.layout), "edp", effort="proof")
    assert found.mapping is not None
    compiled = {name: one.nopython_signatures for name, one in leaves().items() if one.nopython_signatures}
    assert len(compiled) > 20
    for name, signatures in compiled.items():
        assert not any(holds_array(signature.return_type) for signature in signatures), name


def test_a_leaf_that_makes_an_array_does_not_compile() -> None:
    @leaf
    def squares(n):  # type: ignore[no-untyped-def]
        return np.arange(n)[-1] ** 2

    with pytest.raises(NumbaError):
        squares(4)


def test_leaves_give_what_others_give() -> None:
    def total(numbers, ends):  # type: ignore[no-untyped-def]
        held = 0.0
        for k in range(ends[0], ends[1]):
            held += numbers[k]
        return held

    numbers, ends = np.arange(6.0), np.array([1, 4])
    whole = leaf(total)
    assert whole(numbers, ends) == njit(total)(numbers, ends) == 6.0
    assert [whole(numbers.copy(), ends) for _ in range(1000)] == [6.0] * 1000
