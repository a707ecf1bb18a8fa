"""Ctrl-C as it is meant: signals that come together are one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType

TOGETHER = 0.5  # seconds


@contextmanager
def counted_once() -> Iterator[None]:
    """Let a Ctrl-C that comes right after another one pass unnoticed.

    ``timeout`` and some shells signal a process and then its group: the first ends a search, which keeps its best
    answer, and the second would end the program before that is written. Where somebody else has a handler it stays.
    """
    usual = signal.default_int_handler
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is not usual:
        yield
        return
    counted = -TOGETHER

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal counted
        if (now := monotonic()) - counted >= TOGETHER:
            counted = now
            usual(number, frame)

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
