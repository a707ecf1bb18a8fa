"""The example networks that come with Tilewright: the shapes of well-known models, mostly without their weights."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent


def shipped() -> tuple[str, ...]:
    """Names of the shipped networks, in alphabetical order.

    >>> "resnet18" in shipped()
    True
    """
    return tuple(sorted(file.stem for file in _FOLDER.glob("*.onnx")))


def path(name: str) -> Path:
    """The ONNX file of a shipped network; KeyError if there is none of that name."""
    if name not in shipped():
        raise KeyError(name)
    return _FOLDER / f"{name}.onnx"
