"""The graph of an ONNX model, checked and put in order: every value produced once, before use, and needed."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from tilewright.errors import InputError
from tilewright.workload.onnx_file import ModelFile

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class OnnxNode:
    """One node, under a name that no other node of the graph has."""

    name: str
    op_type: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    proto: onnx.NodeProto

    @property
    def reads(self) -> tuple[str, ...]:
        """The values read; an optional input that is left out has an empty name and is not among them."""
        return tuple(name for name in self.inputs if name)

    @property
    def writes(self) -> tuple[str, ...]:
        return tuple(name for name in self.outputs if name)

    @property
    def has_subgraph(self) -> bool:
        return any(attribute.HasField("g") or attribute.graphs for attribute in self.proto.attribute)


@dataclass(frozen=True)
class OnnxGraph:
    """The nodes that the outputs need, in topological order (in file order where that leaves a choice)."""

    nodes: tuple[OnnxNode, ...]
    inputs: tuple[onnx.ValueInfoProto, ...]
    outputs: tuple[str, ...]
    initializers: dict[str, onnx.TensorProto]
    needed: frozenset[str]


def build_graph(file: ModelFile, until: str | None = None) -> OnnxGraph:
    """Check a model's graph and keep what the outputs (or only the tensor ``until``) depend on.

    Raises one InputError with every name that is defined twice, used but never produced, or part of a cycle.
    """
    graph = file.model.graph
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    inputs = tuple(value for value in graph.input if value.name not in initializers)
    nodes = _named(graph.node)
    problems = _definition_problems(graph, nodes)
    given = set(initializers) | {value.name for value in inputs}
    outputs = (until,) if until is not None else tuple(value.name for value in graph.output)
    producer = {name: index for index, node in enumerate(nodes) for name in node.writes}
    if until is not None and until not in producer:
        raise InputError(f"{file.label}: {_unknown_tensor(until, producer, given, nodes)}")
    needed = _reachable(nodes, producer, outputs)
    live = [index for index, node in enumerate(nodes) if any(name in needed for name in node.writes)]
    for index in live:
        for name in nodes[index].reads:
            if name not in given and name not in producer:
                problems.append(
                    f"node '{nodes[index].name}' ({nodes[index].op_type}) reads '{name}', "
                    "which no node, input or initializer produces"
                )
    problems += [f"output '{name}' is produced by no node" for name in outputs if name not in given | set(producer)]
    order, stuck = _sorted(nodes, producer, live)
    if stuck:
        names = ", ".join(f"'{nodes[index].name}'" for index in stuck[:8])
        problems.append(f"{len(stuck)} nodes wait for each other in a cycle or behind one: {names}")
    if problems:
        raise InputError([f"{file.label}: {problem}" for problem in problems])
    return OnnxGraph(
        tuple(nodes[index] for index in order),
        tuple(value for value in inputs if value.name in needed),
        outputs,
        {name: tensor for name, tensor in initializers.items() if name in needed},
        frozenset(needed),
    )


def _named(protos: object) -> list[OnnxNode]:
    """Nodes with unique names: their own, or the operator type and a running number, with a suffix where taken."""
    nodes: list[OnnxNode] = []
    unnamed: Counter[str] = Counter()
    taken: set[str] = set()
    for proto in protos:  # type: ignore[attr-defined]
        name = proto.name
        if not name:
            name = f"{proto.op_type}@{unnamed[proto.op_type]}"
            unnamed[proto.op_type] += 1
        base, repeat = name, 1
        while name in taken:
            repeat += 1
            name = f"{base}#{repeat}"
        taken.add(name)
        domain = "" if proto.domain == "ai.onnx" else proto.domain
        nodes.append(OnnxNode(name, proto.op_type, domain, tuple(proto.input), tuple(proto.output), proto))
    return nodes


def _definition_problems(graph: onnx.GraphProto, nodes: list[OnnxNode]) -> list[str]:
    """Values with two definitions; an initializer may be listed as an input too."""
    problems = []
    for what, names in (
        ("graph inputs", [value.name for value in graph.input]),
        ("initializers", [tensor.name for tensor in graph.initializer]),
    ):
        problems += [f"two {what} are called '{name}'" for name, count in Counter(names).items() if count > 1]
    first: dict[str, str] = {value.name: "a graph input" for value in graph.input}
    first |= {tensor.name: "an initializer" for tensor in graph.initializer}
    for node in nodes:
        for name in node.writes:
            if name in first:
                problems.append(f"'{name}' is produced by node '{node.name}' ({node.op_type}) and by {first[name]}")
            first[name] = f"node '{node.name}'"
    problems += [
        f"'{tensor.values.name}' is a sparse initializer, and only dense ones are supported; export it as dense"
        for tensor in graph.sparse_initializer
    ]
    return problems


def _reachable(nodes: list[OnnxNode], producer: dict[str, int], outputs: tuple[str, ...]) -> set[str]:
    needed: set[str] = set()
    waiting = list(outputs)
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        needed.add(name)
        if name in producer:
            waiting += nodes[producer[name]].reads
    return needed


def _sorted(nodes: list[OnnxNode], producer: dict[str, int], live: list[int]) -> tuple[list[int], list[int]]:
    """Indices of the live nodes in topological order, and those that a cycle keeps from ever being ready."""
    waits = {i: {producer[name] for name in nodes[i].reads if name in producer} for i in live}
    followers: dict[int, list[int]] = {i: [] for i in live}
    for index, before in waits.items():
        for other in before:
            followers[other].append(index)
    ready = [i for i in live if not waits[i]]
    heapq.heapify(ready)
    order = []
    while ready:
        index = heapq.heappop(ready)
        order.append(index)
        for follower in followers[index]:
            waits[follower].discard(index)
            if not waits[follower]:
                heapq.heappush(ready, follower)
    return order, [i for i in live if waits[i]]


def _unknown_tensor(until: str, producer: dict[str, int], given: set[str], nodes: list[OnnxNode]) -> str:
    if until in given:
        return f"cannot stop at '{until}': it is an input or an initializer, and nothing would be left to compute"
    node = next((node for node in nodes if node.name == until), None)
    near = list(node.writes) if node is not None else get_close_matches(until, producer, n=3, cutoff=0.4)
    hint = "; did you mean " + " or ".join(f"'{name}'" for name in near) + "?" if near else ""
    return f"no node produces a tensor '{until}' to stop at{hint}"
