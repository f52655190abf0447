"""How uv is called: it resolves as of a day, and makes environments for other Pythons in seconds."""

from __future__ import annotations

import sys


def uv(*arguments: str) -> list[str]:
    """A command of the uv that belongs to this Python's environment."""
    return [sys.executable, "-m", "uv", *arguments]
