"""Word of compilation: what a search needs is compiled once after an installation, longer than most searches take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

FUNCTIONS = 115  # that are compiled for a proof on a machine of several levels
Progress = Callable[[str, int, int], None]  # what, bounds computed or functions compiled, at most


@contextmanager
def compiling_told(progress: Progress | None) -> Iterator[None]:
    """Tell progress of every function of ours that is compiled meanwhile; nothing where all are known from before."""
    if progress is None:
        yield
        return
    from numba.core.event import Listener, install_listener

    tell, compiled = progress, 0

    def told(event: Any, more: int) -> None:
        nonlocal compiled
        if event.data["dispatcher"].py_func.__module__.startswith("tilewright."):
            compiled += more
            tell("compiling, once after an installation", compiled, max(FUNCTIONS, compiled + 1))

    class Told(Listener):
        def on_start(self, event: Any) -> None:
            told(event, 0)

        def on_end(self, event: Any) -> None:
            told(event, 1)

    with install_listener("numba:compile", Told()):
        yield
