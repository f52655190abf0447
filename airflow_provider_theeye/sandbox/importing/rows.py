"""Values out of documents of servers of several ages: what is not as expected counts as not there."""

from __future__ import annotations

from typing import Any

from airflow_provider_theeye.api.carried import clean
from airflow_provider_theeye.api.ids import is_id


def text(value: object) -> str:
    """A text that can be written into a file; empty if it is none."""
    return clean(value) if isinstance(value, str) and value.strip() else ""


def members(value: object) -> list[Any]:
    """A list; empty if it is none."""
    return value if isinstance(value, list) else []


def reference(value: object) -> str:
    """The id of what is meant, whether it stands there itself or inside a document."""
    if isinstance(value, dict):
        value = value.get("id") or value.get("_id")
    return value if isinstance(value, str) and is_id(value) else ""
