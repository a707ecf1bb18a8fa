"""One thread for matrix products: tiles are small, and threads that wait for each other cost more than they help.

On a machine whose cores are busy, or where a container has fewer of them than it sees, OpenBLAS with several threads
takes ten to a hundred times as long for products of this size.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

_SYMBOLS = ("scipy_openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads", "openblas_{}_num_threads")


@cache
def _openblas() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """The functions that read and set the threads of the OpenBLAS in numpy's own folder; None if it uses another."""
    home = Path(np.__file__).parent
    for folder in (home.parent / "numpy.libs", home / ".dylibs", home / ".libs"):
        for path in sorted(folder.glob("*openblas*")):
            try:
                library = ctypes.CDLL(str(path))
            except OSError:
                continue
            for symbol in _SYMBOLS:
                if hasattr(library, symbol.format("set")):
                    return getattr(library, symbol.format("get")), getattr(library, symbol.format("set"))
    return None


@contextmanager
def one_thread() -> Iterator[None]:
    """Products inside run on one thread where numpy brings its own OpenBLAS; afterwards on as many as before."""
    functions = _openblas()
    if functions is None:
        yield
        return
    read, write = functions
    before = read()
    write(1)
    try:
        yield
    finally:
        write(before)
