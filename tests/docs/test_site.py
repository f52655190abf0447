"""The site is built as ``make docs`` does it: a warning is an error."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import DOCS
from tools.airflow_env import ROOT

PYTHON = ROOT / ".venv-docs" / "bin" / "python"
BUILD = ("-m", "sphinx", "-q", "-W", "--keep-going", "-n", "-b", "html")

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="make docs-venv makes the environment that builds it")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [str(PYTHON), *BUILD, str(DOCS), str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=570,
        check=False,
    )
    assert built.returncode == 0, built.stdout
    return folder


@pytest.mark.slow
def test_every_page_is_built_and_reached(site: Path) -> None:
    index = (site / "index.html").read_text()
    pages = {page.stem for page in DOCS.glob("*.md")}
    assert {name for name in pages if not (site / f"{name}.html").is_file()} == set()
    assert {name for name in pages - {"index"} if f'href="{name}.html"' not in index} == set()


@pytest.mark.slow
def test_the_reference_shows_the_docstrings(site: Path) -> None:
    text = re.sub(r"<[^>]+>", "", (site / "reference.html").read_text())
    for words in (
        "one value for each argument that is not fixed",
        "fail if any step failed",
        "Starts a job and does not wait",
    ):
        assert words in text


def test_makefile_and_test_build_it_in_the_same_way() -> None:
    assert f"$(DOCS_VENV)/bin/python {' '.join(BUILD)} docs docs/_build/html" in (ROOT / "Makefile").read_text()
