"""The Airflow connection that the sandbox prints, shows and gives to tests."""

from __future__ import annotations

import html
import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from airflow_provider_theeye.sandbox import Sandbox, SandboxError, process

from .conftest import world


def described(**tasks: Any) -> dict[str, Any]:
    made = world(hello={}, quoted={"name": "It's"}, **tasks)
    made["organizations"]["other"] = {"hosts": ["host-o"], "users": {}}
    made["tasks"]["theirs"] = {"name": "Theirs", "organization": "other", "host": "host-o"}
    made["workflows"] = {"flow": {"name": "Flow", "host": "host-a", "steps": {"a": {}}}}
    made["webhooks"] = {"hook": {"name": "Hook", "triggers": ["hello"]}}
    return made


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(described(), runner=False) as running:
        yield running


def read_by_a_shell(line: str) -> dict[str, Any]:
    script = f'{line}\nprintf %s "$AIRFLOW_CONN_THEEYE_DEFAULT"'
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_it_has_the_secret_keys_of_its_organization(sandbox: Sandbox) -> None:
    assert sandbox.airflow_connection()["extra"]["secrets"] == {
        sandbox.task_id("hello"): sandbox.task_secret("hello"),
        sandbox.task_id("quoted"): sandbox.task_secret("quoted"),
        sandbox.workflow_id("flow"): sandbox.workflow_secret("flow"),
        sandbox.webhook_id("hook"): sandbox.webhook_secret("hook"),
    }
    assert sandbox.airflow_connection(secrets={})["extra"]["secrets"] == {}


def test_the_page_shows_the_same_as_a_line_for_a_shell(sandbox: Sandbox) -> None:
    page = requests.get(sandbox.url, timeout=10).text
    (line,) = re.findall(r"export AIRFLOW_CONN[^<]*", page)
    assert read_by_a_shell(html.unescape(line)) == sandbox.airflow_connection()


def test_the_printed_line_may_be_longer_than_a_pipe_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    read = process.Sandbox._read_to_the_end

    def overheard(running: Sandbox) -> None:
        class Tee:
            def __init__(self, stream: Any) -> None:
                self.stream = stream

            def __iter__(self) -> Iterator[str]:
                for line in self.stream:
                    lines.append(line)
                    yield line

            def __getattr__(self, name: str) -> Any:
                return getattr(self.stream, name)

        held = running._process
        assert held is not None
        held.stdout = Tee(held.stdout)  # type: ignore[assignment]
        read(running)

    monkeypatch.setattr(process.Sandbox, "_read_to_the_end", overheard)
    many = {f"task-{number}": {} for number in range(900)}
    with Sandbox(described(**many), runner=False) as running:
        assert len(lines[-1]) > 64 * 1024
        assert requests.get(running.url + "/demo/task", timeout=10).status_code == 401
        assert read_by_a_shell(lines[-1]) == running.airflow_connection()


def test_names_that_users_import() -> None:
    assert (Sandbox, SandboxError) == (process.Sandbox, process.SandboxError)
