"""Jobs that end in TheEye run a DAG, exactly once each, also if the triggerer was away meanwhile. A real Airflow."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from airflow_provider_theeye.sandbox import Sandbox
from tools.airflow_api import wait_until
from tools.airflow_env import CONNECTION_ID, EXAMPLE_DAGS, PrivateAirflow, sandbox_connection
from tools.standalone import Standalone

pytestmark = pytest.mark.system

DAG = "example_theeye_asset"
KEY = "one-at-a-time"
LIST = "GET /{customer}/job"


@pytest.fixture(scope="module")
def theeye() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def watching(theeye: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    """An Airflow of its own, since its triggerer is killed, with this one example alone."""
    dags = tmp_path_factory.mktemp("dags")
    shutil.copy(EXAMPLE_DAGS / "example_theeye_asset.py", dags)
    with Standalone(PrivateAirflow(home=tmp_path_factory.mktemp("watching"), dags_folder=dags)) as standalone:
        standalone.api.put_connection(CONNECTION_ID, sandbox_connection(theeye))
        standalone.api.wait_for_dag(DAG)
        yield standalone


def start_job(theeye: Sandbox) -> str:
    """As anybody may who has the task's secret key: Airflow has no part in it."""
    url = f"{theeye.url}/task/{theeye.task_id(KEY)}/secret/{theeye.task_secret(KEY)}/job"
    answer = requests.post(url, json={"task_arguments": []}, timeout=10)
    answer.raise_for_status()
    return str(answer.json()["id"])


def told(watching: Standalone) -> dict[str, list[str]]:
    """Ids of the jobs by the ids of the finished runs that were told of them."""
    runs = watching.api.call("GET", f"dags/{DAG}/dagRuns")["dag_runs"]
    return {
        run["dag_run_id"]: [job["job_id"] for job in watching.api.xcom(DAG, run["dag_run_id"], "jobs_that_ended")]
        for run in runs
        if run["state"] == "success"
    }


def wait_for_jobs(watching: Standalone, job_ids: list[str]) -> dict[str, list[str]]:
    def all_told() -> dict[str, list[str]] | None:
        found = told(watching)
        return found if {one for ids in found.values() for one in ids} >= set(job_ids) else None

    return wait_until(all_told, f"runs of {DAG} for {job_ids}", 240)


def wait_until_it_watches(theeye: Sandbox) -> None:
    theeye.reset_journal()
    theeye.wait(lambda: theeye.journal()["requests"].get(LIST, 0) >= 3, seconds=240, every=0.5)


def test_each_job_is_told_exactly_once(theeye: Sandbox, watching: Standalone) -> None:
    wait_until_it_watches(theeye)
    jobs: list[str] = []
    for _ in range(2):
        jobs.append(start_job(theeye))
        runs = wait_for_jobs(watching, jobs)
    assert sorted(runs.values()) == sorted([job] for job in jobs), "one run each"

    time.sleep(10)  # what was told is remembered a moment later
    psutil.Process(watching.trigger_runner_pid()).kill()
    triggerer = psutil.Process(watching.component_pid("triggerer"))
    triggerer.kill()
    jobs += [start_job(theeye), start_job(theeye)]  # both are over before anybody looks
    theeye.wait(lambda: all(is_over(theeye, job) for job in jobs), seconds=30)
    watching.start_component("triggerer")
    wait_for_jobs(watching, jobs)
    jobs.append(start_job(theeye))
    wait_for_jobs(watching, jobs)

    time.sleep(12)  # two more looks
    assert sorted(told(watching).values()) == sorted([job] for job in jobs), "one run each"


def test_what_the_run_is_told(theeye: Sandbox, watching: Standalone) -> None:
    job = start_job(theeye)
    runs = wait_for_jobs(watching, [job])
    run_id = next(run_id for run_id, ids in runs.items() if job in ids)
    payloads: list[dict[str, Any]] = watching.api.xcom(DAG, run_id, "jobs_that_ended")
    assert payloads == [
        {
            "job_id": job,
            "task_id": theeye.task_id(KEY),
            "workflow_id": None,
            "name": "One At A Time",
            "lifecycle": "finished",
            "state": "success",
            "outcome": "succeeded",
            "url": f"{theeye.url}/jobs/{job}",
        }
    ]


def is_over(theeye: Sandbox, job_id: str) -> bool:
    url = f"{theeye.url}/{theeye.organization}/job/{job_id}"
    answer = requests.get(url, headers={"Authorization": f"Bearer {theeye.token()}"}, timeout=10)
    return bool(answer.json()["lifecycle"] == "finished")


def test_airflow_logs_no_error_of_the_trigger(watching: Standalone) -> None:
    lines = Path(watching.log).read_text(errors="replace").splitlines()
    assert [line for line in lines if "theeye" in line.lower() and "error" in line.lower()] == []
