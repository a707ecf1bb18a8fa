"""Accelerator files: YAML to ``Accelerator``, every problem of a file reported at once with line and column."""

from __future__ import annotations

import difflib
from fractions import Fraction
from pathlib import Path
from typing import Literal, cast

import yaml

from tilewright.arch.accelerator import ROLES, Accelerator, Array, Memory, OperandRole, VectorUnit, Widths
from tilewright.arch.check import Level, check_memories
from tilewright.arch.located import MOST_BYTES, Problems, compose
from tilewright.arch.section import Section, nearest
from tilewright.arch.units import BANDWIDTH, BYTES, CLOCK, CYCLES, ENERGY, ENERGY_PER_BYTE, POWER
from tilewright.errors import InputError

_CATALOG = Path(__file__).parent / "catalog"
_MOST_POSITIONS = 1 << 20
_MOST_SETUP = 10**9  # cycles


def catalog() -> tuple[str, ...]:
    """Names of the machines that are shipped.

    >>> "simba" in catalog()
    True
    """
    return tuple(sorted(path.stem for path in _CATALOG.glob("*.yaml")))


def load_arch(source: str | Path) -> Accelerator:
    """The accelerator of that shipped name, or of the YAML file at that path (a shipped name wins).

    Raises InputError with one sentence per problem, each beginning with ``file:line:column:``.

    >>> load_arch("simba").scratchpad.size_bytes
    65536
    """
    if isinstance(source, str) and source in catalog():
        return parse_arch((_CATALOG / f"{source}.yaml").read_bytes(), f"{source}.yaml", source)
    path = Path(source)
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(_not_found(source, path)) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"{source}: the accelerator file cannot be read: {reason}") from None
    return parse_arch(data, str(source), str(source))


def parse_arch(data: bytes, label: str, source: str = "") -> Accelerator:
    """The accelerator that the bytes of a file describe; ``label`` stands for the file in messages.

    >>> parse_arch(b"name: x", "x.yaml")
    Traceback (most recent call last):
    tilewright.errors.InputError: x.yaml:1:1: the accelerator lacks 'array', for instance 'array: {axes: {mac: 256}}'
    x.yaml:1:1: the accelerator lacks 'clock', for instance 'clock: 1 GHz'
    x.yaml:1:1: the accelerator lacks 'memories', for instance 'memories: [{name: dram}, ...]'
    x.yaml:1:1: the accelerator lacks 'vector', for instance 'vector: {lanes: 16, energy: 0.1 pJ}'
    """
    problems = Problems(label)
    root = compose(data, problems)
    accelerator = _accelerator(Section(problems, root, "the accelerator"), source) if root is not None else None
    if problems or accelerator is None:
        raise InputError(problems.listed())
    return accelerator


def _not_found(source: str | Path, path: Path) -> str:
    """A sentence about a source that is neither a machine nor a file, with the nearest of what there is."""
    if isinstance(source, str) and path.suffix not in (".yaml", ".yml") and path.name == source:
        return f"no shipped machine and no file is called '{source}'{nearest(source, catalog())}"
    folder = path.parent
    if not folder.is_dir():
        return f"{source}: there is no folder '{folder}'"
    close = difflib.get_close_matches(path.name, [p.name for p in folder.glob("*.y*ml")], n=1)
    machine = difflib.get_close_matches(path.stem, catalog(), n=1)
    hint = f"; did you mean '{folder / close[0]}'?" if close else ""
    hint = hint or (f"; did you mean the shipped machine '{machine[0]}'?" if machine else "")
    return f"{source}: there is no such accelerator file{hint}"


def _accelerator(top: Section, source: str) -> Accelerator:
    """The whole file; where something is wrong, the problem is noted and a stand-in takes its place."""
    name = top.name("name", required="my-npu")
    clock = top.quantity("clock", CLOCK, positive=True, required="1 GHz")
    widths = _widths(top)
    timing = top.choice("timing", ("pipelined", "roofline"), "pipelined")
    buffering = top.choice("buffering", ("double", "single"), "double")
    layout = top.choice("layout", ("nhwc", "nchw"), "nhwc")
    alignment = top.whole("alignment", BYTES, positive=True) or 1
    array, axes = _array(top)
    levels = [_level(top, node, i, axes) for i, node in enumerate(top.items("memories", "[{name: dram}, ...]"))]
    if levels and all(level.section.values for level in levels):
        check_memories(top, levels, widths, alignment)
    vector = _vector(top)
    leakage = top.quantity("leakage", POWER, positive=False)
    top.finish()
    return Accelerator(
        name=name or "",
        clock_hz=clock or Fraction(1),
        memories=tuple(level.memory for level in levels),
        array=array,
        vector=vector,
        widths=widths,
        timing=cast(Literal["pipelined", "roofline"], timing),
        buffering=cast(Literal["double", "single"], buffering),
        layout=cast(Literal["nhwc", "nchw"], layout),
        alignment_bytes=alignment,
        leakage_mw=float(leakage or 0),
        source=source,
    )


