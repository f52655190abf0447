"""One request as the routes see it, and what they answer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from . import query
from .engine import Engine
from .errors import Refused, code
from .jsontext import encode, truthy

JSON_TYPE = "application/json"
_JSON_TYPES = re.compile(r"application/([a-z.]+\+)?json")


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
    """A request with its path's parameters. `body` is the parsed body, None if there is none.

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

    def in_body(self, name: str) -> Any:
        """A value of a body that is an object; else None."""
        return self.body.get(name) if isinstance(self.body, dict) else None

    def given(self, name: str) -> Any:
        """A value from the body or, if that counts as false, from the query."""
        found = self.in_body(name)
        return found if truthy(found) else self.query.get(name)

    def given_arguments(self) -> Any:
        """`task_arguments`. Without them a body that is a list; else the body (or the query) is the only argument."""
        found = self.given("task_arguments")
        if truthy(found):
            return found
        if isinstance(self.body, list):
            return self.body
        return [self.body if truthy(self.body) else self.query]


def parse_body(raw: bytes, content_type: str) -> Any:
    """A body as the server reads it: JSON, urlencoded forms and plain text (multipart: see app).

    Of any other type the bytes are kept, as JSON shows a buffer of Node.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if not raw:
        return None
    if _JSON_TYPES.fullmatch(kind):
        return _parse_json(raw.decode(errors="replace"))
    if kind == "application/x-www-form-urlencoded":
        return query.parse(raw.decode(errors="replace"))
    if kind.startswith("text/"):
        return raw.decode(errors="replace")
    return {"type": "Buffer", "data": list(raw)}


def _parse_json(text: str) -> Any:
    """JSON as JavaScript's `JSON.parse` takes it: no byte order mark, no NaN."""

    def refuse(constant: str) -> Any:
        raise ValueError(f"Unexpected token {constant[0]} in JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise code(400, "InvalidContent", f"Invalid JSON: {error}") from None
