"""Arguments of operators and sensor: their defaults, and checks that raise ``ValueError`` with the argument's name."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from airflow_provider_theeye.api.ids import is_id

__all__ = [
    "CONN_ID",
    "MAX_XCOM_BYTES",
    "POLL_FAILURE_TOLERANCE",
    "POLL_INTERVAL",
    "check_choice",
    "check_id",
    "exit_codes",
    "in_brackets",
    "is_template",
    "seconds",
]

#: What holds if nothing else is said; durations in seconds.
CONN_ID = "theeye_default"
POLL_INTERVAL = 2.0
POLL_FAILURE_TOLERANCE = 600.0
MAX_XCOM_BYTES = 1024 * 1024


def seconds(value: float | timedelta | None, name: str, *, zero: bool = False) -> float | None:
    """A duration in seconds, given as a number or a timedelta. ``None`` stays ``None``."""
    if value is None:
        return None
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ValueError(f"{name} must be a number of seconds or a timedelta, not {value!r}")
    if not (number >= 0 if zero else number > 0) or number == float("inf"):
        raise ValueError(f"{name} must be {'zero or more' if zero else 'more than zero'} seconds, not {value!r}")
    return float(number)


def in_brackets(limit: float | None) -> str:
    """A duration for a message, with the space before it. A DAG may have lost it while its task was deferred."""
    return "" if limit is None else f" ({limit:g} s)"


def check_choice(value: Any, choices: tuple[str, ...], name: str) -> str:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
    return str(value)


def exit_codes(value: int | Collection[int] | None, name: str) -> frozenset[int]:
    """One exit code, or several."""
    codes = [] if value is None else [value] if isinstance(value, int | str) else value
    if not isinstance(codes, Collection) or not all(type(code) is int for code in codes):
        raise ValueError(f"{name} must be an exit code or a collection of them, not {value!r}")
    return frozenset(codes)


def check_id(value: Any, name: str) -> str:
    """An id of TheEye."""
    if not is_id(value):
        raise ValueError(f"{name} must be an id of TheEye, 24 hexadecimal digits in lower case, not {value!r}")
    return str(value)


def is_template(value: Any) -> bool:
    """Whether the value is known only at run time: a Jinja template, an XComArg, a mapped argument."""
    return not isinstance(value, str) or "{{" in value or "{%" in value
