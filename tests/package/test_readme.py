"""What the README says, done: its Python runs in a real Airflow, its commands exist."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.airflow_env import PrivateAirflow
from tools.releases import ROOT

README = (ROOT / "README.md").read_text()
FENCED = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:\A|\n\n)(?P<text>(?: {4}.*\n)+)")
SHELLS = {"bash", "sh", "shell", "console"}
ASSIGNMENT = re.compile(r"[A-Z_][A-Z0-9_]*=.*")
PROJECT = "airflow-provider-theeye"
IMPORT_ALL = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
found = DagBag(sys.argv[1])
print(json.dumps({"errors": found.import_errors, "dags": sorted(found.dags)}))
"""


def python_blocks() -> list[str]:
    return [block["text"] for block in FENCED.finditer(README) if block["language"] == "python"]


def shell_lines() -> Iterator[str]:
    """The commands, one a line; a fenced block without a language and an indented one are commands too."""
    blocks = [block["text"] for block in FENCED.finditer(README) if block["language"] in SHELLS | {""}]
    blocks += [block["text"] for block in INDENTED.finditer(FENCED.sub("", README))]
    for block in blocks:
        for line in block.replace("\\\n", " ").splitlines():
            words = line.strip().removeprefix("$ ")
            if words and not words.startswith("#"):
                yield words


def words_of(line: str) -> list[str]:
    words = shlex.split(line, comments=True)
    while words and ASSIGNMENT.fullmatch(words[0]):
        words.pop(0)
    return words


def run(home: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**PrivateAirflow(home=home).environment(), "TOKEN": "a-token"}
    return subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    PrivateAirflow(home=folder / "home").migrate(folder / "migrate.log")
    return folder / "home"


def test_the_dags_are_imported_by_airflow(home: Path) -> None:
    dags = home / "dags"
    dags.mkdir()
    blocks = python_blocks()
    assert blocks
    for number, block in enumerate(blocks):
        (dags / f"block_{number}.py").write_text(block)
    ended = run(home, sys.executable, "-c", IMPORT_ALL, str(dags))
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout.splitlines()[-1])
    assert found["errors"] == {}
    assert len(found["dags"]) == sum("DAG(" in block for block in blocks)


@pytest.mark.parametrize("line", list(shell_lines()))
def test_the_command_exists(line: str, home: Path) -> None:
    program, *arguments = words_of(line)
    if program == "make":
        assert re.search(rf"^{re.escape(arguments[0])}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif program == "pip":
        names = [re.split(r"[\[=<>]", one)[0] for one in arguments[1:] if not one.startswith("-")]
        assert arguments[0] == "install"
        assert PROJECT in names
    elif program == "airflow":
        subcommand = [one for one in arguments[:2] if not one.startswith("-")]
        assert run(home, "airflow", *subcommand, "--help").returncode == 0
    else:
        assert shutil.which(program, path=f"{Path(sys.executable).parent}:/usr/bin:/bin"), line


def test_the_connection_can_be_added_as_written(home: Path) -> None:
    adding = [line for line in shell_lines() if "airflow connections add" in line]
    assert adding
    for line in adding:
        ended = run(home, "bash", "-c", line)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        exported = home / "connections.json"
        assert run(home, "airflow", "connections", "export", str(exported)).returncode == 0
        connection = json.loads(exported.read_text())[words_of(line)[3]]
        assert (connection["conn_type"], connection["password"]) == ("theeye", "a-token")
