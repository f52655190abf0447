"""The example DAGs that wait for what something else started, and the one that works with the hook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_theeye.sandbox import Sandbox
from tests.examples.conftest import json_lines
from tools.airflow_env import PrivateAirflow, connection_settings, last_lines, sandbox_connection


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The task results of these DAGs, each run once."""
    folder: Path = tmp_path_factory.mktemp("sensor")
    results, log = folder / "results.jsonl", folder / "airflow.log"
    with Sandbox() as sandbox:
        airflow = PrivateAirflow(home=folder / "home", settings=connection_settings(sandbox_connection(sandbox)))
        airflow.migrate(log)
        dags = ["example_theeye_sensor", "example_theeye_webhook", "example_theeye_hook"]
        airflow.python("-m", "tools.run_dags", "--results", str(results), *dags, log=log, timeout=300)
    found = {run["dag_id"]: {task["task_id"]: task for task in run["tasks"]} for run in json_lines(results)}
    if len(found) != len(dags):
        pytest.fail(f"Airflow did not finish the DAGs:\n{last_lines(log)}", pytrace=False)
    return found


def test_all_succeed(runs: dict[str, dict[str, Any]]) -> None:
    assert {task["state"] for tasks in runs.values() for task in tasks.values()} == {"success"}


def test_jobs_are_found_by_name(runs: dict[str, dict[str, Any]]) -> None:
    tasks = runs["example_theeye_sensor"]
    assert tasks["wait_for_the_task"]["xcoms"]["return_value"]["name"] == "Nightly Load"
    assert "Montevideo" in tasks["wait_for_the_workflow"]["xcoms"]["return_value"]["output"][0]


def test_webhook_starts_its_task(runs: dict[str, dict[str, Any]]) -> None:
    value = runs["example_theeye_webhook"]["wait_for_the_greeting"]["xcoms"]["return_value"]
    assert value["output"] == ["Hello, Airflow!"]


def test_hook_finds_starts_looks_and_cancels(runs: dict[str, dict[str, Any]]) -> None:
    values = {task_id: task["xcoms"]["return_value"] for task_id, task in runs["example_theeye_hook"].items()}
    assert values["list_tasks"][values["find"]] == "Long Import on host-a"
    assert values["look"]["name"] == "Long Import"
    # On a slow machine the job is over before it is stopped.
    assert values["stop"] in ("canceled/canceled", "terminated/canceled", "finished/success")
