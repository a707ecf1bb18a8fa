"""YAML text as a tree of nodes that know their line and column, with bounds that a hostile file cannot cross."""

from __future__ import annotations

import re

import yaml

from tilewright.arch.units import shorten

MOST_BYTES = 1 << 20
MOST_NODES = 20_000

_TAB = re.compile(r"^[^#'\"]*\t")


class Problems:
    """What is wrong with one file, each with its line and column (both from 1), said in the order of the file."""

    def __init__(self, label: str) -> None:
        self.label = label
        self._found: set[tuple[int, int, str]] = set()

    def add(self, where: yaml.Node | yaml.Mark, text: str) -> None:
        """Note a problem at a node or a mark of the file."""
        mark = where.start_mark if isinstance(where, yaml.Node) else where
        self.add_at(mark.line + 1, mark.column + 1, text)

    def add_at(self, line: int, column: int, text: str) -> None:
        """Note a problem at a line and column; what the file smuggled into the sentence is made printable."""
        printable = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
        self._found.add((line, column, printable))

    def within(self, node: yaml.Node) -> bool:
        """Whether a problem was noted at the node or inside it."""
        start, end = ((m.line + 1, m.column + 1) for m in (node.start_mark, node.end_mark))
        return any((line, column) == start or start <= (line, column) < end for line, column, _ in self._found)

    def __bool__(self) -> bool:
        return bool(self._found)

    def listed(self) -> tuple[str, ...]:
        """All problems as ``file:line:column: sentence``."""
        return tuple(f"{self.label}:{line}:{column}: {text}" for line, column, text in sorted(self._found))


def compose(data: bytes, problems: Problems) -> yaml.MappingNode | None:
    """The mapping that the file holds; None, with the problems noted, where it holds none.

    >>> problems = Problems("a.yaml")
    >>> compose(b"[1, 2]", problems)
    >>> problems.listed()
    ("a.yaml:1:1: an accelerator file is a mapping that begins like 'name: my-npu', this is a list",)
    """
    text = _decode(data, problems)
    if text is None:
        return None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        _syntax(text, error, problems)
        return None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # The last two come from escapes and version numbers out of range, which the parser passes on unchecked.
        problems.add_at(1, 1, f"this is not YAML: {str(error).splitlines()[0]}")
        return None
    except RecursionError:
        problems.add_at(1, 1, "lists or mappings are nested too deeply for an accelerator file")
        return None
    if root is None:
        problems.add_at(1, 1, "the file is empty; an accelerator file begins like 'name: my-npu'")
    elif not isinstance(root, yaml.MappingNode):
        problems.add(root, f"an accelerator file is a mapping that begins like 'name: my-npu', this is {kind_of(root)}")
    elif not _within_bounds(root):
        problems.add_at(1, 1, f"anchors and aliases make the file hold more than {MOST_NODES} values; write them out")
    else:
        return root
    return None


def kind_of(node: yaml.Node) -> str:
    """What a node is, in words: 'a list', 'a mapping', 'empty' or the text of the scalar in quotes."""
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    return f"'{shorten(node.value)}'" if node.value else "empty"


def _decode(data: bytes, problems: Problems) -> str | None:
    if len(data) > MOST_BYTES:
        problems.add_at(1, 1, f"the file has {len(data)} bytes; an accelerator file has at most {MOST_BYTES}")
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1
        problems.add_at(line, column, f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8 text")
        return None


def _syntax(text: str, error: yaml.MarkedYAMLError, problems: Problems) -> None:
    """Note what the parser says; tabs, its most puzzling complaint, are named wherever they stand."""
    if "'\\t'" in (error.problem or "") or "'\\t'" in (error.context or ""):
        for number, line in enumerate(text.splitlines(), start=1):
            if _TAB.match(line):
                problems.add_at(number, line.index("\t") + 1, "a tab stands here; YAML is laid out with spaces only")
    if not problems:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(filter(None, (error.context, error.problem)))
        problems.add_at(mark.line + 1 if mark else 1, mark.column + 1 if mark else 1, f"this is not YAML: {said}")


def _within_bounds(root: yaml.Node) -> bool:
    """Whether the tree, with every alias written out, has at most MOST_NODES nodes (one that holds itself has more)."""
    waiting, seen = [root], 0
    while waiting and seen <= MOST_NODES:
        node = waiting.pop()
        seen += 1
        if isinstance(node, yaml.MappingNode):
            waiting += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
    return seen <= MOST_NODES
