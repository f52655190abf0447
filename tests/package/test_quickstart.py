"""What a newcomer types: the README's first command in a fresh copy, and the quickstart with nothing but the wheel."""

from __future__ import annotations

import html
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.package.conftest import Archives
from tools.airflow_env import PrivateAirflow
from tools.releases import NEWEST_AIRFLOW, ROOT, constraints_for
from tools.uv import uv

pytestmark = pytest.mark.slow

README = (ROOT / "README.md").read_text()
PAGE = (ROOT / "docs" / "quickstart.md").read_text()
#: Setting up an environment is nearly all of it.
DEMO_TIMEOUT = 900


def command(beginning: str) -> str:
    """A line of the quickstart, as it stands there."""
    return next(line.strip() for line in PAGE.splitlines() if line.strip().startswith(beginning))


@pytest.fixture
def sandbox_page(installed: PrivateAirflow, archives: Archives) -> Iterator[str]:
    """The page of a sandbox that was installed and started as the quickstart says, but for the port."""
    python = Path(installed.settings["VIRTUAL_ENV"]) / "bin" / "python"
    assert "'airflow-provider-theeye[sandbox]'" in command("pip install")
    install = uv("pip", "install", "--quiet", "--python", str(python), "-c", str(constraints_for(NEWEST_AIRFLOW)))
    subprocess.run([*install, f"{archives.wheel}[sandbox]"], check=True)
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command('python -m airflow_provider_theeye.sandbox')} --port 0"],
        env=installed.environment(),
        cwd=installed.home,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = next(filter(None, (re.search(r"http://127\.0\.0\.1:\d+", line) for line in process.stdout)))
        yield requests.get(address[0], timeout=30).text
    finally:
        process.terminate()
        process.wait(30)


def test_the_quickstart_with_nothing_but_the_wheel(
    installed: PrivateAirflow, sandbox_page: str, tmp_path: Path
) -> None:
    (dag,) = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    (installed.dags_folder / "theeye_quickstart.py").write_text(dag)
    installed.command("db", "migrate", log=tmp_path / "migrate.log")
    export = re.search(r"export AIRFLOW_CONN_THEEYE_DEFAULT='.*?'", html.unescape(sandbox_page))
    assert export is not None
    ended = subprocess.run(
        ["bash", "-c", f"{export[0]}\n{command('airflow dags test')}"],
        env=installed.environment(),
        cwd=installed.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    assert "[theeye] It is 69 degrees Fahrenheit in Ushuaia" in ended.stdout
    assert "DagRun Finished" in ended.stdout or "state=success" in ended.stdout


def test_make_demo_in_a_fresh_copy(snapshot: Path) -> None:
    (first,) = re.findall(r"^ {4}(make demo)\b", README, re.MULTILINE)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "VIRTUAL_ENV"))}
    ended = subprocess.run(
        ["bash", "-c", first],
        cwd=snapshot,
        env=inherited,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEMO_TIMEOUT,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    assert "Hello, World!" in ended.stdout, ended.stdout
