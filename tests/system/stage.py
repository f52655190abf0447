"""A real Airflow and a TheEye whose scripts end when they are told to, so that waits can be disturbed."""

from __future__ import annotations

import contextlib
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil
import requests

from airflow_provider_theeye.sandbox import Sandbox
from tools.airflow_api import AirflowApiError, wait_until
from tools.airflow_env import CONNECTION_ID, PrivateAirflow
from tools.standalone import Standalone

Answer = TypeVar("Answer")

TASK = "work"
KINDS = ("task", "workflow")
MODES = ("sync", "deferrable")
DAG_FILES = [Path(__file__).parent / "dags" / name for name in ("disturbed.py", "edited.py")]
#: A machine that is shared with others is slow; nothing that works takes so long.
PATIENCE = 300.0
OVER = ("finished", "terminated", "canceled")
#: Names of the steps of the fork, the last two of which wait at the gate.
STEPS = ("Gated Fork / first", "Gated Fork / left", "Gated Fork / right")
WAITING = {"task": ("Gated",), "workflow": STEPS[1:]}
STARTED_ONCE = {"task": {"Gated": 1}, "workflow": dict.fromkeys(STEPS, 1)}

_GATE = 'while [ ! -e "$1" ]; do sleep 0.3; done\n'
_HAND_ON = 'printf \'["%s"]\\n\' "$1"'
WORLD: dict[str, Any] = {
    "organizations": {
        "demo": {
            "hosts": ["host-a", "host-b"],
            "users": {name: {"role": "integration"} for name in ("integration", "before", "after")},
        }
    },
    "tasks": {
        "gated": {
            "name": "Gated",
            "host": "host-a",
            "arguments": ["gate"],
            "script": f"{_GATE}echo opened\n{_HAND_ON}",
            "autoremove": None,
        }
    },
    "workflows": {
        "gated-fork": {
            "name": "Gated Fork",
            "host": "host-a",
            "autoremove": None,
            "steps": {
                "first": {"arguments": ["gate"], "script": _HAND_ON, "autoremove": None},
                "left": {"arguments": ["gate"], "script": f"{_GATE}{_HAND_ON}", "autoremove": None},
                # It ends last, so that the result is always the same step's.
                "right": {
                    "host": "host-b",
                    "arguments": ["gate"],
                    "script": f"{_GATE}sleep 3\n{_HAND_ON}",
                    "autoremove": None,
                },
            },
            "edges": [{"from": "first", "to": "left"}, {"from": "first", "to": "right"}],
        }
    },
    "webhooks": {"hook": {"name": "Hook", "triggers": ["gated"]}},
}
SETTINGS = {
    "AIRFLOW__CORE__PARALLELISM": "16",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "45",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "20",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "15",
}


