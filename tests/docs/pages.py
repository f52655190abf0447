"""The pages of the documentation as text, and what is found in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.airflow_env import ROOT

DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md")))

_FENCED = re.compile(r"^(`{3,}|:{3,})(.*?)\n(.*?)^\1", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """What stands between two fences."""

    kind: str
    text: str


def blocks(page: Path) -> Iterator[Block]:
    for fence in _FENCED.finditer(page.read_text()):
        yield Block(fence[2].strip(), fence[3])


def prose(page: Path) -> str:
    """The page without its code blocks; warnings and the like stay."""
    return _FENCED.sub(lambda fence: fence[3] if fence[1].startswith(":") else "", page.read_text())


def links(page: Path) -> list[str]:
    """Where the links and images of a page lead, but for those to other servers."""
    found: list[str] = _LINK.findall(re.sub(r"`[^`\n]*`", "", prose(page)))
    return [target for target in found if "://" not in target]


def anchors(page: Path) -> set[str]:
    """What can stand behind the ``#`` of a link to a page, made of its headings as everywhere."""
    found = set()
    for heading in _HEADING.findall(prose(page)):
        plain = re.sub(r"[`*_\[\]]|\(.*?\)", "", heading).lower()
        found.add(re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", plain)))
    return found
