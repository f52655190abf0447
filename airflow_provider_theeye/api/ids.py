"""How TheEye's ids look. A file of its own, for who needs no more than that while a DAG is parsed."""

from __future__ import annotations

import re

__all__ = ["is_id"]

_ID = re.compile(r"[0-9a-fA-F]{24}")


def is_id(value: object) -> bool:
    """Whether ``value`` looks like an id of TheEye: 24 hexadecimal digits."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None
