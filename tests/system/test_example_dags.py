"""The example DAGs in a real Airflow: scheduler, triggerer and API server are processes of their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from airflow_provider_theeye.sandbox import Sandbox
from tools.standalone import Standalone

pytestmark = pytest.mark.system

SYNC = "example_theeye_sync"
DEFERRABLE = "example_theeye_deferrable"
HOSTS = ("host-a", "host-b")
# The tasks of a run that wait for a job and need no other task first, but for the one that starts the slow job.
FIRST_WAITS = ("two_numbers", "list_colours", "hello_by_secret", "weather_report", "wait_for_slow_job")
LATER_WAITS = ("add_up",)
GREETINGS = 3
# Eight tasks of TheEye by themselves and the three steps of the workflow.
TASK_JOBS_PER_RUN = 11
RUN_TIMEOUT = 240


@dataclass(frozen=True)
class Runs:
    """The runs, by DAG id, and what the deferrable one's tasks looked like while no host took their jobs."""

    ids: dict[str, str]
    while_waiting: dict[str, dict[str, Any]]
    links_while_waiting: dict[str, str | None]
    processes_while_waiting: list[int]


@pytest.fixture(scope="module")
def runs(airflow: Standalone, sandbox: Sandbox) -> Runs:
    """Both DAGs, run to their ends."""
    sandbox.reset_journal()
    for dag_id in (SYNC, DEFERRABLE):
        airflow.api.wait_for_dag(dag_id)
    # Dead hosts take no jobs, so that all waits are seen at the same time, however slow this machine is.
    for host in HOSTS:
        sandbox.set_host(host, alive=False)
    ids = {DEFERRABLE: airflow.api.trigger(DEFERRABLE)}
    waits = {
        task_id: airflow.api.wait_for_task(
            DEFERRABLE, ids[DEFERRABLE], task_id, ["deferred", "success", "failed"], timeout=RUN_TIMEOUT
        )
        for task_id in FIRST_WAITS
    }
    links = {task_id: link(airflow, DEFERRABLE, ids[DEFERRABLE], task_id) for task_id in FIRST_WAITS}
    processes = airflow.task_pids([task["id"] for task in waits.values()])
    for host in HOSTS:
        sandbox.set_host(host, alive=True)
    ids[SYNC] = airflow.api.trigger(SYNC)
    for dag_id, run_id in ids.items():
        airflow.api.wait_for_run(dag_id, run_id, timeout=RUN_TIMEOUT)
    return Runs(ids, waits, links, processes)


def test_both_runs_succeed(airflow: Standalone, runs: Runs) -> None:
    for dag_id, run_id in runs.ids.items():
        failed = [task for task in airflow.api.task_instances(dag_id, run_id) if task["state"] != "success"]
        logs = [
            airflow.api.task_log(dag_id, run_id, task["task_id"], task["try_number"], task["map_index"])
            for task in failed
            if task["try_number"]
        ]
        assert not failed, "\n\n".join([str([task["task_id"] for task in failed]), *logs])
        assert airflow.api.run_state(dag_id, run_id) == "success"


def test_waiting_takes_no_worker(runs: Runs) -> None:
    assert {task_id: task["state"] for task_id, task in runs.while_waiting.items()} == dict.fromkeys(
        FIRST_WAITS, "deferred"
    )
    assert runs.processes_while_waiting == []


def test_the_link_is_there_while_the_task_is_deferred(runs: Runs, sandbox: Sandbox) -> None:
    assert set(runs.links_while_waiting) == set(FIRST_WAITS)
    assert all(str(url).startswith(f"{sandbox.url}/jobs/") for url in runs.links_while_waiting.values())


def test_mapped_tasks_have_a_link_each(airflow: Standalone, runs: Runs) -> None:
    for dag_id, run_id in runs.ids.items():
        for map_index in range(GREETINGS):
            job_id = airflow.api.xcom(dag_id, run_id, "greet", map_index=map_index)["job_id"]
            assert str(link(airflow, dag_id, run_id, "greet", map_index)).endswith(f"/jobs/{job_id}")


def test_the_triggerer_did_the_waiting(airflow: Standalone, runs: Runs) -> None:
    assert set(FIRST_WAITS) <= tasks_with_trigger_log(airflow, DEFERRABLE, runs.ids[DEFERRABLE])
    assert tasks_with_trigger_log(airflow, SYNC, runs.ids[SYNC]) == set()


def test_results_arrive_the_same_on_both_ways(airflow: Standalone, runs: Runs) -> None:
    def value(dag_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
        result = airflow.api.xcom(dag_id, runs.ids[dag_id], task_id, map_index=map_index)
        # Ids differ between any two runs of the same thing; everything else is the same.
        result["url"] = result["url"].replace(result["job_id"], "ID")
        return {key: one for key, one in result.items() if key not in {"job_id", "steps"}}

    for task_id in (*FIRST_WAITS, *LATER_WAITS):
        assert value(SYNC, task_id) == value(DEFERRABLE, task_id)
    for map_index in range(GREETINGS):
        assert value(SYNC, "greet", map_index) == value(DEFERRABLE, "greet", map_index)
    assert value(DEFERRABLE, "add_up")["output"] == [42]


def test_one_run_is_one_job(sandbox: Sandbox, runs: Runs) -> None:
    jobs = [job for job in sandbox.journal()["jobs"].values() if "task_id" in job]
    assert len(jobs) == len(runs.ids) * TASK_JOBS_PER_RUN
    assert {(job["created"], job["started"]) for job in jobs} == {(1, 1)}


def link(airflow: Standalone, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> str | None:
    """Where Airflow's button "TheEye" leads."""
    path = f"dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}/links"
    links: dict[str, str | None] = airflow.api.call("GET", path, params={"map_index": map_index})["extra_links"]
    return links["TheEye"]


def tasks_with_trigger_log(airflow: Standalone, dag_id: str, run_id: str) -> set[str]:
    """The tasks for which the triggerer, and nobody else, has written a log."""
    folder: Path = airflow.task_logs / f"dag_id={dag_id}" / f"run_id={run_id}"
    logs = folder.glob("task_id=*/**/attempt=1.log.trigger.*.log")
    return {log.relative_to(folder).parts[0].removeprefix("task_id=") for log in logs}
