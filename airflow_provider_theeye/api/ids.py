"""How TheEye's ids look. A file of its own, for who needs no more than that while a DAG is parsed."""

from __future__ import annotations

import re

__all__ = ["is_id"]

# In lower case: TheEye takes others as well, but answers with these, and what is asked for is looked for in answers.
_ID = re.compile(r"[0-9a-f]{24}")


def is_id(value: object) -> bool:
    """Whether ``value`` looks like an id of TheEye: 24 hexadecimal digits in lower case."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None
