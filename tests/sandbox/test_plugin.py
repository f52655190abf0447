"""The fixture for users' tests, in a pytest of its own; and that importing costs nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from airflow_provider_theeye.sandbox.process import _environment

TEST = """
import json, os, urllib.request

def test_it(theeye_sandbox):
    connection = json.loads(os.environ["AIRFLOW_CONN_THEEYE_DEFAULT"])
    request = urllib.request.Request(
        f"{connection['host']}/{connection['schema']}/task",
        headers={"Authorization": "Bearer " + connection["password"]},
    )
    assert connection["host"] == theeye_sandbox.url
    assert connection["extra"]["secrets"][theeye_sandbox.task_id("hello")] == theeye_sandbox.task_secret("hello")
    assert {task["name"] for task in json.load(urllib.request.urlopen(request))} >= {"Hello World", "Greet"}
"""


def test_the_fixture(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TEST)
    environment = {**_environment(), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "airflow_provider_theeye.sandbox.pytest_plugin", "."]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout, done.stdout


def test_importing_is_lazy() -> None:
    words = (
        "import sys; import airflow_provider_theeye.sandbox; from airflow_provider_theeye.sandbox import Sandbox;"
        "print([m for m in ('starlette', 'uvicorn', 'yaml', 'airflow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", words], env=_environment(), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
