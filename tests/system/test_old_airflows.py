"""Tasks in a real Airflow that cannot tell a trigger why it ends: which jobs are cancelled, and which are not.

Airflow before 3.3 cancels a trigger in the same way when a user kills its task and when the triggerer stops. The
connection is in Airflow's database: from the environment it could be had without the calls that may block or fail.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sandbox.definitions import DEFAULT_WORLD
from airflow_provider_theeye.version_compat import AIRFLOW_3, HAS_TASK_STATE_STORE
from tools.airflow_api import wait_until
from tools.airflow_env import CONNECTION_ID, EXAMPLE_DAGS, PrivateAirflow, sandbox_connection
from tools.standalone import Standalone
from tools.standalone2 import standalone

pytestmark = [
    pytest.mark.system,
    pytest.mark.slow,
    pytest.mark.skipif(HAS_TASK_STATE_STORE, reason="this Airflow tells triggers why they end; it has its own tests"),
]

EXAMPLE = "example_theeye_deferrable"
WAITS = "waits_for_ever"
WAITS_IN_WORKER = "waits_in_worker"
DAG_FILES = (EXAMPLE_DAGS / "example_theeye.py", Path(__file__).parent / "dags" / "waits_for_ever.py")
ENDLESS = """
tasks:
  endless: {name: Endless, host: host-a, script: sleep 900}
  endless-echo: {name: Endless Echo, host: host-a, arguments: [word], script: "echo $1; sleep 900"}
