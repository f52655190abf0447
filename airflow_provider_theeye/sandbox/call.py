"""One request as the routes see it, and what they answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from . import query
from .arguments import MISSING
from .engine import Engine
from .errors import Refused, code
from .jsontext import encode

JSON_TYPE = "application/json"


@dataclass
class Answer:
    """A finished answer. `body` None means none, and no content type."""

    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = JSON_TYPE

    @classmethod
    def of(cls, value: Any, status: int = 200, **headers: str) -> Answer:
        """A JSON answer."""
        return cls(status, encode(value), headers)

    @classmethod
    def refused(cls, refusal: Refused) -> Answer:
        """An error answer."""
        return cls(refusal.status) if refusal.body is None else cls.of(refusal.body, refusal.status)


class NeverAnswered(Exception):
    """The real server forgets this request: the client waits until it gives up."""


@dataclass
class Call:
    """A request with its path's parameters. `body` is the parsed body, {} without one that the server reads.

    `read_before` is the lifecycle that its job had when the request was under way already, if that was a while ago.
    """

    engine: Engine
    method: str
    path: str
    raw_query: str
    headers: Mapping[str, str]
    parameters: dict[str, str]
    body: Any
    read_before: str | None = None

    @cached_property
    def query(self) -> dict[str, Any]:
        """The query string, brackets read as nested objects."""
        return query.parse(self.raw_query)

    def given(self, name: str, default: Any = None) -> Any:
        """A value from the body or, failing that, from the query."""
        if isinstance(self.body, dict) and name in self.body:
            return self.body[name]
        return self.query.get(name, default)

    def given_arguments(self) -> Any:
        """`task_arguments`, or MISSING."""
        return self.given("task_arguments", MISSING)


def parse_body(raw: bytes, content_type: str) -> Any:
    """A body as the server reads it: JSON and urlencoded forms; {} for every other type (multipart: see app)."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == JSON_TYPE and raw.strip():
        try:
            return json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise code(400, "InvalidContent", f"Invalid JSON: {error}") from None
    if kind == "application/x-www-form-urlencoded":
        return query.parse(raw.decode(errors="replace"))
    return {}
