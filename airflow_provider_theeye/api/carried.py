"""Text and values that can go everywhere that Airflow takes them: logs, MessagePack, JSON columns of PostgreSQL."""

from __future__ import annotations

import json
import math
from typing import Any

__all__ = ["carried", "clean", "travels"]

#: Airflow serialises recursively and packs whole numbers into 64 bits.
DEEPEST = 100
SMALLEST, LARGEST = -(2**63), 2**64 - 1


def clean(text: str) -> str:
    """Without halves of surrogate pairs, which are no Unicode text, and without NUL, which PostgreSQL refuses.

    A server in JavaScript makes such halves by cutting a text within an emoji. One in a trigger's event ends the whole
    triggerer (seen with Airflow 3.3.2).
    """
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def carried(output: Any) -> Any:
    """A job's output with clean texts; what else cannot be carried becomes the JSON text that it is."""
    if isinstance(output, list):
        return [_entry(entry) for entry in output]
    return _entry(output)


def _entry(entry: Any) -> Any:
    if isinstance(entry, str):
        return clean(entry)
    return entry if travels(entry) else json.dumps(entry)


def travels(value: Any) -> bool:
    """Whether Airflow can carry it, on every way and into every database."""
    pending: list[tuple[Any, int]] = [(value, 0)]
    while pending:
        part, depth = pending.pop()
        if isinstance(part, str):
            if part != clean(part):
                return False
        elif isinstance(part, int):
            if not SMALLEST <= part <= LARGEST:
                return False
        elif isinstance(part, float):
            if not math.isfinite(part):
                return False
        elif isinstance(part, list | dict):
            if depth == DEEPEST:
                return False
            inner = part if isinstance(part, list) else [*part.keys(), *part.values()]
            pending.extend((one, depth + 1) for one in inner)
    return True
