"""A network as strategies see it: executed operators and the bases between them (docs/model.md, 8 and 9)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping.buffers import aligned
from tilewright.schedule.problems import is_packed
from tilewright.workload.storage import PlacedNetwork, executed_parts

NEVER = 1 << 60  # bytes


@dataclass(frozen=True)
class Node:
    """An operator that is executed: the bases it reads (feature maps only) and the one it writes.

    ``alone``: it cannot share a group with others. ``over``: bases it reads whose place on chip its result may take.
    """

    name: str
    reads: tuple[str, ...]
    writes: str
    alone: bool = False
    over: tuple[str, ...] = ()


@dataclass(frozen=True)
class Base:
    """Storage of a feature map with all its views. ``size_bytes`` is the aligned room that holding it takes, or more
    than any memory has where an operator reads one part of it and writes another: then it is never held.

    ``given``: an input of the network, in DRAM from the start; ``wanted``: an output, to be in DRAM at the end.
    """

    name: str
    size_bytes: int
    given: bool = False
    wanted: bool = False


@dataclass(frozen=True)
class Graph:
    """Nodes in topological order; ``before[k]`` are the nodes whose results node k reads."""

    nodes: tuple[Node, ...]
    bases: tuple[Base, ...]
    before: tuple[frozenset[int], ...]

    @cached_property
    def base(self) -> dict[str, Base]:
        return {base.name: base for base in self.bases}

    @cached_property
    def writers(self) -> dict[str, frozenset[int]]:
        """The nodes that write each base."""
        return {b.name: frozenset(k for k, n in enumerate(self.nodes) if n.writes == b.name) for b in self.bases}

    @cached_property
    def readers(self) -> dict[str, frozenset[int]]:
        """The nodes that read each base."""
        return {b.name: frozenset(k for k, n in enumerate(self.nodes) if b.name in n.reads) for b in self.bases}

    def leaving(self, nodes: frozenset[int]) -> frozenset[str]:
        """The bases that some nodes write and that are needed elsewhere; all others they write are inner."""
        return frozenset(
            base
            for base in {self.nodes[k].writes for k in nodes}
            if self.base[base].wanted or not self.readers[base] | self.writers[base] <= nodes
        )


def graph_of(placed: PlacedNetwork, arch: Accelerator) -> Graph:
    """The graph of a placed network. On a machine whose scratchpad has partitions every operator is alone."""
    network = placed.network
    executed = [op for op in network.operators if executed_parts(placed, op)]
    number = {operator.name: k for k, operator in enumerate(executed)}
    nodes, before = [], []
    for operator in executed:
        parts = executed_parts(placed, operator)
        read: dict[str, None] = {}
        products = False
        for part in parts:
            for operand in part.nest.inputs:
                if not is_packed(placed, part, operand) and not network.by_name[part.tensor(operand.name)].constant:
                    read[placed.of[part.tensor(operand.name)].base] = None
                    products |= operand.role == "weight"
        work = parts[0].nest.work
        whole = len(parts) > 1 or products or (work is not None and work.kind != "map")
        base = placed.of[operator.output].base
        nodes.append(
            Node(
                operator.name,
                tuple(read),
                base,
                alone=whole or base in read or bool(arch.scratchpad.partitions),
                over=_over(placed, operator.name, tuple(read)) if not whole else (),
            )
        )
        before.append(frozenset(number[p] for p in _producers(placed, operator.reads)))
    sizes = dict(placed.bases)
    outputs = {placed.of[name].base for name in network.outputs}
    mixed = {node.writes for node in nodes if node.writes in node.reads}
    nodes = [replace(node, reads=tuple(b for b in node.reads if b != node.writes)) for node in nodes]
    used = dict.fromkeys(base for node in nodes for base in (*node.reads, node.writes))
    bases = tuple(
        Base(
            name,
            NEVER if name in mixed else aligned(-(-sizes[name] * arch.widths.output // 8), arch.alignment_bytes),
            given=name in network.inputs,
            wanted=name in outputs,
        )
        for name in used
    )
    return Graph(tuple(nodes), bases, tuple(before))


def _producers(placed: PlacedNetwork, tensors: tuple[str, ...]) -> frozenset[str]:
    """The executed operators that write what these tensors hold, through views."""
    found: set[str] = set()
    todo = list(tensors)
    while todo:
        operator = placed.network.producer.get(todo.pop())
        if operator is None:
            continue
        if operator.name in placed.views or operator.kind == "Concat":
            todo += operator.inputs
        if operator.name not in placed.views and executed_parts(placed, operator):
            found.add(operator.name)
    return frozenset(found)


def _over(placed: PlacedNetwork, name: str, reads: tuple[str, ...]) -> tuple[str, ...]:
    """Bases of inputs whose every element an elementwise operator replaces by the result at the same place."""
    network = placed.network
    operator = network.operator[name]
    if operator.kind != "Elementwise":
        return ()
    out = placed.of[operator.output]
    sizes = dict(placed.bases)
    found = []
    for tensor in operator.inputs:
        mine = placed.of.get(tensor)
        if mine is None or mine.base not in reads or mine.base == out.base or network.by_name[tensor].constant:
            continue
        alike = network.shape(tensor) == network.shape(operator.output)
        if alike and (mine.strides, mine.offset) == (out.strides, out.offset) and sizes[mine.base] == sizes[out.base]:
            found.append(mine.base)
    return tuple(dict.fromkeys(found))
