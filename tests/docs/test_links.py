"""Every link and image of the documentation leads to something that is there."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs.pages import DOCS, PAGES, anchors, blocks, links
from tools.airflow_env import ROOT

by_name = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def broken(page: Path, target: str) -> str | None:
    path, _, anchor = unquote(target).partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.exists():
        return f"{target}: there is no {path}"
    if not file.is_relative_to(ROOT):
        return f"{target}: outside of the repository"
    if anchor and anchor not in anchors(file):
        return f"{target}: {file.name} has no heading {anchor}"
    return None


@by_name
def test_links_and_images(page: Path) -> None:
    assert [problem for target in links(page) if (problem := broken(page, target))] == []


def test_a_broken_link_would_be_noticed() -> None:
    readme = PAGES[0]
    assert broken(readme, "docs/nowhere.md")
    assert broken(readme, "docs/sandbox.md#nowhere")
    assert broken(readme, "docs/sandbox.md#start-it") is None


@by_name
def test_included_examples_have_their_markers(page: Path) -> None:
    for block in blocks(page):
        if not block.kind.startswith("{literalinclude}"):
            continue
        text = (page.parent / block.kind.split()[1]).read_text()
        markers = [line.split(": ", 1)[1].strip('"') for line in block.text.splitlines() if "start-after" in line]
        markers += [line.split(": ", 1)[1].strip('"') for line in block.text.splitlines() if "end-before" in line]
        assert [marker for marker in markers if text.count(marker) != 1] == []


def test_every_example_is_shown_somewhere() -> None:
    shown = "\n".join(page.read_text() for page in DOCS.glob("*.md"))
    examples = sorted((ROOT / "example_dags").glob("*.*"))
    assert examples
    assert [file.name for file in examples if f"example_dags/{file.name}" not in shown] == []
