"""What goes into a set of nodes and what comes out of it, and whether the set may run as one group."""

from __future__ import annotations

from tilewright.schedule.graph import Graph
from tilewright.schedule.offers import Residency


def entering(graph: Graph, nodes: frozenset[int]) -> frozenset[str]:
    """The bases that the nodes read and none of them writes (docs/model.md, 9)."""
    return frozenset(base for k in nodes for base in graph.nodes[k].reads) - written(graph, nodes)


def written(graph: Graph, nodes: frozenset[int]) -> frozenset[str]:
    """The bases that the nodes write, inner ones too."""
    return frozenset(graph.nodes[k].writes for k in nodes)


def through_dram(graph: Graph, nodes: frozenset[int]) -> Residency:
    """Nothing is on chip before the group or after it."""
    return Residency(stored=graph.leaving(nodes))


def may_share(graph: Graph, nodes: frozenset[int]) -> bool:
    """Whether nothing but their shape and their offers keeps these nodes from being a group (docs/model.md, 8).

    Of several nodes none is ``alone``, and no base is read that they write together with nodes elsewhere.
    """
    if len(nodes) == 1:
        return True
    read = {base for k in nodes for base in graph.nodes[k].reads}
    return not any(graph.nodes[k].alone for k in nodes) and all(
        graph.writers[base] <= nodes for base in written(graph, nodes) & read
    )


def joins(graph: Graph, last: int, node: int) -> bool:
    """Whether a node continues a chain: what the last one writes, it alone writes, and this node alone reads it.

    >>> from tilewright.schedule.graph import Base, Node
    >>> bases = (Base("in", 8, given=True), Base("a", 8), Base("b", 8, wanted=True))
    >>> nodes = (Node("one", ("in",), "a"), Node("two", ("a",), "b"))
    >>> joins(Graph(nodes, bases, (frozenset(), frozenset({0}))), 0, 1)
    True
    """
    base = graph.nodes[last].writes
    only = graph.writers[base] == {last} and graph.readers[base] == {node} and not graph.base[base].wanted
    return only and not graph.nodes[last].alone and not graph.nodes[node].alone
