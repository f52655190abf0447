"""What was not copied, or not as it was: said once per reason, with how many and some examples."""

from __future__ import annotations

EXAMPLES = 3
LONGEST_EXAMPLE = 60


class ImportRefused(Exception):
    """Nothing is written; the message says why, on one line."""


def shown(name: str) -> str:
    """A name on one line, short enough for a message or a comment."""
    one_line = "".join(c if c.isprintable() else " " for c in name)
    return one_line if len(one_line) <= LONGEST_EXAMPLE else one_line[: LONGEST_EXAMPLE - 1] + "…"


class Report:
    """Collects reasons; those that are about several things count them."""

    def __init__(self) -> None:
        self._found: dict[str, list[str]] = {}

    def add(self, reason: str, *subjects: str) -> None:
        """One more thing, or none in particular, for that reason."""
        self._found.setdefault(reason, []).extend(subjects)

    def lines(self) -> list[str]:
        """One line per reason, in the order of their first appearance."""
        return [reason + _counted(subjects) for reason, subjects in self._found.items()]


def _counted(subjects: list[str]) -> str:
    if not subjects:
        return ""
    examples = [shown(one) for one in subjects[:EXAMPLES]]
    more = ["…"] if len(subjects) > EXAMPLES else []
    return f" ({len(subjects)}: {', '.join([*examples, *more])})"
