"""Values as people read them: times, durations, sizes, JSON, and the end of what is too long."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..documents import moment

SHOWN_OF_A_VALUE = 20_000  # characters
SHOWN_OF_A_LOG = 64_000
SHOWN_ON_A_LINE = 200


@dataclass(frozen=True)
class Time:
    """A moment for a `<time>` element."""

    clock: str
    machine: str

    @classmethod
    def at(cls, seconds: float) -> Time:
        """Seconds since 1970, on this machine's clock."""
        return cls(datetime.fromtimestamp(seconds).astimezone().strftime("%H:%M:%S"), moment(seconds))


def duration(seconds: float) -> str:
    """`0.42 s`, `12 s`, `3 min 4 s`, `2 h 5 min`."""
    if seconds < 1:
        return f"{max(seconds, 0):.2f} s"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def times(count: int) -> str:
    """`once`, `twice`, `3 times`."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def size(count: int) -> str:
    """`512 characters`, `64 kB`, `3.1 MB`: near enough for text."""
    if count < 1000:
        return f"{count} characters"
    return f"{count / 1000:.0f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


@dataclass(frozen=True)
class Text:
    """A text or a part of it. `whole` is the size of all of it if something has been left out."""

    text: str
    whole: str | None = None

    @classmethod
    def beginning(cls, text: str) -> Text:
        """The beginning of a value."""
        if len(text) <= SHOWN_OF_A_VALUE:
            return cls(text)
        return cls(text[:SHOWN_OF_A_VALUE] + "…", size(len(text)))

    @classmethod
    def end(cls, text: str) -> Text:
        """The end of a log, from the beginning of a line if there is one."""
        if len(text) <= SHOWN_OF_A_LOG:
            return cls(text)
        kept = text[-SHOWN_OF_A_LOG:]
        return cls(kept.partition("\n")[2] or kept, size(len(text)))


def line(of: Any) -> str:
    """A value's JSON on one line, where there is room for a glance only."""
    text = json.dumps(of, ensure_ascii=False)
    return text if len(text) <= SHOWN_ON_A_LINE else f"{text[:SHOWN_ON_A_LINE]}…"


def value(of: Any) -> Text:
    """An argument or a member of an output. JSON objects and lists are laid out over several lines."""
    if not isinstance(of, str):
        return Text.beginning(json.dumps(of, ensure_ascii=False, indent=2))
    if len(of) <= SHOWN_OF_A_VALUE and of[:1] in "[{":
        try:
            return Text.beginning(json.dumps(json.loads(of), ensure_ascii=False, indent=2))
        except (ValueError, RecursionError):
            pass
    return Text.beginning(of)
