"""How far a long command is, on standard error: a line that rewrites itself, or plain lines where asked for."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

QUIET_SECONDS = 2.0


class Progress:
    """Called with (what, done, total); silent for the first two seconds, then with an estimate of what is left.

    On a terminal the line is rewritten in place; otherwise nothing is shown unless ``wanted``.
    """

    def __init__(self, title: str, wanted: bool = False, stream: TextIO | None = None) -> None:
        self._title = title
        self._stream = sys.stderr if stream is None else stream
        self._terminal = self._stream.isatty()
        self._shown = self._terminal or wanted
        self._start = self._last = time.monotonic()
        self._open = False

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        interval = 0.1 if self._terminal else QUIET_SECONDS
        if not self._shown or now - self._start < QUIET_SECONDS or now - self._last < interval:
            return
        self._last = now
        line = progress_line(self._title, what, done, total, now - self._start)
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


def progress_line(title: str, what: str, done: int, total: int, seconds: float) -> str:
    """
    >>> progress_line("scheduling", "conv1", 10, 40, 5.0)
    'scheduling 10 of 40, about 15 s left: conv1'
    """
    left = f", about {seconds * (total - done) / done:.0f} s left" if done else ""
    return f"{title} {done} of {total}{left}: {what}"
