"""Reading evaluations, optima and layers of dMazeRunner from JSON. The files may come from anyone.

Layers, points and answers are descriptive records: keys that are not known are left alone there. In the machine and in
a tiling every key means something, and an unknown one is an error.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tilewright.errors import InputError
from tilewright.mapping.published.dmazerunner import (
    DIMS,
    GEMM_DIMS,
    PUBLISHED,
    Layer,
    Machine,
    Tiling,
    Vector,
    conv,
    gemm,
    machine_faults,
)

MOST_BYTES = 32 * 2**20
MOST_ENTRIES = 20_000
MOST_PROBLEMS = 20
MOST_EXTENT = 2**24
MOST_MACS = 2**50
TYPES = {"ConvLayer": "conv", "DWConvLayer": "depthwise", "GemmLayer": "gemm"}
LEVELS = {"DRAM": "dram", "SPM": "spm", "RF": "rf", "Spatial": "spatial"}
PARTS = {"MAC": "mac", "RF": "rf", "NoC": "noc", "SPM": "spm", "DRAM": "dram"}
DETAILS = {
    "data_type_size_in_bytes": "element_bytes",
    "dma_init_cycles": "dma_init_cycles",
    "dma_cycles_per_byte": "dma_cycles_per_byte",
    "dma_frequency": "dma_mhz",
    "dataflow_accel_frequency": "array_mhz",
    "rf_energy": "rf_pj",
    "communication_energy": "noc_pj",
    "spm_energy": "spm_pj",
    "dram_energy": "dram_pj",
    "mac_energy": "mac_pj",
}
BASICS = {
    "CGRA_SIZE": "pes",
    "RF_SIZE": "rf_bytes",
    "BYTES_PER_DATA": "element_bytes",
    "TOTAL_BANKS_IN_SPM": "banks",
    "TOTAL_BYTES_IN_BANK": "bank_bytes",
}


@dataclass(frozen=True)
class Claim:
    """Cycles and energy in pJ that somebody else found, and his CPU seconds where known."""

    cycles: int
    energy_pj: int
    cpu_seconds: float | None = None

    @property
    def edp(self) -> int:
        return self.cycles * self.energy_pj


@dataclass(frozen=True)
class Point:
    """An evaluation: a tiling with its orders (outermost first), and what it costs; ``parts`` in pJ."""

    where: str
    layer: Layer
    tiling: Tiling
    dram_order: tuple[int, ...]
    spm_order: tuple[int, ...]
    claim: Claim
    parts: tuple[tuple[str, float], ...]
    edp: float | None


@dataclass(frozen=True)
class ListedOptimum:
    """The best that somebody else found of a layer for an objective."""

    where: str
    layer: Layer
    objective: str
    claim: Claim


@dataclass(frozen=True)
class ListedLayer:
    """A layer of a network, and what the original search answered, where that is known."""

    where: str
    network: str
    layer: Layer
    original: Claim | None


@dataclass(frozen=True)
class PointsFile:
    """A file of evaluations and optima."""

    machine: Machine
    points: tuple[Point, ...]
    optima: tuple[ListedOptimum, ...]


class _FaultError(Exception):
    """Something is wrong at a place of the file."""


def read_points(path: Path) -> PointsFile:
    """The evaluations and optima of a file; InputError with every problem and its place."""
    document = _load(path)
    problems: list[str] = []
    machine = _collect(problems, path, "arch", lambda where: _machine(document.get("arch", {}), where)) or PUBLISHED
    points: list[Point] = []
    optima: list[ListedOptimum] = []
    if "points" not in document and "optima_of_the_same_model" not in document:
        problems.append(f"{path}: neither 'points' nor 'optima_of_the_same_model' is there; a file of points has them")
    for place, entry in _entries(document.get("points", []), "points", path, problems):
        point = _collect(problems, path, place, lambda where, entry=entry: _point(entry, where))
        points += [point] if point else []
    listed = document.get("optima_of_the_same_model", {})
    if not isinstance(listed, dict):
        problems.append(f"{path}: optima_of_the_same_model: an object with 'layers' is needed, not {_kind(listed)}")
        listed = {}
    place = "optima_of_the_same_model.layers"
    for where, entry in _entries(listed.get("layers", []), place, path, problems):
        optima += _collect(problems, path, where, lambda at, entry=entry: _optima(entry, at)) or []
    _raise(problems)
    return PointsFile(machine, tuple(points), tuple(optima))


def read_layers(path: Path) -> tuple[ListedLayer, ...]:
    """The layers of a file, by network; InputError with every problem and its place."""
    document = _load(path)
    problems: list[str] = []
    found = []
    networks = {name: value for name, value in document.items() if isinstance(value, list)}
    if not networks:
        problems.append(f"{path}: no list of layers is there; one per network is needed, under the network's name")
    for network, entries in networks.items():
        for where, entry in _entries(entries, network, path, problems):
            layer = _collect(
                problems, path, where, lambda at, entry=entry, network=network: _listed(entry, network, at)
            )
            found += [layer] if layer else []
    _raise(problems)
    return tuple(found)


def _load(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path}: {path.stat().st_size:,} bytes; files of up to {MOST_BYTES:,} are read")
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise InputError(f"{path}: a JSON object is needed, not {_kind(document)}")
    return document


def _raise(problems: list[str]) -> None:
    if len(problems) > MOST_PROBLEMS:
        problems[MOST_PROBLEMS:] = [f"... and {len(problems) - MOST_PROBLEMS} more problems"]
    if problems:
        raise InputError(problems)


def _collect(problems: list[str], path: Path, where: str, read: Any) -> Any:
    """What is read, or None and a problem more."""
    try:
        return read(where)
    except _FaultError as fault:
        problems.append(f"{path}: {fault}")
        return None


def _entries(value: Any, where: str, path: Path, problems: list[str]) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, list):
        problems.append(f"{path}: {where}: a list is needed, not {_kind(value)}")
        return
    if len(value) > MOST_ENTRIES:
        problems.append(f"{path}: {where}: {len(value):,} entries; up to {MOST_ENTRIES:,} are read")
        return
    for index, entry in enumerate(value):
        yield f"{where}[{index}]", entry


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _get(record: Any, key: str, where: str) -> Any:
    if not isinstance(record, dict):
        raise _FaultError(f"{where}: an object is needed, not {_kind(record)}")
    if key not in record:
        raise _FaultError(f"{where}: '{key}' is missing")
    return record[key]


def _whole(value: Any, where: str, least: int = 1, most: int = MOST_EXTENT) -> int:
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not good or value != int(value) or not least <= value <= most:
        shown = value if good else _kind(value)
        raise _FaultError(f"{where}: a whole number from {least:,} to {most:,} is needed, not {shown}")
    return int(value)


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _FaultError(f"{where}: a number is needed, not {_kind(value)}")
    try:
        if math.isfinite(float(value)):
            return float(value)
    except OverflowError:
        pass
    raise _FaultError(f"{where}: a number is needed that is not infinite")


def _unknown(record: dict[str, Any], known: Iterator[str] | Any, where: str) -> None:
    names = list(known)
    for key in record:
        if key not in names:
            near = difflib.get_close_matches(key, names, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(names)}"
            raise _FaultError(f"{where}: unknown key '{key}'; {hint}")


def _machine(record: Any, where: str) -> Machine:
    values: dict[str, Any] = {}
    if not isinstance(record, dict):
        raise _FaultError(f"{where}: an object is needed, not {_kind(record)}")
    _unknown(record, ("arch_details", "arch_basic"), where)
    for section, names in (("arch_details", DETAILS), ("arch_basic", BASICS)):
        place, own = f"{where}.{section}", record.get(section, {})
        if not isinstance(own, dict):
            raise _FaultError(f"{place}: an object is needed, not {_kind(own)}")
        own = dict(own)
        if own.pop("pe_pipelined", True) is not True:
            raise _FaultError(
                f"{place}.pe_pipelined: only true is modelled; the original has no numbers for false either"
            )
        own.pop("pe_pipeline_stages", None)  # It enters no formula.
        _unknown(own, names, place)
        for key, value in own.items():
            name = names[key]
            counted = isinstance(getattr(PUBLISHED, name), int) and name not in ("dma_init_cycles", "dma_mhz")
            whole = counted and not name.endswith(("_pj", "_mhz"))
            read = _whole(value, f"{place}.{key}", 1, 2**31) if whole else _number(value, f"{place}.{key}")
            if values.setdefault(name, read) != read:
                raise _FaultError(f"{place}.{key}: {read}, and {values[name]} elsewhere in {where}; they must agree")
    machine = dataclasses.replace(PUBLISHED, **values)
    if wrong := machine_faults(machine):
        raise _FaultError(f"{where}: {wrong[0]}")
    return machine


def _layer(record: Any, where: str) -> Layer:
    dims = _get(record, "dims", where)
    if not isinstance(dims, dict):
        raise _FaultError(f"{where}.dims: an object is needed, not {_kind(dims)}")
    kind = TYPES.get(str(record.get("type", "GemmLayer" if set(dims) == set(GEMM_DIMS) else "ConvLayer")))
    if kind is None:
        raise _FaultError(f"{where}.type: one of {', '.join(TYPES)} is needed, not {record['type']!r}")
    name = str(record.get("name", where))
    names = tuple(GEMM_DIMS) if kind == "gemm" else DIMS
    _unknown(dims, names, f"{where}.dims")
    extents = {dim: _whole(_get(dims, dim, f"{where}.dims"), f"{where}.dims.{dim}") for dim in names}
    if math.prod(extents.values()) > MOST_MACS:
        raise _FaultError(f"{where}.dims: {math.prod(extents.values()):,} MACs; up to {MOST_MACS:,} are read")
    if kind == "gemm":
        return gemm(name, extents["X"], extents["Y"], extents["K"])
    n, m, c, ox, oy, fx, fy = (extents[dim] for dim in DIMS)
    if kind == "depthwise" and m != 1:
        raise _FaultError(f"{where}.dims.M: {m}; a depthwise layer has its channels in C, and M is 1")
    stride = _whole(_get(record, "stride", where), f"{where}.stride")
    padded = _padded(record, where)
    touched = (max(ox, oy) - 1) * stride + max(fx, fy)
    layer = conv(name, (n, m, c, ox, oy, fx, fy), stride, touched if padded is None else padded, kind)
    if layer.padded < touched:
        raise _FaultError(f"{where}: the padded input has {layer.padded} rows, and the outputs touch {touched}")
    return layer


def _padded(record: dict[str, Any], where: str) -> int | None:
    for key in ("padded_input_size", "padded_in"):
        if record.get(key) is not None:
            return _whole(record[key], f"{where}.{key}")
    if record.get("input_shape") is None:
        return None
    shape = record["input_shape"]
    if not isinstance(shape, list) or len(shape) != 4:
        raise _FaultError(f"{where}.input_shape: four extents, N C Ix Iy, are needed")
    sides = [_whole(side, f"{where}.input_shape[{place}]") for place, side in enumerate(shape)][2:]
    if sides[0] != sides[1]:
        raise _FaultError(f"{where}.input_shape: {sides[0]} by {sides[1]}; the model is of square inputs")
    return sides[0] + 2 * _whole(record.get("padding") or 0, f"{where}.padding", 0)


def _vector(values: Any, names: tuple[str, ...], gemm_names: bool, where: str) -> Vector:
    if not isinstance(values, list) or len(values) != len(names):
        raise _FaultError(f"{where}: a list of {len(names)} trip counts ({', '.join(names)}) is needed")
    by = dict.fromkeys(DIMS, 1)
    for name, value in zip(names, values, strict=True):
        by[GEMM_DIMS[name] if gemm_names else name] = _whole(value, f"{where}.{name}")
    n, m, c, ox, oy, fx, fy = (by[dim] for dim in DIMS)
    return n, m, c, ox, oy, fx, fy


def _order(values: Any, names: tuple[str, ...], gemm_names: bool, trips: Vector, where: str) -> tuple[int, ...]:
    """Dimensions outermost first; those of one trip may be missing."""
    if (
        not isinstance(values, list)
        or len(set(map(str, values))) != len(values)
        or not set(map(str, values)) <= {*names}
    ):
        raise _FaultError(f"{where}: a list of {', '.join(names)}, each at most once, is needed")
    found = [DIMS.index(GEMM_DIMS[name] if gemm_names else name) for name in values]
    rest = [dim for dim in range(7) if dim not in found]
    if missing := [DIMS[dim] for dim in rest if trips[dim] > 1]:
        raise _FaultError(f"{where}: {', '.join(missing)} has more than one trip and is missing")
    return (*rest, *found)


def _claim(record: Any, where: str, least: int = 0) -> Claim:
    cycles = _whole(_get(record, "cycles", where), f"{where}.cycles", least, 2**80)
    energy = _whole(_get(record, "energy_pJ", where), f"{where}.energy_pJ", least, 2**80)
    seconds = record.get("cpu_seconds")
    return Claim(cycles, energy, None if seconds is None else _number(seconds, f"{where}.cpu_seconds"))


def _point(record: Any, where: str) -> Point:
    layer = _layer(_get(record, "layer", where), f"{where}.layer")
    own, place = _get(record, "tiling", where), f"{where}.tiling"
    is_gemm = layer.kind == "gemm"
    names = tuple(GEMM_DIMS) if is_gemm else DIMS
    if not isinstance(own, dict):
        raise _FaultError(f"{place}: an object is needed, not {_kind(own)}")
    _unknown(own, ("order", *LEVELS), place)
    listed = own.get("order", list(names))
    if not isinstance(listed, list) or sorted(map(str, listed)) != sorted(names):
        raise _FaultError(f"{place}.order: {', '.join(names)} in some order is needed")
    by_level = {
        name: _vector(_get(own, level, place), tuple(listed), is_gemm, f"{place}.{level}")
        for level, name in LEVELS.items()
    }
    tiling = Tiling(**by_level)
    for dim, whole, bound in zip(DIMS, tiling.bounds, layer.bounds, strict=True):
        if whole != bound:
            raise _FaultError(f"{place}: the trip counts of {dim} multiply to {whole}, and the layer has {bound}")
    orders = [
        _order(_get(record, key, where), names, is_gemm, trips, f"{where}.{key}")
        for key, trips in (("dram_order", tiling.dram), ("spm_order", tiling.spm))
    ]
    parts = record.get("energy_breakdown", {})
    if not isinstance(parts, dict):
        raise _FaultError(f"{where}.energy_breakdown: an object is needed, not {_kind(parts)}")
    _unknown(parts, PARTS, f"{where}.energy_breakdown")
    energies = tuple((PARTS[key], _number(pj, f"{where}.energy_breakdown.{key}")) for key, pj in parts.items())
    edp = None if record.get("edp") is None else _number(record["edp"], f"{where}.edp")
    return Point(where, layer, tiling, orders[0], orders[1], _claim(record, where), energies, edp)


def _optima(record: Any, where: str) -> list[ListedOptimum]:
    layer = _layer(record, where)
    own, place = _get(record, "exhaustive", where), f"{where}.exhaustive"
    if not isinstance(own, dict):
        raise _FaultError(f"{place}: an object is needed, not {_kind(own)}")
    known = [objective for objective in ("edp", "cycles", "energy") if f"min_{objective}" in own]
    if not known:
        raise _FaultError(f"{place}: one of min_edp, min_cycles, min_energy is needed")
    claims = [(o, f"{place}.min_{o}") for o in known]
    return [ListedOptimum(at, layer, o, _claim(own[f"min_{o}"], at)) for o, at in claims]


def _listed(record: Any, network: str, where: str) -> ListedLayer:
    layer = _layer(record, where)
    answer = record.get("original_search")
    original = None if answer is None else _claim(answer, f"{where}.original_search", 1)
    return ListedLayer(where, network, layer, original)
