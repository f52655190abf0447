"""Faults that a test asks for: which requests go wrong, how, and how often."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

ACTIONS = ("status", "delay", "close", "half_body", "html", "hang", "overlap", "stall")
METHODS = ("*", "GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS")
FIELDS = (
    "method", "path", "times", "share", "skip", "when", "do", "status", "body", "headers", "seconds",
)  # fmt: skip
_TOKEN = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_FRAMING = ("content-length", "transfer-encoding")
HTML = "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"


class BadRule(Exception):
    """A rule with a field that is wrong."""


@dataclass
class Rule:
    """One fault. `path` is a shell pattern on the path; `times` None means always; `seconds` is a delay.

    `when` "before": the request has no effect. "after": it has, only the answer goes wrong. Half a body is
    always half of the true answer, so there the request has its effect.

    "overlap": a change of a job reads the job at once and writes `seconds` later, as it would in the moment between the
    two that the real server has too: of two that are under way at once both are obeyed. "stall": no request is answered
    and no host is handed anything for `seconds`; then all that came meanwhile are carried out at once, in the order in
    which they came, whether or not their clients still wait.
    """

    path: str = "*"
    do: str = "status"
    method: str = "*"
    times: int | None = None
    share: float = 1.0
    skip: int = 0
    when: str = "before"
    status: int = 500
    body: Any = "Internal Server Error"
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 1.0
    seen: int = 0
    fired: int = 0

    def strikes(self, method: str, path: str) -> bool:
        """Whether this request is hit; counts it if so."""
        if self.method not in ("*", method) or not fnmatchcase(path, self.path):
            return False
        if self.times is not None and self.fired >= self.times:
            return False
        self.seen += 1
        if self.seen <= self.skip or random.random() >= self.share:  # noqa: S311 - not a secret
            return False
        self.fired += 1
        return True

    def shown(self) -> dict[str, Any]:
        """The rule and how often it matched (`seen`) and fired."""
        return dict(vars(self))


def _number(value: Any, low: float, high: float = float("inf")) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high


def _whole(value: Any, low: int, high: float = float("inf")) -> bool:
    return isinstance(value, int) and _number(value, low, high)


def _headers(value: Any) -> bool:
    return isinstance(value, dict) and all(_header(name, said) for name, said in value.items())


def _header(name: str, said: Any) -> bool:
    """Whether it can be sent, and does not say where the answer ends: the server says that itself."""
    sendable = isinstance(said, str) and said.isprintable() and said.isascii()
    return sendable and bool(_TOKEN.fullmatch(name)) and name.lower() not in _FRAMING


_TESTS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "method": (lambda v: v in METHODS, f"one of {', '.join(METHODS)}"),
    "path": (lambda v: isinstance(v, str) and bool(v), "a pattern such as /demo/job/*"),
    "times": (lambda v: v is None or _whole(v, 1), "a whole number above 0"),
    "share": (lambda v: _number(v, 0, 1), "a number between 0 and 1"),
    "skip": (lambda v: _whole(v, 0), "a whole number"),
    "when": (lambda v: v in ("before", "after"), "before or after"),
    "do": (lambda v: v in ACTIONS, f"one of {', '.join(ACTIONS)}"),
    "status": (lambda v: _whole(v, 200, 599), "a status between 200 and 599"),
    "body": (lambda v: True, "JSON"),
    "headers": (_headers, "a mapping of names to texts, without Content-Length and Transfer-Encoding"),
    "seconds": (lambda v: _number(v, 0, 3600), "a number from 0 to 3600"),
}


def parse_rules(given: Any) -> list[Rule]:
    """Rules from JSON. Raises BadRule naming the rule and the field."""
    if not isinstance(given, list):
        raise BadRule("a list of rules is needed")
    rules = []
    for number, one in enumerate(given):
        if not isinstance(one, Mapping):
            raise BadRule(f"rule {number} must be an object")
        for name, value in one.items():
            if name not in FIELDS:
                raise BadRule(f"rule {number}: unknown field {name}; known are {', '.join(FIELDS)}")
            test, words = _TESTS[name]
            if not test(value):
                raise BadRule(f"rule {number}: {name} must be {words}")
        if "do" not in one:
            raise BadRule(f"rule {number}: do is missing; it must be one of {', '.join(ACTIONS)}")
        rules.append(Rule(**one))
    return rules


class Stall:
    """A server that stands still for a while. Those who wait for its end go on in the order in which they came."""

    def __init__(self) -> None:
        self._until = 0.0
        self._over = asyncio.Event()
        self._over.set()

    def begin(self, seconds: float) -> None:
        """Stands still from now on; a stall that lasts longer goes on."""
        self._until = max(self._until, time.monotonic() + seconds)
        if self._over.is_set():
            self._over.clear()
            self._end_when_due()

    def _end_when_due(self) -> None:
        left = self._until - time.monotonic()
        if left > 0:
            asyncio.get_running_loop().call_later(left, self._end_when_due)
        else:
            self._over.set()

    def end(self) -> None:
        """Goes on at once."""
        self._until = 0.0
        self._over.set()

    async def over(self) -> bool:
        """Waits until the server does not stand still. Returns whether there was anything to wait for."""
        waited = False
        while not self._over.is_set():
            waited = True
            await self._over.wait()
        return waited


class Faults:
    """The rules in force; of several that match a request the first one fires.

    `resets` tells requests that were under way when everything was made as new from those that came later.
    """

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.stall = Stall()
        self.resets = 0

    def reset(self) -> None:
        """No rules, no stall."""
        self.rules = []
        self.stall.end()
        self.resets += 1

    def strike(self, method: str, path: str) -> Rule | None:
        """The rule that hits a request."""
        return next((rule for rule in self.rules if rule.strikes(method, path)), None)
