"""How far a long command is, on standard error: a line that rewrites itself, or plain lines where asked for."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

QUIET_SECONDS = 2.0


class Progress:
    """Called with (what, done, total); silent for the first two seconds, then with an estimate of what is left.

    Where ``total`` changes or less is done than before, a new phase has begun, and the estimate is about that one.
    ``total`` is 0 where nobody knows how much there is. On a terminal the line is rewritten in place; otherwise nothing
    is shown unless ``wanted``.
    """

    def __init__(self, title: str, wanted: bool = False, stream: TextIO | None = None) -> None:
        self._title = title
        self._stream = sys.stderr if stream is None else stream
        self._terminal = self._stream.isatty()
        self._shown = self._terminal or wanted
        self._start = self._last = time.monotonic()
        self._phase, self._first, self._done, self._total = self._start, 0, 0, -1
        self._open = False

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done < self._done or self._total not in (-1, total):
            self._phase, self._first = now, done
        self._done, self._total = done, total
        interval = 0.1 if self._terminal else QUIET_SECONDS
        if not self._shown or now - self._start < QUIET_SECONDS or now - self._last < interval:
            return
        self._last = now
        line = progress_line(self._title, what, done, total, now - self._phase, self._first)
        if self._terminal:
            self._stream.write("\r\x1b[K" + line[:100])
            self._open = True
        else:
            self._stream.write(line + "\n")
        self._stream.flush()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def progress_line(title: str, what: str, done: int, total: int, seconds: float, first: int = 0) -> str:
    """``seconds`` are those since there were ``first`` done.

    >>> progress_line("scheduling", "conv1", 10, 40, 5.0)
    'scheduling 10 of 40, about 15 s left: conv1'
    >>> progress_line("scheduling", "fuse, best 12, bound 10 (gap 20.0%)", 2000, 0, 5.0)
    'scheduling: fuse, best 12, bound 10 (gap 20.0%)'
    """
    if not total:
        return f"{title}: {what}"
    left = f", about {seconds * (total - done) / (done - first):.0f} s left" if done > first else ""
    return f"{title} {done} of {total}{left}: {what}"