def _widths(top: Section) -> Widths:
    section = top.section("widths", "widths")
    default = Widths()
    bits = {kind: section.integer(kind, 1, 64) for kind in (*ROLES, "accumulator")}
    section.finish()
    return Widths(**{kind: value or getattr(default, kind) for kind, value in bits.items()})


def _array(top: Section) -> tuple[Array, tuple[str, ...] | None]:
    """The array, and the names of its axes; None for these where they could not be read."""
    section = top.section("array", "the array", required="{axes: {mac: 256}}")
    sizes = section.section("axes", "axes", required="{mac: 256}" if section.present else "")
    axes = [(axis, sizes.integer(axis, 1, _MOST_POSITIONS) or 1) for axis in sizes.values]
    for axis, node in sizes.keys.items():
        if not (axis.isascii() and axis.isidentifier()):
            sizes.fault(node, f"'{axis}' is no name for an axis: letters, digits and '_', beginning with a letter")
    if sizes.present and not axes and section.sound("axes"):
        section.fault(sizes.node, "the array needs at least one axis, for instance 'axes: {mac: 256}'")
    known = tuple(axis for axis, _ in axes) if axes else None
    unroll = section.section("unroll", "unroll")
    for axis, node in unroll.keys.items():
        if known is not None and axis not in known:
            unroll.fault(node, f"unroll: unknown axis '{axis}'{nearest(axis, known)}")
    array = Array(
        axes=tuple(axes),
        unroll=tuple((axis, unroll.words(axis, "dimension", None) or ()) for axis in unroll.values),
        multicast=section.words("multicast", "axis", known) or (),
        reduce=section.words("reduce", "axis", known) or (),
        link_pj=float(section.quantity("link", ENERGY_PER_BYTE, positive=False) or 0),
        mac_pj=_mac_energy(section),
    )
    section.finish()
    if array.size > _MOST_POSITIONS and not top.problems.within(sizes.node):
        section.fault(sizes.node, f"the array has {array.size} positions; at most {_MOST_POSITIONS} are supported")
    return array, known


def _mac_energy(array: Section) -> float:
    mac = array.section("mac", "mac")
    energy = mac.quantity("energy", ENERGY, positive=False)
    mac.finish()
    return float(energy or 0)


def _vector(top: Section) -> VectorUnit:
    section = top.section("vector", "the vector unit", required="{lanes: 16, energy: 0.1 pJ}")
    present = section.present
    lanes = section.integer("lanes", 1, 1 << 30, required="16" if present else "")
    energy = section.quantity("energy", ENERGY, positive=False, required="0.1 pJ" if present else "")
    section.finish()
    return VectorUnit(lanes=lanes or 1, operation_pj=float(energy or 0))


def _level(top: Section, node: yaml.Node, index: int, axes: tuple[str, ...] | None) -> Level:
    """One memory; the first one is the backing store, whose size may be left out."""
    section = Section(top.problems, node, f"memory {index + 1}")
    readable = bool(section.values)
    name = section.name("name", required="glb" if readable else "")
    section.what = f"memory '{name}'" if name else section.what
    size = section.whole("size", BYTES, positive=True, required="64 KiB" if index and readable else "")
    keeps = section.words("keeps", "operand", ROLES)
    may_keep = section.words("may_keep", "operand", ROLES)
    read, write, shared = _bandwidth(section)
    energy = section.section("energy", f"energy of {section.what}")
    read_pj, write_pj = (float(energy.quantity(k, ENERGY_PER_BYTE, positive=False) or 0) for k in ("read", "write"))
    energy.finish()
    memory = Memory(
        name=name or "",
        size_bytes=size,
        keeps=cast(tuple[OperandRole, ...], ROLES if keeps is None else keeps),
        may_keep=cast(tuple[OperandRole, ...], may_keep or ()),
        per=section.words("per", "axis", axes) or (),
        read_bandwidth=read,
        write_bandwidth=write,
        shared_port=shared,
        read_pj=read_pj,
        write_pj=write_pj,
        setup_cycles=section.whole("setup", CYCLES, positive=False, most=_MOST_SETUP) or 0,
        double_buffered=section.flag("double_buffered"),
        scratchpad=section.flag("scratchpad"),
        partitions=_partitions(section),
    )
    section.finish()
    return Level(memory, section)


def _bandwidth(section: Section) -> tuple[Fraction | None, Fraction | None, bool]:
    """Read and write bandwidth in bytes per cycle, and whether both share one port; None means unlimited."""
    if not isinstance(section.values.get("bandwidth"), yaml.MappingNode):
        both = section.rate("bandwidth", BANDWIDTH)
        return both, both, True
    ports = section.section("bandwidth", f"bandwidth of {section.what}")
    read = ports.rate("read", BANDWIDTH, required="16 B/cycle")
    write = ports.rate("write", BANDWIDTH, required="16 B/cycle")
    ports.finish()
    return read, write, False


def _partitions(section: Section) -> tuple[tuple[str, int], ...]:
    parts = section.section("partitions", f"partitions of {section.what}")
    sizes = [(kind, parts.whole(kind, BYTES, positive=True)) for kind in (*ROLES, "other")]
    parts.finish()
    return tuple((kind, size) for kind, size in sizes if size is not None)
