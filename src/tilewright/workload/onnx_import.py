"""From an ONNX model to a Network: resolve shapes, fold what is constant, translate node by node."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from tilewright.errors import InputError
from tilewright.workload import zoo
from tilewright.workload.network import ModelReference, Network, Tensor
from tilewright.workload.onnx_file import ModelFile, read_model
from tilewright.workload.onnx_graph import OnnxNode, build_graph
from tilewright.workload.onnx_inputs import declared_shape, resolve_inputs
from tilewright.workload.onnx_shapes import ShapeError, Values
from tilewright.workload.operators import Emitter, Node, import_node, is_supported, supported, violation


@dataclass(frozen=True)
class ImportedModel:
    """A network together with the model behind it, for those who need its numbers."""

    network: Network
    values: Values

    @property
    def file(self) -> ModelFile:
        return self.values.file


def load_model(
    source: str | Path,
    *,
    batch: int | None = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    dims: Mapping[str, int] | None = None,
    until: str | None = None,
) -> Network:
    """The network of an ONNX file, or of a shipped model by its name; weights are not read.

    ``batch`` sets the first axis of every input, ``dims`` symbolic dimensions by name, ``input_shapes`` whole shapes.
    ``until`` makes the named tensor the only output. InputError lists everything that is wrong with the model.

    >>> network = load_model("squeezenet")
    >>> network.operators[0].kind, network.shape(network.operators[0].output)
    ('Conv', (1, 64, 111, 111))
    """
    reference = ModelReference(
        path=str(source),
        batch=batch,
        input_shapes=tuple((name, tuple(shape)) for name, shape in (input_shapes or {}).items()),
        dims=tuple((dims or {}).items()),
        until=until,
    )
    return import_model(reference).network


def import_model(reference: ModelReference) -> ImportedModel:
    """Load the model that a reference describes.

    InputError if the reference has a hash and the file's is another one: the file has changed since.
    """
    file = read_model(_locate(reference.path), reference.path)
    if reference.sha256 and reference.sha256 != file.sha256:
        raise InputError(f"{file.label}: has changed since the network was loaded; load it again")
    graph = build_graph(file, reference.until)
    try:
        shapes = resolve_inputs(
            graph.inputs, batch=reference.batch, input_shapes=dict(reference.input_shapes), dims=dict(reference.dims)
        )
    except InputError as error:
        raise InputError([f"{file.label}: {problem}" for problem in error.problems]) from None
    values = Values(file, graph, shapes)
    nodes = graph.nodes
    emitter = Emitter((name for n in nodes for name in (*n.reads, *n.writes)), (n.name for n in nodes))
    reshaped = bool(reference.batch or reference.input_shapes)
    problems = _translate(values, emitter, reshaped=reshaped)
    if problems:
        raise InputError(problems)
    return ImportedModel(_assemble(values, emitter, reference), values)


def _locate(source: str) -> Path:
    """The file of a shipped network's name, or the path that was given."""
    if source in zoo.shipped():
        return zoo.path(source)
    if Path(source).name == source and not os.path.exists(source):  # which takes names that are too long
        near = get_close_matches(source.removesuffix(".onnx"), zoo.shipped(), n=1)
        hint = f"did you mean '{near[0]}'?" if near else "there are: " + ", ".join(zoo.shipped())
        raise InputError(f"{source}: no such file, and no shipped network of that name; {hint}")
    return Path(source)


def _translate(values: Values, emitter: Emitter, *, reshaped: bool) -> list[str]:
    """Visit the nodes in order, emit operators, and collect a sentence for each node that cannot be imported."""
    problems: list[str] = []
    label = values.file.label
    for raw in values.graph.nodes:
        if not values.is_known(raw):
            continue
        try:
            broken = _import(raw, values, emitter, reshaped=reshaped)
        except InputError as error:
            problems += error.problems
        else:
            problems += [f"{label}: {broken}"] if broken else []
    return problems


def _import(raw: OnnxNode, values: Values, emitter: Emitter, *, reshaped: bool) -> str | None:
    """Settle one node's types and emit its operators unless it is constant; returns why that cannot be done."""
    node = Node(raw, values)
    try:
        values.infer(raw)
    except ShapeError as problem:
        hint = (
            "; the batch or an input shape was changed, and the model may have the original one written into this node "
            "or one before it"
            if reshaped
            else ""
        )
        return _unknown(raw) or f"{node.describe()} {problem}{hint}"
    if all(name in values.constants for name in raw.writes):
        return None
    broken = _unknown(raw)
    if broken is not None:
        return broken
    sentence = violation(node)
    if sentence is not None:
        return f"{node.describe()} is not supported as it is; needed: {sentence}"
    import_node(node, emitter)
    return None


def _unknown(node: OnnxNode) -> str | None:
    """Why a node's operator type is not supported, or None if it is."""
    if node.domain == "" and is_supported(node.op_type):
        return None
    domain = f" of domain '{node.domain}'" if node.domain else ""
    return (
        f"node '{node.name}' has the operator {node.op_type}{domain}, which is not among the {len(supported())} "
        "supported ones (see 'tilewright ops'); cut the network before it with --until"
    )


def _assemble(values: Values, emitter: Emitter, reference: ModelReference) -> Network:
    file = values.file
    notes: list[str] = []
    produced = {operator.output for operator in emitter.operators}
    outputs = tuple(name for name in values.graph.outputs if name in produced)
    for name in values.graph.outputs:
        if name not in produced:
            what = "a constant" if name in values.constants else "an input as it is"
            notes.append(f"output '{name}' is {what}; nothing computes it, and it is left out")
    if not outputs:
        raise InputError(f"{file.label}: nothing is computed from the inputs: every output is a constant or an input")
    if reference.batch is not None:
        notes += _baked_batch(values, outputs, reference.batch)
    tensors: dict[str, Tensor] = {}
    inputs = tuple(value.name for value in values.graph.inputs)
    for name in inputs:
        tensors[name] = values.tensor(name)
    for operator in emitter.operators:
        for name in (*operator.reads, operator.output):
            tensors.setdefault(name, emitter.tensors[name] if name in emitter.tensors else values.tensor(name))
    return Network(
        name=Path(reference.path).stem,
        operators=tuple(emitter.operators),
        tensors=tuple(tensors.values()),
        inputs=inputs,
        outputs=outputs,
        reference=ModelReference(
            reference.path, file.sha256, reference.batch, reference.input_shapes, reference.dims, reference.until
        ),
        derived=tuple(emitter.derived),
        notes=tuple(notes),
    )


def _baked_batch(values: Values, outputs: tuple[str, ...], batch: int) -> list[str]:
    """A note for outputs whose first axis was the inputs' first axis and did not follow it to the new batch."""
    before = {shape[0] for value in values.graph.inputs if (shape := declared_shape(value))}
    declared = {value.name: declared_shape(value) for value in values.file.model.graph.output}
    return [
        f"output '{name}' keeps {values.types[name].shape[0]} as its first axis although the batch is {batch}: the "
        "model has its original batch written into a shape"
        for name in outputs
        if (shape := declared.get(name))
        and {shape[0]} == before
        and batch not in before
        and values.types[name].shape[:1] != (batch,)
    ]
