"""Identifiers: those of definitions are derived (the same in every process), those of jobs are made anew.

TheEye's ids are MongoDB ObjectIds, 24 hex digits of which the first eight are the second of their making;
secrets are 64 hex digits; tokens are opaque texts.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re

IDENTIFIER = re.compile(r"[0-9a-fA-F]{24}")


def is_identifier(text: object) -> bool:
    """Whether a value looks like an id, known or not."""
    return isinstance(text, str) and IDENTIFIER.fullmatch(text) is not None


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x00".join(("theeye-sandbox", *parts)).encode()).hexdigest()


def derived_id(organization: str, kind: str, key: str) -> str:
    """24 hex digits that depend on nothing but the names in the definitions."""
    return _digest("id", organization, kind, key)[:24]


def derived_secret(organization: str, kind: str, key: str) -> str:
    """64 hex digits: the secret key of a task or workflow."""
    return _digest("secret", organization, kind, key)


def derived_token(organization: str, kind: str, key: str) -> str:
    """The token of a user or of a host's agent. The prefix tells a reader of a log where it comes from."""
    return "sandbox-" + _digest("token", organization, kind, key)[:40]


class IdFactory:
    """Makes ObjectIds: eight digits of time, ten of the process, six of a counter."""

    def __init__(self) -> None:
        self._process = os.urandom(5).hex()
        self._counter = itertools.count(int.from_bytes(os.urandom(2), "big"))

    def __call__(self, now: float) -> str:
        return f"{int(now):08x}{self._process}{next(self._counter) & 0xFFFFFF:06x}"


def new_secret() -> str:
    """A job's own secret, which opens its result without a token."""
    return os.urandom(32).hex()
