"""Templates. Imported with the first page, since nobody else needs Jinja."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent.parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)


def render(template: str, values: Mapping[str, Any]) -> bytes:
    """A template with its values. Lone surrogates, which a job's arguments may hold, become question marks."""
    return _ENVIRONMENT.get_template(template).render(values).encode("utf-8", "replace")
