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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests

from airflow_provider_theeye.sandbox import Sandbox
from tests.production.services import Postgres, ServiceFailed, find_program
from tools.airflow_api import FINISHED_RUN_STATES, run_path, wait_until
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
SETTINGS = {"AIRFLOW__CORE__PARALLELISM": "8"}
Answer = TypeVar("Answer")


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

    def run(self, dag_id: str, conf: dict[str, Any], timeout: float = PATIENCE) -> Counter[str]:
        """Run a DAG; returns how many of its tasks `work` came to which state."""
        self.patiently(lambda: self.airflow.api.wait_for_dag(dag_id, timeout=PATIENCE) or True)
        run_id = self.airflow.api.trigger(dag_id, conf)
        deadline = time.monotonic() + timeout
        while self.patiently(lambda: self.airflow.api.run_state(dag_id, run_id)) not in FINISHED_RUN_STATES:
            assert time.monotonic() < deadline, f"{dag_id} has not ended after {timeout:.0f} s"
            time.sleep(2)
        return self.patiently(lambda: self._states(dag_id, run_id))

    def what_airflow_says(self) -> str:
        """The lines that tell why tasks failed."""
        lines = self.airflow.log.read_text(errors="replace").splitlines()
        signs = ("but the task instance's state attribute is", "Task failed with exception", "The task goes on in")
        return "\n".join(line[:400] for line in lines if any(sign in line for sign in signs))

    def _states(self, dag_id: str, run_id: str) -> Counter[str]:
        rows: list[dict[str, Any]] = []
        while True:
            path = f"{run_path(dag_id, run_id)}/taskInstances"
            answer = self.airflow.api.call("GET", path, params={"limit": 100, "offset": len(rows)})
            rows += answer["task_instances"]
            if len(rows) >= answer["total_entries"]:
                return Counter(row["state"] for row in rows if row["task_id"] == "work")

    @staticmethod
    def patiently(ask: Callable[[], Answer]) -> Answer:
        """Airflow on a busy machine may answer too late for one time."""

        def once() -> tuple[Answer] | None:
            with contextlib.suppress(requests.Timeout, requests.ConnectionError):
                return (ask(),)
            return None

        return wait_until(once, "an answer of Airflow", PATIENCE)[0]


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


def lengths(count: int, longest: float) -> list[list[str]]:
    """Seconds, as the arguments of one job each."""
    chance = random.Random(count)
    return [[f"{chance.uniform(0.2, longest):.2f}"] for _ in range(count)]


@pytest.mark.parametrize("dag_id", ["short_jobs", "short_waits"])
def test_a_few_short_jobs(dag_id: str, rig: Rig) -> None:
    """Some end in the worker, some just after the deferral."""
    assert rig.run(dag_id, {"arguments": lengths(10, longest=9.0)}) == {"success": 10}, rig.what_airflow_says()


@pytest.mark.parametrize("dag_id", ["slow_to_end_job", "slow_to_end_wait"])
def test_a_task_whose_first_process_is_seen_to_end_after_its_job(dag_id: str, rig: Rig) -> None:
    """After the other tests: a triggerer that has only just started may be late enough by itself."""
    assert rig.run(dag_id, {"gate": str(rig.folder / f"gate-of-{dag_id}")}) == {"success": 1}, rig.what_airflow_says()


@pytest.mark.slow
def test_three_hundred_short_jobs_on_a_busy_machine(rig: Rig) -> None:
    with busy(BUSY_LOOPS):
        states = rig.run("short_jobs", {"arguments": lengths(300, longest=5.0)}, timeout=4 * PATIENCE)
    assert states == {"success": 300}, rig.what_airflow_says()
