"""The example DAGs in a real Airflow: scheduler, triggerer and API server are processes of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_theeye.sandbox import Sandbox
from tools.standalone import Standalone

pytestmark = pytest.mark.system

SYNC = "example_theeye_sync"
DEFERRABLE = "example_theeye_deferrable"
WAITING_TASKS = {
    "two_numbers",
    "add_up",
    "list_colours",
    "greet",
    "hello_by_secret",
    "weather_report",
    "wait_for_slow_job",
}
# Eight tasks of TheEye by themselves and the three steps of the workflow.
TASK_JOBS_PER_RUN = 11
RUN_TIMEOUT = 240


@pytest.fixture(scope="module")
def runs(airflow: Standalone, sandbox: Sandbox) -> dict[str, str]:
    """Both DAGs, started at the same time and run to their ends; DAG id to run id."""
    sandbox.reset_journal()
    for dag_id in (SYNC, DEFERRABLE):
        airflow.api.wait_for_dag(dag_id)
    started = {dag_id: airflow.api.trigger(dag_id) for dag_id in (SYNC, DEFERRABLE)}
    for dag_id, run_id in started.items():
        airflow.api.wait_for_run(dag_id, run_id, timeout=RUN_TIMEOUT)
    return started


def test_both_runs_succeed(airflow: Standalone, runs: dict[str, str]) -> None:
    for dag_id, run_id in runs.items():
        failed = [task for task in airflow.api.task_instances(dag_id, run_id) if task["state"] != "success"]
        logs = [
            airflow.api.task_log(dag_id, run_id, task["task_id"], map_index=task["map_index"])
            for task in failed
            if task["try_number"]
        ]
        assert not failed, "\n\n".join([str([task["task_id"] for task in failed]), *logs])
        assert airflow.api.run_state(dag_id, run_id) == "success"


def test_the_triggerer_did_the_waiting(airflow: Standalone, runs: dict[str, str]) -> None:
    assert tasks_with_trigger_log(airflow, DEFERRABLE, runs[DEFERRABLE]) == WAITING_TASKS
    assert tasks_with_trigger_log(airflow, SYNC, runs[SYNC]) == set()


def test_results_arrive_the_same_on_both_ways(airflow: Standalone, runs: dict[str, str]) -> None:
    def value(dag_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
        result = airflow.api.xcom(dag_id, runs[dag_id], task_id, map_index=map_index)
        # What differs between any two runs of the same thing.
        return {key: one for key, one in result.items() if key not in {"job_id", "steps"}}

    for task_id in WAITING_TASKS - {"greet"}:
        assert value(SYNC, task_id) == value(DEFERRABLE, task_id)
    for map_index in range(3):
        assert value(SYNC, "greet", map_index) == value(DEFERRABLE, "greet", map_index)
    assert value(DEFERRABLE, "add_up")["output"] == [42]


def test_one_run_is_one_job(sandbox: Sandbox, runs: dict[str, str]) -> None:
    jobs = [job for job in sandbox.journal()["jobs"].values() if "task_id" in job]
    assert len(jobs) == len(runs) * TASK_JOBS_PER_RUN
    assert {(job["created"], job["started"]) for job in jobs} == {(1, 1)}


def tasks_with_trigger_log(airflow: Standalone, dag_id: str, run_id: str) -> set[str]:
    """The tasks for which the triggerer, and nobody else, has written a log."""
    folder: Path = airflow.task_logs / f"dag_id={dag_id}" / f"run_id={run_id}"
    logs = folder.glob("task_id=*/**/attempt=1.log.trigger.*.log")
    return {log.relative_to(folder).parts[0].removeprefix("task_id=") for log in logs}
