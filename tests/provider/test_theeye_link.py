"""The link of a task to its job, as Airflow asks for it: at the end of each of a task's processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_theeye import links
from airflow_provider_theeye.exceptions import TheEyeJobError
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator
from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sensors.theeye import TheEyeJobSensor
from airflow_provider_theeye.version_compat import AIRFLOW_3
from tests.running import FakeTaskInstance, context

operator = partial(TheEyeTaskOperator, task_id="task", poll_interval=0.2)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which XComs were asked for. Each holds a link."""
    keys: list[str] = []

    class Stored:
        @staticmethod
        def get_value(*, key: str, ti_key: Any) -> str:
            keys.append(key)
            return "http://stored"

    monkeypatch.setattr(links, "XCom", Stored)
    return keys


def link_of(task: Any) -> str:
    return links.TheEyeLink().get_link(task, ti_key=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("web_url", ["", "http://theeye/{job_id}"])
def test_a_process_that_saw_the_job_knows_its_link(
    web_url: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    connection = sandbox.airflow_connection(web_url=web_url)
    monkeypatch.setenv("AIRFLOW_CONN_THEEYE_DEFAULT", json.dumps(connection))
    task, ti = operator(theeye_task_id=sandbox.task_id("hello")), FakeTaskInstance()
    task.execute(context(ti))
    assert link_of(task) == (f"http://theeye/{ti.xcoms['job_id']}" if web_url else "")
    assert asked == []


def test_a_process_without_a_job_has_no_link(sandbox: Sandbox, connection: str, asked: list[str]) -> None:
    task = operator(theeye_task_id="f" * 24)
    with pytest.raises(TheEyeJobError):
        task.execute(context(FakeTaskInstance()))
    assert link_of(task) == ""
    sensor = TheEyeJobSensor(
        task_id="sensor", theeye_task_id=sandbox.task_id("slow"), since="2100-01-01T00:00:00Z", deferrable=True
    )
    with pytest.raises(TaskDeferred):
        sensor.execute(context(FakeTaskInstance()))
    assert link_of(sensor) == ""
    assert asked == []


def test_what_an_earlier_process_stored_is_kept(asked: list[str]) -> None:
    """The task was resumed after a deferral and has seen nothing of its job."""
    assert link_of(operator(theeye_task_id="f" * 24)) == "http://stored"
    assert asked == ["url"]


DAG = """
from airflow.providers.common.compat.sdk import DAG
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator

with DAG("linked", schedule=None) as dag:
    for mode in (False, True):
        name = "Long" if mode else "Short"
        TheEyeTaskOperator(task_id=name, theeye_task_name=name, deferrable=mode)
if __name__ == "__main__":
    print("state:", dag.test().state)
"""


@pytest.mark.system
@pytest.mark.skipif(not AIRFLOW_3, reason="Airflow 2 asks for links when somebody looks at them")
def test_airflow_finds_nothing_amiss_without_a_web_ui(tmp_path: Path) -> None:
    """One task ends in the process that began it, one is deferred: a job of a few seconds is not."""
    file = tmp_path / "dags" / "linked.py"
    file.parent.mkdir()
    file.write_text(DAG)
    script = {"Short": "echo success", "Long": "sleep 7; echo success"}
    tasks = {name: {"name": name, "host": "host", "script": text} for name, text in script.items()}
    users = {"integration": {"role": "integration"}}
    world = {"organizations": {"demo": {"hosts": ["host"], "users": users}}, "tasks": tasks}
    with Sandbox(world) as sandbox:
        said = run_dag(sandbox, tmp_path, file)
    assert "state: success" in said
    assert "deferred" in said.lower()
    assert "XCom not found" not in said


def run_dag(sandbox: Sandbox, home: Path, file: Path) -> str:
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(file.parent),
        "AIRFLOW_CONN_THEEYE_DEFAULT": json.dumps(sandbox.airflow_connection(web_url="")),
    }
    run = partial(subprocess.run, env=environment, capture_output=True, text=True, check=False)
    run([sys.executable, "-m", "airflow", "db", "migrate"])
    done = run([sys.executable, str(file)])
    return done.stdout + done.stderr
