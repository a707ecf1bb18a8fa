"""Functions that count no references return no arrays: whoever called would give back what was never taken."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil

import numpy as np
import pytest
from numba import njit
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError

from tilewright.mapping import optimal
from tilewright.mapping.optimal.leaf import leaf


def leaves() -> dict[str, Dispatcher]:
    """All of them, by module and name."""
    found = {}
    for module in pkgutil.iter_modules(optimal.__path__):
        for name, value in vars(importlib.import_module(f"{optimal.__name__}.{module.name}")).items():
            if isinstance(value, Dispatcher) and "_nrt" in value.targetoptions:
                found[f"{value.py_func.__module__}.{name}"] = value
    return found


def returned(function: ast.FunctionDef) -> list[ast.expr]:
    """All values that a function returns, one by one."""
    values = [one.value for one in ast.walk(function) if isinstance(one, ast.Return) and one.value is not None]
    return [part for value in values for part in (value.elts if isinstance(value, ast.Tuple) else [value])]


def arrays(function: ast.FunctionDef) -> set[str]:
    """The names of what is indexed somewhere in a function."""
    return {
        one.value.id for one in ast.walk(function) if isinstance(one, ast.Subscript) and isinstance(one.value, ast.Name)
    }


def test_leaves_return_no_arrays() -> None:
    known = leaves()
    assert len(known) > 50
    for name, one in known.items():
        (function,) = ast.parse(inspect.getsource(one.py_func)).body
        assert isinstance(function, ast.FunctionDef)
        for value in returned(function):
            assert not (isinstance(value, ast.Name) and value.id in arrays(function)), name
            assert not any(isinstance(part, ast.Slice) for part in ast.walk(value)), name


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
