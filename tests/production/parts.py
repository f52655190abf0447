"""Airflow in parts, each a process group of its own, started again when it ends as systemd and Kubernetes do."""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import requests

from tests.production import hostname
from tools.airflow_api import AirflowApi
from tools.airflow_env import ROOT, Ports, PrivateAirflow
from tools.processes import end_session, session_members
from tools.standalone import PASSWORDS, USERNAME

DAGS = Path(__file__).parent / "dags"
SLOTS = 8
RESTART_AFTER = 5.0
STOP_GRACE = 4.0
#: Seconds for a request that changes a hundred tasks.
ANSWER_WITHIN = 180.0

COMMANDS: dict[str, tuple[str, ...]] = {
    "api-server": ("api-server",),
    "scheduler-1": ("scheduler", "--skip-serve-logs"),
    "scheduler-2": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer-1": ("triggerer", "--skip-serve-logs"),
    "triggerer-2": ("triggerer", "--skip-serve-logs"),
    "worker-1": ("celery", "worker", "--skip-serve-logs"),
    "worker-2": ("celery", "worker", "--skip-serve-logs"),
}
#: Lost parts are noticed sooner than by default, so that a row takes a minute instead of five.
SETTINGS = {
    "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
    "AIRFLOW__CORE__PARALLELISM": "32",
    "AIRFLOW__CORE__HOSTNAME_CALLABLE": f"{hostname.__name__}.{hostname.of_part.__name__}",
    "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(SLOTS),
    "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "45",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "120",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "15",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "15",
}


class Part:
    """One command of Airflow that shall run, and what runs of it."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self._command = command
        self._environment = {**environment, hostname.VARIABLE: name}
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._ended_at = 0.0
        self.started_at = math.inf
        self.ends = 0
        self.wanted = False

    def start(self) -> None:
        self.wanted, self.started_at = True, time.time()
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                ["airflow", *self._command],
                env=self._environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def tend(self) -> None:
        """Start it again a moment after it ended, unless it was stopped."""
        if not self.wanted or (self._process is not None and self._process.poll() is None):
            return
        if self._process is not None:
            # What its end has left behind would go on beside its successor.
            end_session(self._process, grace=0)
            self._process, self._ended_at, self.started_at = None, time.monotonic(), math.inf
            self.ends += 1
        if time.monotonic() - self._ended_at >= RESTART_AFTER:
            self.start()

    def members(self) -> list[psutil.Process]:
        return session_members(self._process.pid) if self._process is not None else []

    def kill(self) -> None:
        """As the end of a machine does it: all of it, and none of it has the time to tell of the others' end."""
        members, self.started_at = self.members(), math.inf
        for act in (psutil.Process.suspend, psutil.Process.kill):
            for process in members:
                with contextlib.suppress(psutil.Error):
                    act(process)

    @contextlib.contextmanager
    def frozen(self) -> Any:
        members = self.members()
        for process in members:
            with contextlib.suppress(psutil.Error):
                process.suspend()
        try:
            yield
        finally:
            for process in members:
                with contextlib.suppress(psutil.Error):
                    process.resume()

    def stop(self, grace: float = STOP_GRACE) -> None:
        self.wanted = False
        if self._process is not None:
            end_session(self._process, grace=grace)
            self._process = None


class Airflow:
    """All parts, and the REST API."""

    def __init__(self, folder: Path, logs: Path, settings: Mapping[str, str]) -> None:
        ports = Ports.free()
        self.url = f"http://127.0.0.1:{ports.api}"
        self.home = folder / "airflow"
        # Airflow imports the name of a part from this checkout.
        wanted = {**ports.settings(), **SETTINGS, **settings, "PYTHONPATH": str(ROOT)}
        self._private = PrivateAirflow(home=self.home, dags_folder=DAGS, settings=wanted)
        self._log = logs / "airflow.log"
        environment = self._private.environment()
        self.parts = {name: Part(name, _command(name), environment, logs / f"{name}.log") for name in COMMANDS}
        self._api: AirflowApi | None = None

    @property
    def api(self) -> AirflowApi:
        if self._api is None:
            password = json.loads((self.home / PASSWORDS).read_text())[USERNAME]
            self._api = AirflowApi(self.url, USERNAME, password, timeout=ANSWER_WITHIN)
        return self._api

    def start(self) -> None:
        self._private.migrate(self._log)
        for part in self.parts.values():
            part.start()

    def tend(self) -> None:
        for part in self.parts.values():
            part.tend()

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/api/v2/version", timeout=5).ok and (self.home / PASSWORDS).is_file()
        except requests.RequestException:
            return False

    def alive(self, kind: str) -> dict[int, str]:
        """The schedulers or triggerers that Airflow counts as alive: their parts by the number of their job.

        Airflow counts a killed one for a while; here only what was started last counts.
        """
        jobs = self.api.call("GET", "jobs", params={"job_type": kind, "is_alive": True, "limit": 100})["jobs"]
        return {
            job["id"]: job["hostname"]
            for job in jobs
            if datetime.fromisoformat(job["start_date"]).timestamp() >= self.parts[job["hostname"]].started_at
        }

    def is_whole(self) -> bool:
        """Whether Airflow counts two of both as alive."""
        return all(len(self.alive(kind)) == 2 for kind in ("SchedulerJob", "TriggererJob"))

    def stop(self) -> None:
        if self._api is not None:
            self._api.close()
        for part in self.parts.values():
            part.kill()
        for part in self.parts.values():
            part.stop(grace=0)


def _command(name: str) -> tuple[str, ...]:
    command = COMMANDS[name]
    return (*command, "--celery-hostname", name) if name.startswith("worker") else command
