"""Running a plan and holding it against its claim: cycles, bytes per tensor, numbers (docs/model.md, section 11)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tilewright.plan.expand import expand as expand_program
from tilewright.plan.plan import Plan
from tilewright.simulate.executor import Execution, Expand, Progress, run_plan
from tilewright.simulate.hazards import Hazard
from tilewright.simulate.reference import reference_outputs
from tilewright.simulate.regions import Array

if TYPE_CHECKING:
    import onnx

TOLERANCE = 1e-4
ROUNDINGS = 8  # units in the last place; more than TOLERANCE for half precision only


class Constants(Protocol):
    """Where the values of constants come from (``workload.constants.ConstantStore``)."""

    def value(self, name: str) -> Array:
        """The values of a constant tensor."""
        ...

    def reference_model(self) -> onnx.ModelProto:
        """The model with the same weights, for onnxruntime."""
        ...


@dataclass(frozen=True)
class Claim:
    """What a schedule says its plan will take: cycles, bytes by (tensor, cause), and bytes at every memory as (memory,
    read, written); without the last, accesses are not compared."""

    cycles: int
    traffic: tuple[tuple[str, str, int], ...]
    accesses: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True)
class TensorBytes:
    """Bytes moved for one tensor and one cause, as predicted and as executed."""

    tensor: str
    cause: str
    predicted: int
    executed: int


@dataclass(frozen=True)
class MemoryBytes:
    """Bytes read and written at one memory, as (read, written): as predicted and as executed."""

    memory: str
    predicted: tuple[int, int]
    executed: tuple[int, int]


@dataclass(frozen=True)
class OutputError:
    """An output's largest difference to the reference, relative to the reference's largest value.

    ``tolerance`` is what rounding may amount to: nothing for whole numbers.
    """

    tensor: str
    relative: float
    tolerance: float

    @property
    def exact(self) -> bool:
        """Whether nothing is rounded: whole numbers."""
        return self.tolerance == 0

    @property
    def agrees(self) -> bool:
        """Whether the difference is rounding."""
        return self.relative <= self.tolerance


@dataclass(frozen=True)
class Run:
    """An execution beside its claim. ``outputs`` is empty when numbers were not compared, ``memories`` when the claim
    does not say how often each is accessed."""

    execution: Execution
    cycles_predicted: int
    cycles_executed: int
    bytes_predicted: int
    bytes_executed: int
    tensors: tuple[TensorBytes, ...]
    memories: tuple[MemoryBytes, ...]
    outputs: tuple[OutputError, ...]
    hazards: tuple[Hazard, ...]

    @property
    def outputs_compared(self) -> int:
        return len(self.outputs)

    @property
    def max_relative_error(self) -> float:
        return max((output.relative for output in self.outputs), default=0.0)

    @property
    def matched(self) -> bool:
        """Whether the execution is what was claimed, to the byte and the cycle, and its numbers are right."""
        return (
            not self.hazards
            and self.cycles_predicted == self.cycles_executed
            and all(t.predicted == t.executed for t in self.tensors)
            and all(m.predicted == m.executed for m in self.memories)
            and all(output.agrees for output in self.outputs)
        )


def execute(
    plan: Plan,
    store: Constants,
    inputs: Mapping[str, Array],
    *,
    steps: Expand | None = None,
    stop_at_hazard: bool = True,
    progress: Progress | None = None,
) -> Execution:
    """Execute a plan on real tensors; ``steps`` replaces the expansion of its programs (to try wrong ones)."""
    expand = steps or (lambda program: expand_program(plan, program))
    return run_plan(plan, expand, store.value, inputs, stop_at_hazard=stop_at_hazard, progress=progress)


def simulate(
    plan: Plan,
    store: Constants,
    inputs: Mapping[str, Array],
    claim: Claim,
    *,
    compare: bool = True,
    steps: Expand | None = None,
    progress: Progress | None = None,
) -> Run:
    """Execute a plan; compare cycles and bytes with the claim and outputs, if ``compare``, with onnxruntime."""
    execution = execute(plan, store, inputs, steps=steps, progress=progress)
    errors: list[OutputError] = []
    if compare and execution.outputs:
        wanted = reference_outputs(store.reference_model(), inputs, tuple(execution.outputs))
        errors = [output_error(name, value, wanted[name]) for name, value in execution.outputs.items()]
    return Run(
        execution=execution,
        cycles_predicted=claim.cycles,
        cycles_executed=execution.cycles,
        bytes_predicted=sum(size for _, _, size in claim.traffic),
        bytes_executed=execution.total_bytes,
        tensors=_beside(claim.traffic, execution.traffic),
        memories=_at_memories(claim.accesses, execution.accesses),
        outputs=tuple(errors),
        hazards=execution.hazards,
    )


def output_error(name: str, computed: Array, wanted: Array) -> OutputError:
    """How far an output is from the reference, measured by the reference's largest finite value.

    Not a number where the reference has none is no difference, nor is the same infinity. Infinite is the error of a
    wrong shape, of any other value that is not finite, and of a reference without a finite value: it shows nothing.

    >>> output_error("y", np.array([1.0, 2.1]), np.array([1.0, 2.0], np.float32)).relative < 0.051
    True
    """
    tolerance = _tolerance(wanted.dtype)
    if computed.shape != wanted.shape:
        return OutputError(name, float("inf"), tolerance)
    found, reference = computed.astype(np.float64), wanted.astype(np.float64)
    finite = np.isfinite(reference)
    same = (computed == wanted) | (np.isnan(found) & np.isnan(reference))
    if not finite.any() or not (same | (finite & np.isfinite(found))).all():
        return OutputError(name, float("inf"), tolerance)
    largest = float(np.abs(reference[finite]).max())
    worst = float(np.abs(found[~same] - reference[~same]).max(initial=0.0))
    return OutputError(name, worst / largest if largest else worst, tolerance)


def _tolerance(kind: np.dtype[Any]) -> float:
    """The relative error that rounding explains: none in whole numbers, some units in the last place of a half."""
    if kind.kind != "f":
        return 0.0
    return max(TOLERANCE, ROUNDINGS * float(np.finfo(kind).eps))


def _beside(
    predicted: tuple[tuple[str, str, int], ...], executed: tuple[tuple[str, str, int], ...]
) -> tuple[TensorBytes, ...]:
    """Both counts for every tensor and cause that either names; a name given twice adds up."""
    tables: list[dict[tuple[str, str], int]] = []
    for counts in (predicted, executed):
        table: dict[tuple[str, str], int] = {}
        for tensor, cause, size in counts:
            table[tensor, cause] = table.get((tensor, cause), 0) + size
        tables.append(table)
    left, right = tables
    return tuple(
        TensorBytes(tensor, cause, left.get((tensor, cause), 0), right.get((tensor, cause), 0))
        for tensor, cause in sorted({*left, *right})
    )


def _at_memories(
    predicted: tuple[tuple[str, int, int], ...], executed: tuple[tuple[str, int, int], ...]
) -> tuple[MemoryBytes, ...]:
    """Both counts for every memory that either names; nothing if nothing was predicted."""
    if not predicted:
        return ()
    left, right = ({name: (read, written) for name, read, written in counts} for counts in (predicted, executed))
    return tuple(
        MemoryBytes(name, left.get(name, (0, 0)), right.get(name, (0, 0))) for name in dict.fromkeys([*left, *right])
    )
