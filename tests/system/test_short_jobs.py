"""Jobs that are over soon after their tasks were deferred: Airflow must not take one process's end for the other's.

The database is PostgreSQL where it is installed. With SQLite a busy Airflow stumbles over its locks.
"""

from __future__ import annotations

import contextlib
import importlib.util
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from airflow_provider_theeye.sandbox import Sandbox
from tests.production.services import Postgres, ServiceFailed, find_program
from tools.airflow_api import run_path, wait_until
from tools.airflow_env import CONNECTION_ID, PrivateAirflow, sandbox_connection
from tools.standalone import Standalone

pytestmark = pytest.mark.system

DAG_FILE = Path(__file__).parent / "dags" / "short_jobs.py"
PATIENCE = 600.0
BUSY_LOOPS = 8
WORLD: dict[str, Any] = {
    "organizations": {"demo": {"hosts": ["host-a"], "users": {"integration": {"role": "integration"}}}},
    "tasks": {
        "short": {
            "name": "Short",
            "host": "host-a",
            "arguments": ["seconds"],
            "script": 'sleep "$1"; printf \'["%s"]\\n\' "$1"',
            "autoremove": None,
        },
        "gated": {
            "name": "Gated",
            "host": "host-a",
            "arguments": ["gate"],
            "script": 'while [ ! -e "$1" ]; do sleep 0.3; done; printf \'["%s"]\\n\' "$1"',
            "autoremove": None,
        },
    },
}
SETTINGS = {
    "AIRFLOW__CORE__PARALLELISM": "8",
    # A scheduler that is suspended for a while is not to be taken for dead, by itself, when it goes on.
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "3600",
}


@contextlib.contextmanager
def database(folder: Path) -> Iterator[dict[str, str]]:
    """Airflow's settings for PostgreSQL, none if there is none."""
    try:
        find_program("postgres")
    except ServiceFailed:
        yield {}
        return
    if not all(importlib.util.find_spec(driver) for driver in ("psycopg2", "asyncpg")):
        yield {}
        return
    postgres = Postgres(folder / "postgres", folder)
    try:
        postgres.create()
        yield {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": postgres.url()}
    finally:
        postgres.stop()


class Rig:
    """An Airflow and a TheEye with short jobs."""

    def __init__(self, airflow: Standalone, sandbox: Sandbox, folder: Path) -> None:
        self.airflow = airflow
        self.sandbox = sandbox
        self.folder = folder

    def start(self, dag_id: str, task: str, arguments: list[str]) -> str:
        self.airflow.api.wait_for_dag(dag_id, timeout=PATIENCE)
        return self.airflow.api.trigger(dag_id, {"task": task, "arguments": [[one] for one in arguments]})

    def states(self, dag_id: str, run_id: str) -> Counter[str]:
        """How many of the mapped tasks are in which state."""
        rows: list[dict[str, Any]] = []
        while True:
            path = f"{run_path(dag_id, run_id)}/taskInstances"
            answer = self.airflow.api.call("GET", path, params={"limit": 100, "offset": len(rows)})
            rows += answer["task_instances"]
            if len(rows) >= answer["total_entries"]:
                return Counter(row["state"] for row in rows if row["task_id"] == "work" and row["map_index"] >= 0)

    def state(self, dag_id: str, run_id: str) -> str | None:
        """That of the only mapped task."""
        return next(iter(self.states(dag_id, run_id)), None)

    def wait_for_end(self, dag_id: str, run_id: str, timeout: float = PATIENCE) -> Counter[str]:
        self.airflow.api.wait_for_run(dag_id, run_id, timeout=timeout)
        return self.states(dag_id, run_id)


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="short-jobs-")))
        folder.chmod(0o755)  # PostgreSQL runs with the rights of somebody else
        dags = folder / "dags"
        dags.mkdir()
        shutil.copy(DAG_FILE, dags)
        settings = {**SETTINGS, **stack.enter_context(database(folder))}
        sandbox = stack.enter_context(Sandbox(WORLD, extra_args=["--scripts", "200"]))
        airflow = stack.enter_context(
            Standalone(
                PrivateAirflow(home=folder / "airflow", dags_folder=dags, settings=settings), start_timeout=PATIENCE
            )
        )
        airflow.api.put_connection(CONNECTION_ID, sandbox_connection(sandbox))
        yield Rig(airflow, sandbox, folder)


@contextlib.contextmanager
def busy(loops: int) -> Iterator[None]:
    """Keep the machine's processors busy."""
    started = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]
    try:
        yield
    finally:
        for loop in started:
            loop.kill()
            loop.wait()


def lengths(count: int, longest: float) -> list[str]:
    chance = random.Random(count)
    return [f"{chance.uniform(0.2, longest):.2f}" for _ in range(count)]


@pytest.mark.parametrize("dag_id", ["short_jobs", "short_waits"])
def test_a_scheduler_that_hears_late_of_the_first_processs_end(dag_id: str, rig: Rig) -> None:
    """It stands still from before the deferral until the job is over, and then hears of both at once."""
    gate = rig.folder / f"gate-{dag_id}"
    run_id = rig.start(dag_id, "Gated", [str(gate)])
    wait_until(lambda: rig.state(dag_id, run_id) == "running" or None, "the first process to run", PATIENCE)
    scheduler = psutil.Process(rig.airflow.component_pid("scheduler"))
    scheduler.suspend()  # its workers go on
    try:
        wait_until(lambda: rig.state(dag_id, run_id) == "deferred" or None, "the deferral", PATIENCE)
        gate.touch()
        until = time.monotonic() + 8
        while time.monotonic() < until and rig.state(dag_id, run_id) == "deferred":
            time.sleep(0.5)
    finally:
        scheduler.resume()
    assert rig.wait_for_end(dag_id, run_id) == {"success": 1}


@pytest.mark.parametrize("dag_id", ["short_jobs", "short_waits"])
def test_a_few_short_jobs(dag_id: str, rig: Rig) -> None:
    """Some end in the worker, some just after the deferral."""
    run_id = rig.start(dag_id, "Short", lengths(10, longest=9.0))
    assert rig.wait_for_end(dag_id, run_id) == {"success": 10}


@pytest.mark.slow
def test_three_hundred_short_jobs_on_a_busy_machine(rig: Rig) -> None:
    with busy(BUSY_LOOPS):
        run_id = rig.start("short_jobs", "Short", lengths(300, longest=5.0))
        states = rig.wait_for_end("short_jobs", run_id, timeout=4 * PATIENCE)
    assert states == {"success": 300}
