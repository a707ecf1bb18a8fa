"""Values as versioned JSON, and files that are written whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from tilewright.errors import InputError

T = TypeVar("T")
SCHEMA_VERSION = 1


_adapters: dict[Any, Any] = {}


def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def _in_order(value: Any, dumped: Any) -> Any:
    """What a value was dumped as, sets in one order: theirs depends on how this process hashes texts."""
    if isinstance(value, (set, frozenset)):
        return sorted(dumped, key=json.dumps)
    if is_dataclass(value) and isinstance(dumped, dict):
        return {name: _in_order(getattr(value, name, None), one) for name, one in dumped.items()}
    if isinstance(value, (tuple, list)) and isinstance(dumped, list):
        return [_in_order(one, other) for one, other in zip(value, dumped, strict=True)]
    if isinstance(value, dict) and isinstance(dumped, dict):
        return dict(zip(dumped, map(_in_order, value.values(), dumped.values()), strict=True))
    return dumped


def to_json(value: object, name: str) -> str:
    """A frozen dataclass as a JSON document with its format's name and version."""
    body = _in_order(value, _adapter(type(value)).dump_python(value, mode="json"))
    return json.dumps({"format": f"tilewright.{name}", "version": SCHEMA_VERSION, name: body}, indent=1) + "\n"


def from_json(text: str, kind: type[T], name: str, where: str = "") -> T:
    """The value that ``to_json`` wrote; InputError with every problem if the text is anything else."""
    from pydantic import ValidationError

    place = f"{where}: " if where else ""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}not JSON ({error}); a {name} file of Tilewright is needed") from error
    if not isinstance(document, dict) or document.get("format") != f"tilewright.{name}":
        raise InputError(f"{place}not a {name} of Tilewright: its 'format' must be 'tilewright.{name}'")
    if document.get("version") != SCHEMA_VERSION:
        raise InputError(
            f"{place}{name} format version {document.get('version')} cannot be read; this Tilewright reads version"
            f" {SCHEMA_VERSION}: write the file again with 'tilewright schedule'"
        )
    try:
        # Lists stand for tuples in JSON, so validation goes through text, where that is the rule.
        result: T = _adapter(kind).validate_json(json.dumps(document.get(name)))
    except ValidationError as error:
        problems = error.errors()
        lines = [f"{place}{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in problems[:20]]
        if len(problems) > 20:
            lines.append(f"{place}... and {len(problems) - 20} more problems")
        raise InputError(lines) from error
    return result


def schema(kind: type, name: str) -> dict[str, Any]:
    """The published JSON Schema of a format."""
    inner = _adapter(kind).json_schema()
    definitions = inner.pop("$defs", {})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"tilewright.{name}",
        "type": "object",
        "required": ["format", "version", name],
        "properties": {
            "format": {"const": f"tilewright.{name}"},
            "version": {"const": SCHEMA_VERSION},
            name: inner,
        },
        "$defs": definitions,
    }


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file completely or leave what was there: a full disk or Ctrl-C leaves no half file behind.

    Raises InputError when the place cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}; nothing was changed there") from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
