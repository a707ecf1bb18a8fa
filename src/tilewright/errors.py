"""The ways in which work can end without a result, each with the exit code the command line gives it.

An error's text is a sentence for the person who made the mistake: what, where, what was needed and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence


class TilewrightError(Exception):
    """Base of every error that is the user's to mend; anything else is a defect of Tilewright."""

    exit_code = 1


class InputError(TilewrightError):
    """One or more things are wrong with an input file or value; all of them are listed (exit code 1).

    >>> print(InputError("a.yaml:3:1: unknown key 'clok'; did you mean 'clock'?"))
    a.yaml:3:1: unknown key 'clok'; did you mean 'clock'?
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class UsageError(TilewrightError):
    """The request contradicts itself or names something that does not exist (exit code 2)."""

    exit_code = 2


class InfeasibleError(TilewrightError):
    """No schedule exists; the text names the memory, the bytes needed at least, and by which buffers (exit code 3)."""

    exit_code = 3


class BudgetError(TilewrightError):
    """The best schedule exceeds a budget that the user gave (exit code 4)."""

    exit_code = 4


class CheckError(TilewrightError):
    """An execution differs from its claim, or a study's point from its published value (exit code 5)."""

    exit_code = 5


class LimitError(TilewrightError):
    """A limit of time or size was reached before there was any answer (exit code 6)."""

    exit_code = 6
