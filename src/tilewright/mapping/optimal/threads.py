"""Compiled work on two threads.

Python runs in one of them at a time, by a lock of our own: the interpreter's is handed to and fro at every call of
numpy, thousands of times a second, which costs more than a second thread gains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock, local
from typing import Any

THREADS, MANY = 2, 2000
_turn, _here = Lock(), local()


def side_by_side(work: Callable[[Any], Any], jobs: Iterable[Any], rows: int = MANY) -> list[Any]:
    """What work gives for every job, in the order of the jobs. Only what it does ``aside`` runs at the same time; with
    fewer than ``MANY`` rows to work on, one thread is faster.

    >>> side_by_side(lambda k: k * k, range(3))
    [0, 1, 4]
    """

    def one(job: Any) -> Any:
        with _turn:
            _here.turn = True
            try:
                return work(job)
            finally:
                _here.turn = False

    numbers = list(jobs)
    if len(numbers) < 2 or rows < MANY:
        return [work(job) for job in numbers]
    with aside(), ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(one, numbers))


@contextmanager
def aside() -> Iterator[None]:
    """Let the other thread go on meanwhile: around compiled work that takes long."""
    turn = getattr(_here, "turn", False)
    if turn:
        _here.turn = False
        _turn.release()
    try:
        yield
    finally:
        if turn:
            _turn.acquire()
            _here.turn = True