class Stage:
    """Both, for the length of a `with`."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        dags = folder / "dags"
        dags.mkdir()
        for file in DAG_FILES:
            shutil.copy(file, dags)
        self.gates = folder / "gates"
        self.gates.mkdir()
        self.sandbox = Sandbox(WORLD, extra_args=["--scripts", "200"])
        self.airflow = Standalone(
            PrivateAirflow(home=folder / "airflow", dags_folder=dags, settings={**SETTINGS, **(settings or {})}),
            start_timeout=PATIENCE,
        )
        self._runs = 0

    @contextlib.contextmanager
    def running(self) -> Iterator[Stage]:
        with self.sandbox, self.airflow:
            self.put_connections()
            self.airflow.api.wait_for_dag("waits_task_sync", timeout=PATIENCE)
            yield self

    def set_retries(self, retries: int) -> None:
        """Of the task in ``edited.py``, as its author would; Airflow has taken note when this returns."""
        file = self.airflow.airflow.dags_folder / "edited.py"
        file.write_text(re.sub(r"RETRIES = \d+", f"RETRIES = {retries}", file.read_text()))
        task = f"dags/edited_task_sync/tasks/{TASK}"

        def seen() -> bool | None:
            return self.airflow.api.call("GET", task)["retries"] == retries or None

        self.wait(seen, "Airflow to read the edited DAG")

    def put_connections(self) -> None:
        """In Airflow's database: from the environment they could be had without the calls that may block or fail."""
        secrets = {
            self.sandbox.task_id("gated"): self.sandbox.task_secret("gated"),
            self.sandbox.webhook_id("hook"): self.sandbox.webhook_secret("hook"),
        }
        default = self.sandbox.airflow_connection(secrets=secrets)
        self.airflow.api.put_connection(CONNECTION_ID, default)
        self.airflow.api.put_connection("theeye_rotated", self.sandbox.airflow_connection("before"))
        self.airflow.api.put_connection("theeye_keyonly", default | {"password": ""})

    def insist(self, act: Callable[[], Answer]) -> Answer:
        """Ask Airflow for something again if its SQLite database was busy for too long."""

        def once() -> tuple[Answer] | None:
            try:
                return (act(),)
            except AirflowApiError as error:
                if "Database error" not in str(error):
                    raise
            return None

        return self.wait(once, "Airflow's database to be free")[0]

    def start(self, dag_id: str) -> Run:
        """Trigger a run; its jobs end when its gate is opened."""
        self._runs += 1
        gate = self.gates / str(self._runs)
        conf = {
            "gate": str(gate),
            "theeye_task_id": self.sandbox.task_id("gated"),
            "webhook_id": self.sandbox.webhook_id("hook"),
        }
        return Run(self, dag_id, self.insist(lambda: self.airflow.api.trigger(dag_id, conf)), gate)

    def triggerer(self) -> list[psutil.Process]:
        """The triggerer and what runs its triggers."""
        process = psutil.Process(self.airflow.component_pid("triggerer"))
        return [process, *process.children()]

    def freeze(self, processes: list[psutil.Process]) -> None:
        """Suspend them at a moment at which none has a lock on the SQLite database: it would stop all of Airflow."""

        def frozen() -> bool | None:
            for process in processes:
                process.suspend()
            if self._database_is_free():
                return True
            for process in processes:
                process.resume()
            return None

        self.wait(frozen, "a moment without a lock")

    def _database_is_free(self) -> bool:
        with contextlib.closing(sqlite3.connect(self.airflow.airflow.home / "airflow.db", timeout=1)) as database:
            try:
                database.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError:
                return False
            database.rollback()
        return True

    def replace(self, component: str, kill: Callable[[psutil.Process], None]) -> None:
        """End one part of Airflow together with what runs its work, then start a new one."""
        old = psutil.Process(self.airflow.component_pid(component))
        for process in self.triggerer() if component == "triggerer" else [old]:
            with contextlib.suppress(psutil.Error):
                kill(process)
        psutil.wait_procs([old], timeout=30)
        self.airflow.start_component(component)

    def wait(self, look: Callable[[], Answer | None], what: str, timeout: float = PATIENCE) -> Answer:
        """Ask again and again; on a busy machine Airflow may answer too late for one time."""

        def patiently() -> Answer | None:
            with contextlib.suppress(requests.Timeout, requests.ConnectionError):
                return look()
            return None

        return wait_until(patiently, what, timeout)

    def theeye(self, path: str, **query: str) -> Any:
        """Ask TheEye, as somebody whose token is never revoked."""
        headers = {"Authorization": f"Bearer {self.sandbox.token()}"}
        answer = requests.get(f"{self.sandbox.url}{path}", params=query, headers=headers, timeout=30)
        answer.raise_for_status()
        return answer.json()


