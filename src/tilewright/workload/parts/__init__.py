"""From a canonical operator to the nests that execute it (docs/model.md, sections 1 and 5).

Move operators always get their copy here; whether they are views instead is decided by ``workload.storage``.
"""

from __future__ import annotations

from collections.abc import Callable

from tilewright.workload.network import Network, Operator
from tilewright.workload.part import Part
from tilewright.workload.parts.convolution import convolution
from tilewright.workload.parts.copies import broadcast, concatenation, padding, slicing, transposition
from tilewright.workload.parts.elementwise import batch_normalisation, elementwise
from tilewright.workload.parts.product import matrix_product
from tilewright.workload.parts.reductions import instance_normalisation, layer_normalisation, reduction, softmax
from tilewright.workload.parts.reshaping import reshaping, shapes_have_a_common_refinement
from tilewright.workload.parts.resize import resize
from tilewright.workload.parts.transposed import kernel_reaches_every_phase, transposed_convolution
from tilewright.workload.parts.windows import local_response, pooling

BUILDERS: dict[str, Callable[[Operator, Network], tuple[Part, ...]]] = {
    "Conv": convolution,
    "ConvTranspose": transposed_convolution,
    "MatMul": matrix_product,
    "Elementwise": elementwise,
    "Pool": pooling,
    "LRN": local_response,
    "Resize": resize,
    "BatchNormalization": batch_normalisation,
    "Reduce": reduction,
    "Softmax": softmax,
    "LayerNormalization": layer_normalisation,
    "InstanceNormalization": instance_normalisation,
    "Reshape": reshaping,
    "Slice": slicing,
    "Concat": concatenation,
    "Transpose": transposition,
    "Pad": padding,
    "Expand": broadcast,
    "Identity": broadcast,
}


def parts(operator: Operator, network: Network) -> tuple[Part, ...]:
    """The nests of an operator, in the order in which they run.

    Operands are called ``input`` (``input2``, ... for further ones), ``weight`` (the second factor of
    multiply-accumulates) and ``output``. Raises InputError where no nest describes the operator; its text says why.
    """
    return BUILDERS[operator.kind](operator, network)


__all__ = ["BUILDERS", "kernel_reaches_every_phase", "parts", "shapes_have_a_common_refinement"]
