"""A real Airflow, all of it: `airflow standalone` with its scheduler, triggerer, DAG processor and API server.

    with Standalone(PrivateAirflow(home=...)) as airflow:
        airflow.api.wait_for_dag("example_theeye_sync")
        run_id = airflow.api.trigger("example_theeye_sync")
        assert airflow.api.wait_for_run("example_theeye_sync", run_id) == "success"

Everything listens on free ports, the API server on loopback only. All processes are in one session and are ended with
the context, also those that lost their parent. Tests that end parts of Airflow find their pids here.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import psutil
import requests

from tools.airflow_api import AirflowApi
from tools.airflow_env import Ports, PrivateAirflow, last_lines
from tools.processes import end_session, session_members

USERNAME = "admin"
PASSWORDS = "simple_auth_manager_passwords.json.generated"
LOOK_EVERY = 0.5
# Some parts take long to stop politely, and nothing in a private Airflow is worth waiting for.
STOP_GRACE_SECONDS = 4.0


class StandaloneFailed(RuntimeError):
    """Airflow ended, or did not become healthy in time."""


class Standalone:
    """A running `airflow standalone` of Airflow 3."""

    components: tuple[str, ...] = ("scheduler", "dag-processor", "api-server", "triggerer")
    api_type: type[AirflowApi] = AirflowApi

    def __init__(self, airflow: PrivateAirflow, *, ports: Ports | None = None, start_timeout: float = 180.0) -> None:
        self.ports = ports or Ports.free()
        self.url = f"http://127.0.0.1:{self.ports.api}"
        self.airflow = PrivateAirflow(
            home=airflow.home,
            dags_folder=airflow.dags_folder,
            settings={**self.settings(), **airflow.settings},
        )
        self.username = USERNAME
        self.log = airflow.home / "standalone.log"
        self.start_timeout = start_timeout
        self._started: list[subprocess.Popen[bytes]] = []
        self._api: AirflowApi | None = None

    def settings(self) -> dict[str, str]:
        """What Airflow must be told to listen where we look for it."""
        return self.ports.settings()

    def __enter__(self) -> Standalone:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def api(self) -> AirflowApi:
        """Airflow's REST API, logged in."""
        if self._api is None:
            self._api = self.api_type(self.url, self.username, self.password)
        return self._api

    @property
    def password(self) -> str:
        """The admin's password, which Airflow made up at the first start in this home."""
        return str(json.loads((self.airflow.home / PASSWORDS).read_text())[self.username])

    @property
    def task_logs(self) -> Path:
        """Where the logs of tasks and triggers are."""
        return self.airflow.home / "logs"

    def start(self) -> None:
        """Start Airflow and wait until all of its parts are healthy."""
        self.airflow.home.mkdir(parents=True, exist_ok=True)
        self.airflow.migrate(self.log)
        standalone = self._spawn("standalone")
        deadline = time.monotonic() + self.start_timeout
        while not self.healthy():
            if standalone.poll() is not None:
                raise StandaloneFailed(f"airflow standalone ended early:\n{last_lines(self.log)}")
            if time.monotonic() > deadline:
                raise StandaloneFailed(f"not healthy after {self.start_timeout:.0f} s:\n{last_lines(self.log)}")
            time.sleep(LOOK_EVERY)

    def healthy(self) -> bool:
        """Whether the API server answers and says that every part is healthy."""
        try:
            answer = requests.get(f"{self.url}/api/v2/monitor/health", timeout=5)
        except requests.RequestException:
            return False
        return answer.ok and all(part.get("status") == "healthy" for part in answer.json().values())

    def is_running(self) -> bool:
        """Whether `airflow standalone` has not ended by itself."""
        return bool(self._started) and self._started[0].poll() is None

    def start_component(self, name: str) -> subprocess.Popen[bytes]:
        """Start one part by itself, for instance a new triggerer after the old one was killed."""
        if name not in self.components:
            raise ValueError(f"{name} is none of {', '.join(self.components)}")
        return self._spawn(name)

    def _spawn(self, command: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            started = subprocess.Popen(
                ["airflow", command],
                env=self.airflow.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started.append(started)
        return started

    def stop(self) -> None:
        """End everything that was started."""
        if self._api is not None:
            self._api.close()
            self._api = None
        while self._started:
            end_session(self._started.pop(), grace=STOP_GRACE_SECONDS)

    def processes(self) -> list[psutil.Process]:
        """Every live process of this Airflow."""
        return [process for started in self._started for process in session_members(started.pid)]

    def component_pid(self, name: str) -> int:
        """The main process of a part, one of `components`."""
        title = re.compile(rf"airflow {name.replace('-', '[-_]')}\b")
        own = {started.pid for started in self._started}
        for process in self.processes():
            # The parts are what `standalone` started, or what `start_component` did; their own children look alike.
            if title.search(_title(process)) and (process.pid in own or _parent_pid(process) in own):
                return process.pid
        raise ProcessLookupError(f"no {name} is running")

    def trigger_runner_pid(self) -> int:
        """The triggerer's child in whose event loop the triggers run."""
        triggerer = psutil.Process(self.component_pid("triggerer"))
        for child in triggerer.children():
            if "serve-logs" not in _title(child):
                return child.pid
        raise ProcessLookupError("the triggerer has no runner")

    def task_pid(self, task_instance_id: str) -> int:
        """The process that executes a task instance, by the `id` that the REST API shows."""
        return self._worker_pid(f"-- {task_instance_id}")

    def task_pids(self, task_instance_ids: Iterable[str]) -> list[int]:
        """The processes that execute any of these task instances now; none for those that are deferred."""
        pids = []
        for task_instance_id in task_instance_ids:
            with contextlib.suppress(ProcessLookupError):
                pids.append(self.task_pid(task_instance_id))
        return pids

    def task_supervisor_pid(self, task_instance_id: str) -> int:
        """The executor's process that watches over a task instance and speaks for it to the API server."""
        return self._worker_pid(f"LocalExecutor: {task_instance_id}")

    def _worker_pid(self, ending: str) -> int:
        for process in self.processes():
            if _title(process).strip().endswith(ending):
                return process.pid
        raise ProcessLookupError(f"no process is called airflow worker ... {ending}")


def _title(process: psutil.Process) -> str:
    """What `ps` shows for a process: its command line, or the title that it gave itself."""
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def _parent_pid(process: psutil.Process) -> int | None:
    with contextlib.suppress(psutil.Error):
        return process.ppid()
    return None
