"""Reading an ONNX file: bytes to a checked ``ModelProto``, without touching the files that hold external weights."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from tilewright.errors import InputError

if TYPE_CHECKING:
    import onnx

OLDEST_OPSET = 7
LARGEST_FILE_BYTES = 2**31


@dataclass(frozen=True)
class ModelFile:
    """A parsed model: the path as the user wrote it, its hash, and the version of the standard operators it uses."""

    path: Path
    label: str
    sha256: str
    model: onnx.ModelProto
    opset: int

    @property
    def folder(self) -> Path:
        """The folder that external weights have to lie in."""
        return self.path.parent


def read_model(path: Path, label: str) -> ModelFile:
    """Parse a model file; one InputError says what is wrong with it, external weights stay unread.

    Functions that the file defines itself are replaced by their bodies.
    """
    data = _read_bytes(path, label)
    model = _parse(data, label)
    opset = _opset(model, label)
    if model.functions:
        from onnx import inliner

        model = inliner.inline_local_functions(model)
    return ModelFile(path, label, hashlib.sha256(data).hexdigest(), model, opset)


def _read_bytes(path: Path, label: str) -> bytes:
    try:
        if path.is_dir():
            raise InputError(f"{label}: is a folder; name the .onnx file inside it")
        size = path.stat().st_size
        if size > LARGEST_FILE_BYTES:
            raise InputError(
                f"{label}: has {size} bytes, and an ONNX file may have at most {LARGEST_FILE_BYTES}; "
                "save the model with external data"
            )
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{label}: no such file") from None
    except OSError as error:
        raise InputError(f"{label}: cannot be read: {error.strerror}") from None
    if not data:
        raise InputError(f"{label}: is empty; an ONNX model was needed")
    return data


def _check_names(graph: onnx.GraphProto, label: str) -> None:
    """Names come as bytes where they are no text."""
    names = [name for node in graph.node for name in (node.name, node.op_type, *node.input, *node.output)]
    names += [one.name for one in (*graph.input, *graph.output, *graph.initializer, *graph.value_info)]
    for name in names:
        if isinstance(name, bytes):
            raise InputError(f"{label}: the name {name[:40]!r} in it is no UTF-8 text: the file is damaged")


def _parse(data: bytes, label: str) -> onnx.ModelProto:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load_model_from_string(data)
    except (DecodeError, ValueError):
        raise InputError(
            f"{label}: its {len(data)} bytes are not an ONNX model: the file is truncated or of another format"
        ) from None
    _check_names(model.graph, label)
    if not model.HasField("graph") or not (model.graph.node or model.graph.output):
        raise InputError(f"{label}: holds no graph: the file is truncated or of another format")
    return model


def _opset(model: onnx.ModelProto, label: str) -> int:
    import onnx

    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if not versions:
        raise InputError(f"{label}: names no operator set version; the file is truncated, or must be exported again")
    opset, newest = int(max(versions)), onnx.defs.onnx_opset_version()
    if opset < OLDEST_OPSET:
        raise InputError(
            f"{label}: uses operator set {opset}, and the oldest one supported is {OLDEST_OPSET}; "
            "convert it with onnx.version_converter"
        )
    if opset > newest:
        raise InputError(
            f"{label}: uses operator set {opset}, and the newest one that the installed onnx knows is {newest}; "
            "upgrade onnx, or export for an older operator set"
        )
    return opset


def is_external(tensor: onnx.TensorProto) -> bool:
    """Whether the numbers of an initializer are in another file."""
    import onnx

    return bool(tensor.data_location == onnx.TensorProto.EXTERNAL)


def has_data(tensor: onnx.TensorProto) -> bool:
    """Whether an initializer that claims elements holds any numbers (stripped files keep only the shape)."""
    fields = ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data")
    return any(len(getattr(tensor, field)) for field in fields)


def read_external(tensor: onnx.TensorProto, folder: Path, label: str) -> bytes:
    """The raw bytes of an initializer kept in another file, which must lie within the model's folder.

    Raises InputError if the location leaves the folder, the file is missing, or is too short.
    """
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location: str = entries.get("location", "")
    where = f"{label}: external weights of '{tensor.name}'"
    windows, posix = PureWindowsPath(location), PurePosixPath(location)
    inside = location and not (windows.drive or windows.root or posix.is_absolute() or ".." in windows.parts)
    path = folder / location
    if not inside or not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{where} are said to be in '{location}', outside the folder of the model; this is refused")
    try:
        offset = int(entries.get("offset", "0"))
        length = int(entries["length"]) if "length" in entries else -1
    except ValueError:
        raise InputError(f"{where}: the offset or length is not a number") from None
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(length)
    except (OSError, ValueError):
        raise InputError(
            f"{where} are missing: '{location}' cannot be read; put the file beside the model, "
            "or run with --weights seeded:N"
        ) from None
    if len(data) < length:
        raise InputError(f"{where}: '{location}' has {len(data)} bytes from offset {offset}, {length} were needed")
    return data
