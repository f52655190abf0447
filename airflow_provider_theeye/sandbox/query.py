"""Query strings and urlencoded bodies with brackets, read as Node's `qs` reads them.

`where[_id][$in][]=A&where[_id][$in][]=B` is a nested object. `[]` appends and `[n]` is a place in a list up to
20; a higher number makes it an object. A name given twice makes a list. Deeper than five brackets the rest is
one literal name; beyond 1,000 pairs the rest is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote_plus

ARRAY_LIMIT = 20
DEPTH = 5
PAIRS = 1000
_BRACKET = re.compile(r"\[([^\[\]]*)\]")


class _Node:
    """A place in the object: values given for it, and named places inside."""

    __slots__ = ("appended", "inner", "values")

    def __init__(self) -> None:
        self.values: list[str] = []
        self.appended: list[str] = []
        self.inner: dict[str, _Node] = {}

    def plain(self) -> Any:
        if not self.inner:
            if self.appended:
                return self.values + self.appended
            return self.values[0] if len(self.values) == 1 else self.values
        listed = all(name.isdecimal() and int(name) <= ARRAY_LIMIT for name in self.inner)
        if listed:
            ordered = sorted(self.inner, key=int)
            return [*self.values, *(self.inner[name].plain() for name in ordered), *self.appended]
        found = {name: node.plain() for name, node in self.inner.items()}
        for number, value in enumerate(self.appended):
            found.setdefault(str(number), value)
        found.update(dict.fromkeys(self.values, True))
        return found


@lru_cache(maxsize=2048)
def _names(raw: str) -> tuple[str, ...]:
    """`where%5B_id%5D` -> ("where", "_id")."""
    key = unquote_plus(raw)
    start = key.find("[")
    if start < 0:
        return (key,)
    names = [key[:start]] if start else []
    place = start
    for _ in range(DEPTH):
        match = _BRACKET.match(key, place)
        if match is None:
            break
        names.append(match[1])
        place = match.end()
    if place < len(key):
        if key[place] != "[":
            return (key,) if place == start else tuple(names)
        names.append(key[place:])
    return tuple(names)


def pairs(raw: str) -> list[tuple[str, str]]:
    """The pairs in a query, names still encoded, values decoded."""
    found = []
    for part in raw.split("&", PAIRS)[:PAIRS]:
        if part:
            name, _, value = part.partition("=")
            found.append((name, unquote_plus(value) if "%" in value or "+" in value else value))
    return found


def parse(raw: str) -> dict[str, Any]:
    """The object that a query string or an urlencoded body describes."""
    root = _Node()
    for raw_name, value in pairs(raw):
        node = root
        *path, last = _names(raw_name)
        for name in path:
            node = node.inner.setdefault(name, _Node())
        if last == "" and path:
            node.appended.append(value)
        else:
            node.inner.setdefault(last, _Node()).values.append(value)
    return {name: node.plain() for name, node in root.inner.items()}


def stringify(values: dict[str, Any]) -> str:
    """The query string of an object, as `qs` writes it: `{"a": ["x"]}` -> `a%5B0%5D=x`."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in _flat(values))


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _flat(inner, f"{name}[{key}]" if name else str(key))
    else:
        yield name, str(value)
