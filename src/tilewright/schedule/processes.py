"""Jobs of one kind in processes of their own, for work that takes a minute and whose answers are small.

Not ``multiprocessing``: to fork is unsafe where other threads run, and its other ways to start a process import the
caller's main module again, which runs a script that has no guard twice. Here a child runs one function of an importable
module and talks over its standard streams; it belongs to its own session, so that Ctrl-C reaches the parent only.
"""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

MOST_PROCESSES = 8
PATIENCE = 0.5  # seconds between two looks for Ctrl-C, which some systems do not tell to who waits
START_SECONDS = 60.0  # after which a process that says nothing will never say anything
READY = "ready"
_SERVE = "from tilewright.schedule.processes import serve; serve({module!r}, {name!r})"


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Let Python look for cycles of garbage a hundred times less often: searches make many objects and few cycles."""
    before = gc.get_threshold()
    gc.set_threshold(100 * before[0], *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def processors() -> int:
    """How many processors there are for this process, as far as more are of use."""
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(mine, MOST_PROCESSES)


def share_out(
    target: tuple[str, str],
    setup: object,
    jobs: Sequence[Sequence[Any]],
    done: Callable[[Any, Any], None],
    until: float | None = None,
) -> None:
    """Do jobs in one process for each list of them; ``done`` gets each with its answer, in the caller's thread.

    ``target`` names a module and a function in it, which makes of ``setup`` the function that does a job. Each process
    works on its own list from the front, then helps the one that has most left with its last. Past ``until``, a moment
    of ``time.monotonic``, at any exception, and where processes cannot be started or end too early, the rest is not
    done: that is no error. No process outlives the call.
    """
    try:
        first = pickle.dumps(setup)
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError):
        return
    lists, lock = [list(some) for some in jobs], Lock()
    answers: SimpleQueue[tuple[Any, Any] | None] = SimpleQueue()
    ready = Event()

    def take(number: int) -> Any:
        with lock:
            if lists[number]:
                return lists[number].pop(0)
            most = max(lists, key=len)
            return most.pop() if most else None

    with _started(target, len(lists)) as processes:
        for number, process in enumerate(processes):
            Thread(target=_drive, args=(process, first, take, number, answers, ready), daemon=True).start()
        working, began = len(processes), monotonic()
        while working:
            left = PATIENCE if until is None else min(PATIENCE, until - monotonic())
            if left <= 0 or not (ready.is_set() or monotonic() < began + START_SECONDS):
                return
            with suppress(Empty):
                answer = answers.get(timeout=left)
                if answer is None:
                    working -= 1
                else:
                    done(*answer)


@contextmanager
def _started(target: tuple[str, str], number: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that serve, as many as can be started; they are ended when the context is left."""
    module, name = target
    path = os.pathsep.join(entry for entry in sys.path if isinstance(entry, str))
    processes: list[subprocess.Popen[bytes]] = []
    try:
        with suppress(OSError, ValueError):
            for _ in range(number if sys.executable else 0):
                process = subprocess.Popen(
                    [sys.executable, "-P", "-c", _SERVE.format(module=module, name=name)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env={**os.environ, "PYTHONPATH": path},
                    start_new_session=True,
                )
                processes.append(process)
        yield processes
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


def _drive(
    process: subprocess.Popen[bytes],
    setup: bytes,
    take: Callable[[int], Any],
    number: int,
    answers: SimpleQueue[tuple[Any, Any] | None],
    ready: Event,
) -> None:
    """Give a process its jobs one by one, until there are none or it ends."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with process.stdin, process.stdout:
            process.stdin.write(setup)
            process.stdin.flush()
            if pickle.load(process.stdout) != READY:
                return
            ready.set()
            while (job := take(number)) is not None:
                pickle.dump(job, process.stdin)
                process.stdin.flush()
                answers.put((job, pickle.load(process.stdout)))
    except Exception:  # whatever a process that was ended, or is none of ours, leaves in its stream
        return
    finally:
        answers.put(None)


def serve(module: str, name: str) -> None:
    """What a child does: make the function, then do jobs until the parent is gone or has no more."""
    from importlib import import_module

    jobs, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed meanwhile is no answer
    do = getattr(import_module(module), name)(pickle.load(jobs))
    pickle.dump(READY, answers)
    answers.flush()
    with seldom_collected():
        while True:
            try:
                job = pickle.load(jobs)
            except EOFError:
                return
            pickle.dump(do(job), answers)
            answers.flush()
