"""How a verb ends when it fails: one sentence per problem on standard error, and the right exit code."""

from __future__ import annotations

import errno
import functools
import os
import sys
from collections.abc import Callable
from typing import ParamSpec

import typer

from tilewright.cli import text
from tilewright.cli.interrupts import counted_once
from tilewright.errors import InputError, LimitError, TilewrightError

P = ParamSpec("P")
DEFECT_CODE = 70  # the conventional "internal software error"; 0 to 6 belong to the user's cases
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF)
_debug = False


def set_debug(value: bool) -> None:
    """Let errors through with their tracebacks."""
    global _debug
    _debug = value


def guarded(verb: Callable[P, None]) -> Callable[P, None]:
    """The verb with its errors turned into messages and exit codes (errors.py, docs/architecture.md)."""

    @functools.wraps(verb)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            with counted_once():
                verb(*args, **kwargs)
                sys.stdout.flush()
        except typer.Exit:
            raise
        except TilewrightError as error:
            if _debug:
                raise
            raise typer.Exit(tell(error)) from None
        except KeyboardInterrupt:
            raise typer.Exit(tell(LimitError("stopped by Ctrl-C before there was any answer"))) from None
        except BrokenPipeError:
            # The reader of a pipe has seen enough. Python would complain once more while it shuts down.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except MemoryError as error:
            if _debug:
                raise
            raise typer.Exit(tell(LimitError(f"this needs more memory than there is: {error}"))) from None
        except Exception as error:
            if _debug:
                raise
            if isinstance(error, OSError) and error.errno in FULL:
                # Files are read and written with errors of their own: this is standard output.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise typer.Exit(tell(InputError(f"standard output cannot be written: {error.strerror}"))) from None
            print(
                f"error: a defect of Tilewright ({type(error).__name__}: {error}); please report it with the command"
                " and what it reads. `tilewright --debug ...` shows where it happened",
                file=sys.stderr,
            )
            raise typer.Exit(DEFECT_CODE) from None

    return run


def tell(error: TilewrightError) -> int:
    """Print an error's problems, one line each; its exit code."""
    for problem in str(error).split("\n"):
        print(f"error: {text.printable(problem)}", file=sys.stderr)
    return error.exit_code
