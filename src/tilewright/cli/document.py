"""Printing the one JSON document of ``--json``."""

from __future__ import annotations

import json
from typing import Any

SCHEMA = 1


def show(document: dict[str, Any]) -> None:
    """Print a document, headed by the version of its form, to standard output."""
    print(json.dumps({"schema": SCHEMA} | document, indent=2))
