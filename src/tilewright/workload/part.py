"""A part: one executable nest of an operator, with the tensors behind its operands.

Most operators are one part. A transposed convolution is one part per phase, a concatenation that must be copied one
part per input.
"""

from __future__ import annotations

from dataclasses import dataclass

from tilewright.workload.nest import LoopNest


@dataclass(frozen=True)
class Part:
    """``tensors`` pairs each operand of the nest, in its order, with the tensor it stands for.

    ``label`` tells the parts of one operator apart ("" when there is only one). For the phases of a transposed
    convolution, ``taps`` are the (first, step) indices into the filter axes of the weight, one pair per spatial axis:
    the nest's filter index j stands for filter index ``first + step * j`` of the model's weight (step may be
    negative).
    """

    label: str
    nest: LoopNest
    tensors: tuple[tuple[str, str], ...]
    taps: tuple[tuple[int, int], ...] = ()

    def tensor(self, operand: str) -> str:
        return dict(self.tensors)[operand]
