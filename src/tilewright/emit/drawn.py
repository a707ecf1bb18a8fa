"""A result that draws itself in a notebook."""

from __future__ import annotations

from dataclasses import dataclass, fields

from tilewright.emit.explain import explain
from tilewright.emit.explain_text import explanation_text
from tilewright.emit.mapping_svg import mapping_svg
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.search import NestResult


@dataclass(frozen=True)
class ExplainedResult(NestResult):
    """A ``NestResult`` with its problem: notebooks draw it, ``explain`` tells about it."""

    problem: NestProblem | None = None

    def explain(self) -> str:
        """What `tilewright explain` prints of the mapping."""
        assert self.problem is not None
        return explanation_text(explain(self.problem, self.mapping))

    def _repr_svg_(self) -> str:
        assert self.problem is not None
        return mapping_svg(explain(self.problem, self.mapping))


def explained(result: NestResult, problem: NestProblem) -> ExplainedResult:
    """The result with its problem."""
    values = {field.name: getattr(result, field.name) for field in fields(NestResult)}
    return ExplainedResult(**values, problem=problem)