@dataclass(frozen=True)
class Run:
    """A DAG run with one task, and the jobs that were started for it, whatever Airflow knows of them."""

    stage: Stage
    dag_id: str
    run_id: str
    gate: Path

    @property
    def kind(self) -> str:
        return self.dag_id.split("_")[1]

    @property
    def mode(self) -> str:
        return self.dag_id.split("_")[2]

    # -- TheEye's side

    def jobs(self) -> list[dict[str, Any]]:
        """Script jobs that got this run's gate as their argument, oldest first."""
        rows = self.stage.theeye("/demo/job", **{"where[task_arguments_values.0]": str(self.gate)})
        return sorted((row for row in rows if row["_type"] == "ScriptJob"), key=lambda row: row["creation_date"])

    def workflow_jobs(self) -> list[dict[str, Any]]:
        ids = {row["workflow_job_id"] for row in self.jobs() if row.get("workflow_job_id")}
        return [self.stage.theeye(f"/demo/job/{one}") for one in sorted(ids)]

    def starts(self) -> dict[str, int]:
        """How often a script of each name was started."""
        journal = self.stage.sandbox.journal()["jobs"]
        counts: dict[str, int] = {}
        for job in self.jobs():
            counts[job["name"]] = counts.get(job["name"], 0) + journal[job["id"]]["started"]
        return counts

    def cancelled(self) -> list[dict[str, Any]]:
        return [job for job in self.jobs() if job["state"] == "canceled"]

    def at(self, job_id: str, lifecycle: str) -> float:
        """When a job came to a lifecycle first."""
        history = self.stage.sandbox.request("GET", f"/_sandbox/jobs/{job_id}")["history"]
        return min(float(moment["at"]) for moment in history if moment["lifecycle"] == lifecycle)

    def cancellations(self) -> int:
        journal = self.stage.sandbox.journal()["jobs"]
        return sum(journal[job["id"]]["cancelled"] for job in self.jobs())

    def at_the_gate(self) -> list[str]:
        """Ids of the jobs whose scripts wait."""
        names = WAITING[self.kind]
        return [job["id"] for job in self.jobs() if job["name"] in names and job["lifecycle"] == "assigned"]

    def live(self) -> list[str]:
        """What is not over, by name and lifecycle."""
        return [
            f"{job.get('name')}: {job['lifecycle']}"
            for job in (*self.jobs(), *self.workflow_jobs())
            if job["lifecycle"] not in OVER
        ]

    def wait_until_nothing_is_live(self) -> None:
        self.stage.wait(lambda: not self.live() or None, f"the jobs of {self.dag_id} to be over")

    def open_gate(self) -> None:
        self.gate.touch()

    # -- Airflow's side

    def task(self) -> dict[str, Any]:
        return self.stage.airflow.api.task_instance(self.dag_id, self.run_id, TASK)

    def is_at_the_gate(self, jobs: int = 0) -> bool:
        """Whether the scripts, or so many of them, wait and Airflow does not do more than that either."""
        state = "running" if self.mode == "sync" else "deferred"
        return self.task()["state"] == state and len(self.at_the_gate()) == (jobs or len(WAITING[self.kind]))

    def is_waiting(self, tries: int = 1) -> bool:
        """Whether the try with that number, or a later one, has seen that its scripts wait at the gate."""
        number = self.task()["try_number"]
        return number >= tries and self.is_at_the_gate() and self._has_looked(number)

    def _has_looked(self, number: int) -> bool:
        """Whether worker or triggerer have come to the wait in that try: they note what the first look shows.

        A task is deferred before its trigger runs, and until then there is nothing that could cancel.
        """
        log = self.stage.airflow.api.task_log(self.dag_id, self.run_id, TASK, number)
        return "is assigned" in log or "is started" in log

    def wait_until_waiting(self, tries: int = 1) -> Run:
        self.stage.wait(lambda: self.is_waiting(tries) or None, f"{self.dag_id} to wait in try {tries}")
        return self

    def wait_for_end(self) -> str:
        return self.stage.airflow.api.wait_for_run(self.dag_id, self.run_id, timeout=PATIENCE)

    def result(self) -> dict[str, Any]:
        value: dict[str, Any] = self.stage.airflow.api.xcom(self.dag_id, self.run_id, TASK)
        return value

    def log(self) -> str:
        """The logs of all tries, and how they ended, for telling what went wrong."""
        task = self.task()
        tries = range(1, task["try_number"] + 1)
        logs = [self.stage.airflow.api.task_log(self.dag_id, self.run_id, TASK, number) for number in tries]
        return "\n".join([f"{self.dag_id}: {task['state']}, try {task['try_number']}", *logs])

    def trigger_logs(self) -> list[Path]:
        """One for each triggerer that has waited for it."""
        folder = self.stage.airflow.task_logs / f"dag_id={self.dag_id}" / f"run_id={self.run_id}"
        return list(folder.rglob("*.log.trigger.*.log"))

    def trigger_log(self) -> str:
        """What all of its triggers wrote."""
        return "\n".join(path.read_text() for path in self.trigger_logs())

    def clear(self) -> None:
        self.stage.insist(lambda: self.stage.airflow.api.clear(self.dag_id, self.run_id, [TASK]))

    def mark(self, state: str) -> None:
        self.stage.insist(lambda: self.stage.airflow.api.set_state(self.dag_id, self.run_id, TASK, state))

    def mark_run(self, state: str) -> None:
        self.stage.insist(lambda: self.stage.airflow.api.set_run_state(self.dag_id, self.run_id, state))

    def worker(self) -> tuple[psutil.Process, psutil.Process]:
        """The supervisor and the process of the task itself."""
        ident = self.task()["id"]
        airflow = self.stage.airflow
        return psutil.Process(airflow.task_supervisor_pid(ident)), psutil.Process(airflow.task_pid(ident))

    def kill_process(self) -> None:
        psutil.Process(self.stage.airflow.task_pid(self.task()["id"])).kill()

    def kill_process_and_supervisor(self) -> None:
        """The supervisor first: it would tell Airflow at once that the process ended."""
        for process in self.worker():
            process.kill()

    def stop_worker(self) -> None:
        """As the end of a pod or of a service does it."""
        self.worker()[0].terminate()


def without_ids(result: dict[str, Any], gate: Path) -> dict[str, Any]:
    """A result without what differs between any two runs of the same thing."""
    left = {key: value for key, value in result.items() if key not in ("job_id", "url", "output", "lastline")}
    outputs = [str(one).replace(str(gate), "GATE") for one in result["output"]]
    steps = [
        {key: value for key, value in step.items() if key not in ("job_id", "seconds", "output")}
        for step in result.get("steps", [])
    ]
    return {**left, "output": outputs, "steps": sorted(steps, key=lambda step: step["name"])}


def quiet(seconds: float) -> None:
    """Let pass the time in which a wrong cancellation would come."""
    time.sleep(seconds)
