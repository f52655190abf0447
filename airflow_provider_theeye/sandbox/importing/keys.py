"""Keys for the file of definitions, made from names: readable, and each used once."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable

_LONGEST = 48


def slug(text: str) -> str:
    """Lower-case ASCII words joined by hyphens; empty if nothing of the text can be written so."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:_LONGEST].strip("-")


class Keys:
    """Gives every name a key of its own."""

    def __init__(self, fallback: str, taken: Iterable[str] = ()) -> None:
        self._fallback = fallback
        self._taken = set(taken)

    def take(self, *names: str) -> str:
        """A key from the first name, if need be from all of them together, else with a number behind."""
        first = slug(names[0]) or self._fallback
        longer = "-".join([first, *filter(None, map(slug, names[1:]))])
        numbered = (f"{first}-{n}" for n in itertools.count(2))
        key = next(one for one in itertools.chain((first, longer), numbered) if one not in self._taken)
        self._taken.add(key)
        return key