"""
MAPPED = 2
# Of Airflow 2 on SQLite the executor runs one task at a time, and the example has two dozen starts.
RUN_TIMEOUT = 900
# Nothing here measures speed, and a machine may be busy.
START_TIMEOUT = 600
CANCEL_TIMEOUT = 180
# The jobs are looked at once a second.
QUIET_SECONDS = 6.0
# From the end of a triggerer until the next one takes over its triggers.
TAKEOVER_SECONDS = 10
# Triggers are cancelled within a second or two; who has not cancelled a job after this will not do it.
UNTOUCHED_SECONDS = 12.0
# From the first look until all triggers run. Before that nobody can cancel the jobs of those that do not.
TAKEN_UP_SECONDS = 5.0
LIST = "GET /{customer}/job"


@pytest.fixture(scope="module")
def theeye(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    world = tmp_path_factory.mktemp("world") / "world.yaml"
    world.write_text(DEFAULT_WORLD.read_text().replace("\ntasks:\n", ENDLESS))
    # A cancelled script runs on, so each test leaves some behind.
    with Sandbox(world, extra_args=["--scripts", "200"]) as running:
        yield running


@pytest.fixture(scope="module")
def airflow(theeye: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    dags = tmp_path_factory.mktemp("dags")
    for file in DAG_FILES:
        shutil.copy(file, dags)
    settings = {"AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": str(TAKEOVER_SECONDS)}
    private = PrivateAirflow(home=tmp_path_factory.mktemp("old-airflow"), dags_folder=dags, settings=settings)
    with standalone(private, start_timeout=START_TIMEOUT) as running:
        running.api.put_connection(CONNECTION_ID, sandbox_connection(theeye))
        for dag_id in (EXAMPLE, WAITS, WAITS_IN_WORKER):
            running.api.wait_for_dag(dag_id, timeout=START_TIMEOUT)
        yield running


@dataclass
class Waiting:
    """A run of a DAG that waits for ever, all of its tasks deferred, or in the worker."""

    airflow: Standalone
    theeye: Sandbox
    run_id: str
    dag_id: str = WAITS

    def tasks(self, task_id: str) -> list[dict[str, Any]]:
        found = self.airflow.api.task_instances(self.dag_id, self.run_id)
        return [task for task in found if task["task_id"] == task_id]

    def jobs(self, name: str) -> list[dict[str, Any]]:
        return [job for job in self.theeye.journal()["jobs"].values() if job["name"] == name]

    def cancelled(self, name: str) -> int:
        return sum(job["cancelled"] for job in self.jobs(name))

    def wait_until_cancelled(self, name: str, count: int = 1) -> None:
        wait_until(
            lambda: self.cancelled(name) == count or None, f"{count} jobs {name} to be cancelled", CANCEL_TIMEOUT
        )

    def stays_untouched(self, name: str) -> bool:
        time.sleep(UNTOUCHED_SECONDS)
        return self.cancelled(name) == 0

    def wait_until_polled(self) -> None:
        """Until a triggerer asks for the jobs, whichever one that is now."""

        before = self.looks()
        wait_until(lambda: self.looks() > before or None, "the jobs to be looked at", START_TIMEOUT)

    def wait_until_forgotten(self) -> None:
        """Until no triggerer asks for the jobs any more."""

        def quiet() -> bool | None:
            before = self.looks()
            time.sleep(QUIET_SECONDS)
            return self.looks() == before or None

        wait_until(quiet, "the triggers to end", CANCEL_TIMEOUT)

    def looks(self) -> int:
        return int(self.theeye.journal()["requests"].get(LIST, 0))


@pytest.fixture
def waiting(airflow: Standalone, theeye: Sandbox) -> Iterator[Waiting]:
    theeye.reset_journal()
    run = Waiting(airflow, theeye, airflow.api.trigger(WAITS))

    def deferred() -> bool | None:
        states = [task["state"] for task in (*run.tasks("alone"), *run.tasks("mapped"))]
        return states == ["deferred"] * (1 + MAPPED) or None

    wait_until(deferred, "all tasks to be deferred", START_TIMEOUT)
    run.wait_until_polled()
    time.sleep(TAKEN_UP_SECONDS)
    yield run
    airflow.api.set_run_state(WAITS, run.run_id, "failed")
    # SQLite gives the numbers of deleted triggers to new ones, which the triggerer then takes for the old ones.
    run.wait_until_forgotten()


def test_an_example_runs_from_end_to_end(airflow: Standalone, theeye: Sandbox) -> None:
    theeye.reset_journal()
    run_id = airflow.api.trigger(EXAMPLE)
    state = airflow.api.wait_for_run(EXAMPLE, run_id, timeout=RUN_TIMEOUT)
    states = {task["task_id"]: task["state"] for task in airflow.api.task_instances(EXAMPLE, run_id)}
    assert state == "success", states
    assert set(states.values()) == {"success"}
    jobs = [job for job in theeye.journal()["jobs"].values() if "task_id" in job]
    assert {(job["created"], job["started"], job["cancelled"]) for job in jobs} == {(1, 1, 0)}


@pytest.mark.parametrize("state", ["failed", "success"])
def test_marking_a_deferred_task_cancels_its_job_and_no_other(waiting: Waiting, state: str) -> None:
    waiting.airflow.api.set_state(WAITS, waiting.run_id, "alone", state)
    waiting.wait_until_cancelled("Endless")
    assert waiting.cancelled("Endless Echo") == 0


def test_marking_one_of_several_mapped_tasks_cancels_its_job_alone(waiting: Waiting) -> None:
    waiting.airflow.api.set_state(WAITS, waiting.run_id, "mapped", "failed", map_index=1)
    waiting.wait_until_cancelled("Endless Echo")
    assert waiting.cancelled("Endless") == 0


def test_clearing_a_deferred_task(waiting: Waiting) -> None:
    """Airflow 2 lets us see it; 3.0 to 3.2 do not, and the job of before is left to run."""
    waiting.airflow.api.clear(WAITS, waiting.run_id, ["alone"])
    wait_until(lambda: len(waiting.jobs("Endless")) == 2 or None, "the cleared task to start a job anew", START_TIMEOUT)
    if AIRFLOW_3:
        assert waiting.stays_untouched("Endless")
    else:
        waiting.wait_until_cancelled("Endless")
    assert waiting.cancelled("Endless Echo") == 0


def test_failing_the_run_cancels_the_jobs_of_all_its_tasks(waiting: Waiting) -> None:
    waiting.airflow.api.set_run_state(WAITS, waiting.run_id, "failed")
    waiting.wait_until_cancelled("Endless")
    waiting.wait_until_cancelled("Endless Echo", MAPPED)


@pytest.fixture
def in_worker(airflow: Standalone, theeye: Sandbox) -> Iterator[Waiting]:
    theeye.reset_journal()
    run = Waiting(airflow, theeye, airflow.api.trigger(WAITS_IN_WORKER), WAITS_IN_WORKER)

    def waits() -> bool | None:
        started = [job["started"] for job in run.jobs("Endless")]
        return (started == [1] and [task["state"] for task in run.tasks("alone")] == ["running"]) or None

    wait_until(waits, "the task to wait in its worker", START_TIMEOUT)
    run.wait_until_polled()
    yield run
    airflow.api.set_run_state(WAITS_IN_WORKER, run.run_id, "failed")
    run.wait_until_forgotten()


@pytest.mark.parametrize("state", ["failed", "success"])
def test_marking_a_task_in_a_worker_cancels_its_job(in_worker: Waiting, state: str) -> None:
    in_worker.airflow.api.set_state(WAITS_IN_WORKER, in_worker.run_id, "alone", state)
    in_worker.wait_until_cancelled("Endless")
    assert len(in_worker.jobs("Endless")) == 1


def clear_in_worker(run: Waiting, log: Path) -> None:
    """As Airflow's web pages do. The REST API of Airflow 2 changes nothing about a task that runs."""
    if AIRFLOW_3:
        run.airflow.api.clear(WAITS_IN_WORKER, run.run_id, ["alone"])
    else:
        begun = run.run_id.partition("__")[2]
        this_run_alone = ("--start-date", begun, "--end-date", begun)
        what = ("--task-regex", "^alone$", *this_run_alone, WAITS_IN_WORKER)
        run.airflow.airflow.command("tasks", "clear", "--yes", *what, log=log)


def test_clearing_a_task_in_a_worker(in_worker: Waiting, tmp_path: Path) -> None:
    clear_in_worker(in_worker, tmp_path / "clear.log")
    in_worker.wait_until_cancelled("Endless")
    if AIRFLOW_3:
        return  # 3.0 may leave the task restarting for ever (Airflow #55045)
    wait_until(lambda: len(in_worker.jobs("Endless")) == 2 or None, "the cleared task to start anew", START_TIMEOUT)


@pytest.mark.parametrize("ending", ["killed", "stopped"])
def test_a_triggerer_that_ends_cancels_nothing_and_the_next_one_goes_on(waiting: Waiting, ending: str) -> None:
    triggerer = psutil.Process(waiting.airflow.component_pid("triggerer"))
    processes = [triggerer, *triggerer.children(recursive=True)]
    for process in processes if ending == "killed" else [triggerer]:
        process.kill() if ending == "killed" else process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=CANCEL_TIMEOUT)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
    assert waiting.stays_untouched("Endless")
    waiting.airflow.start_component("triggerer")
    waiting.wait_until_polled()
    assert [task["state"] for task in waiting.tasks("alone")] == ["deferred"]
    # That the next triggerer has the trigger now is seen from what it does when the task is killed.
    waiting.airflow.api.set_state(WAITS, waiting.run_id, "alone", "failed")
    waiting.wait_until_cancelled("Endless")
