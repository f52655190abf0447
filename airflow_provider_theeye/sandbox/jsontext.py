"""JSON as TheEye writes it: JavaScript's `JSON.stringify`, without blanks, unicode unescaped, 1.0 as 1."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

EXACT = 2**53  # beyond it JavaScript's numbers have gaps


def _plain(value: Any) -> Any:
    if isinstance(value, int) and abs(value) > EXACT:
        return int(Decimal(repr(float(value)))) if abs(value) < 10**21 else float(value)
    if isinstance(value, float) and value.is_integer() and abs(value) <= EXACT:
        return int(value)
    if isinstance(value, list):
        return [_plain(member) for member in value]
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    return value


def truthy(value: Any) -> bool:
    """Whether a value counts as true in JavaScript: there an empty list or object does."""
    return isinstance(value, list | dict) or bool(value)


def stringify(value: Any) -> str:
    """The JSON text of a value."""
    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))


def encode(value: Any) -> bytes:
    """The body of an answer. Lone surrogates (a client may send `"\\ud800"`) are kept as escapes."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
