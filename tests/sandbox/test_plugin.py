"""The fixture for users' tests, in a pytest of its own; and that importing costs nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from airflow_provider_theeye.sandbox.process import _environment

TEST = """
import json, os, urllib.request

import pytest

def ask(sandbox, method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": "Bearer " + sandbox.token(), "Content-Type": "application/json"}
    request = urllib.request.Request(sandbox.url + path, data, headers, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)

def test_it(theeye_sandbox):
    connection = json.loads(os.environ["AIRFLOW_CONN_THEEYE_DEFAULT"])
    assert connection["host"] == theeye_sandbox.url
    assert connection["password"] == theeye_sandbox.token()
    assert connection["extra"]["secrets"][theeye_sandbox.task_id("hello")] == theeye_sandbox.task_secret("hello")
    assert {task["name"] for task in ask(theeye_sandbox, "GET", "/demo/task")} >= {"Hello World", "Greet"}

def hello(sandbox):
    return ask(sandbox, "GET", f"/task/{sandbox.task_id('hello')}")

@pytest.mark.parametrize("time", [1, 2])
def test_a_mess(theeye_sandbox, time):
    "The second time finds nothing of what the first one left behind."
    sandbox = theeye_sandbox
    assert sandbox.faults() == []
    assert sandbox.journal()["totals"]["created"] == 0
    assert ask(sandbox, "GET", "/job/running?customer=demo") == []
    assert ask(sandbox, "GET", "/demo/job") == []
    assert all(host["alive"] for host in sandbox.request("GET", "/_sandbox/hosts").values())
    assert hello(sandbox)["name"] == "Hello World"
    assert "Greet" in [task["name"] for task in ask(sandbox, "GET", "/demo/task")]

    slow = ask(sandbox, "POST", "/job", {"task": sandbox.task_id("slow"), "task_arguments": ["60"]})
    ask(sandbox, "POST", "/job", {"task": sandbox.task_id("hello"), "task_arguments": [], "lifecycle": "syncing"})
    ask(sandbox, "POST", f"/workflows/{sandbox.workflow_id('chain')}/job", {"task_arguments": ["x"]})
    sandbox.wait(lambda: sandbox.journal()["jobs"][slow["id"]]["started"])
    ask(sandbox, "PUT", f"/demo/task/{sandbox.task_id('hello')}", {**hello(sandbox), "name": "Another"})
    assert hello(sandbox)["name"] == "Another"
    ask(sandbox, "DELETE", f"/demo/task/{sandbox.task_id('greet')}")
    sandbox.set_host("host-b", alive=False)
    sandbox.revoke_token("integration")
    sandbox.set_faults([{"do": "hang"}])

def test_nothing_is_left_in_the_environment():
    assert "AIRFLOW_CONN_THEEYE_DEFAULT" not in os.environ

@pytest.mark.parametrize("how", ["kill", "stop", "crash"])
def test_the_sandbox_ends(theeye_sandbox, how):
    assert theeye_sandbox.journal()["totals"]["created"] == 0
    if how == "crash":
        os.kill(theeye_sandbox.pid, 9)
    else:
        getattr(theeye_sandbox, how)()

def test_and_is_there_again(theeye_sandbox):
    assert json.loads(os.environ["AIRFLOW_CONN_THEEYE_DEFAULT"])["host"] == theeye_sandbox.url
    job = ask(theeye_sandbox, "POST", "/job", {"task": theeye_sandbox.task_id("hello"), "task_arguments": []})
    read = lambda: ask(theeye_sandbox, "GET", "/demo/job/" + job["id"])
    theeye_sandbox.wait(lambda: read()["lifecycle"] == "finished")
"""


def test_the_fixture(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TEST)
    environment = {**_environment(), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment.pop("AIRFLOW_CONN_THEEYE_DEFAULT", None)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "airflow_provider_theeye.sandbox.pytest_plugin", "."]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "8 passed" in done.stdout, done.stdout


def test_importing_is_lazy() -> None:
    words = (
        "import sys; import airflow_provider_theeye.sandbox; from airflow_provider_theeye.sandbox import Sandbox;"
        "print([m for m in ('starlette', 'uvicorn', 'yaml', 'airflow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", words], env=_environment(), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
