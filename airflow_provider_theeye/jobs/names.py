"""What somebody may have meant by a name that there is none of."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["similar"]

#: How many are told, and how alike they must be: 1 is the same.
_MOST = 5
_ALIKE = 0.6


def similar(wanted: str, names: Iterable[str]) -> list[str]:
    """The names that are most like the ``wanted`` one, the likeliest first.

    Upper and lower case, and what stands between words, make the least difference.
    """
    by_letters: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        by_letters.setdefault(_letters(name), []).append(name)
    found = difflib.get_close_matches(_letters(wanted), by_letters, n=_MOST, cutoff=_ALIKE)
    return [name for letters in found for name in by_letters[letters]][:_MOST]


def _letters(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())
