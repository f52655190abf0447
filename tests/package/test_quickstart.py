"""What a newcomer types, word for word: `make demo` in a fresh copy, and the README's DAG with the wheel alone."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

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
    """A line of the README that the quickstart page has too, without the remark behind it."""
    (line,) = re.findall(rf"^ {{4}}({re.escape(beginning)}[^#\n]*)", README, re.MULTILINE)
    assert line.strip() in PAGE
    return line.strip()


def bash(script: str, environment: dict[str, str], folder: Path, timeout: float | None = None) -> str:
    """What it printed, if it went well."""
    ended = subprocess.run(
        ["bash", "-c", script],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


@pytest.fixture
def export(installed: PrivateAirflow, archives: Archives) -> Iterator[str]:
    """What a sandbox says that was installed and started as the README says, but for the port."""
    python = Path(installed.settings["VIRTUAL_ENV"]) / "bin" / "python"
    assert command("pip install 'airflow-provider-theeye[sandbox]'")
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
        yield next(line for line in process.stdout if line.startswith("export "))
    finally:
        process.terminate()
        process.wait(30)


def test_the_readmes_dag_with_nothing_but_the_wheel(installed: PrivateAirflow, export: str, tmp_path: Path) -> None:
    (dag,) = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    (installed.dags_folder / "theeye_quickstart.py").write_text(dag)
    installed.command("db", "migrate", log=tmp_path / "migrate.log")
    said = bash(f"{export}\n{command('airflow dags test')}", installed.environment(), installed.home)
    assert "[theeye] adding 2 and 40" in said, said
    assert "It is 69 degrees Fahrenheit in Ushuaia" in said, said
    assert "successful" in said.rpartition("Marking run")[2], said


def test_the_first_command_in_a_fresh_copy(snapshot: Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "VIRTUAL_ENV"))}
    said = bash(command("make demo"), inherited, snapshot, DEMO_TIMEOUT)
    assert "example_theeye_sync: success" in said, said
    assert "example_theeye_deferrable: success" in said, said
