"""All that a row needs: the services, Airflow's parts, TheEye, and runs of the one DAG."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

from tests.production.parts import Airflow
from tests.production.runs import DAG_ID, Gate, Run
from tests.production.services import Postgres, Redis
from tests.production.theeye import USERS, TheEye
from tools.airflow_api import AirflowApi, AirflowApiError, WaitedTooLong
from tools.airflow_env import CONNECTION_ID, last_lines

Answer = TypeVar("Answer")

#: Nothing that works takes so long, also on a machine with other things to do.
PATIENCE = 600.0
LOOK_EVERY = 1.0
#: Seconds for all rows together; when they are over, nothing is waited for any more.
LIMIT = 90 * 60.0


class StageFailed(RuntimeError):
    """Airflow did not start."""


class Stage:
    """For the length of a `with`; whatever happens, all that was started is ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        self.logs.mkdir()
        self.postgres = Postgres(folder / "postgres", self.logs)
        self.redis = Redis(folder / "redis", self.logs)
        self.theeye = TheEye(folder, self.logs)
        self.user = USERS[0]
        self._airflow: Airflow | None = None
        self._gates = folder / "gates"
        self._runs = 0
        self._ending = ExitStack()
        self._end = time.monotonic() + LIMIT

    def __enter__(self) -> Stage:
        try:
            self._start()
        except BaseException:
            self._ending.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.close()

    @property
    def airflow(self) -> Airflow:
        assert self._airflow is not None
        return self._airflow

    @property
    def api(self) -> AirflowApi:
        return self.airflow.api

    def _start(self) -> None:
        self._gates.mkdir()
        for service in (self.postgres, self.redis):
            self._ending.callback(service.stop)
            service.create()
        self._ending.callback(self.theeye.end)
        self.theeye.create()
        self._airflow = Airflow(
            self.folder,
            self.logs,
            {
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.postgres.url(),
                "AIRFLOW__CELERY__BROKER_URL": self.redis.url(),
                "AIRFLOW__CELERY__RESULT_BACKEND": self.postgres.url("db+postgresql+psycopg2"),
            },
        )
        self._ending.callback(self._airflow.stop)
        self._airflow.start()
        self.wait(self._answers, "Airflow's API server")
        # In the database: from the environment it could be had without the calls that may block or fail.
        self.api.put_connection(CONNECTION_ID, self.theeye.connection(self.user))
        self.wait(self._has_dag, "the DAG to be found")
        self.wait_until_whole()

    def _answers(self) -> bool | None:
        # What ends before anything was disturbed will not do better the next time.
        for part in self.airflow.parts.values():
            if part.ends:
                raise StageFailed(f"{part.name} ended:\n{last_lines(part.log)}")
        return self.airflow.answers() or None

    def _has_dag(self) -> bool | None:
        self._answers()
        errors = self.api.import_errors()
        if errors:
            raise StageFailed(f"the DAG file is broken: {errors[0]['stack_trace']}")
        return any(dag["dag_id"] == DAG_ID for dag in self.api.call("GET", "dags")["dags"]) or None

    def wait_until_whole(self) -> None:
        self.wait(lambda: self.airflow.is_whole() or None, "two schedulers and two triggerers")

    def wait(self, look: Callable[[], Answer | None], what: str, timeout: float = PATIENCE) -> Answer:
        """Ask again and again, while parts that ended are started again. Airflow may be away meanwhile."""
        deadline, trouble = min(time.monotonic() + timeout, self._end), ""
        while True:
            self.airflow.tend()
            try:
                answer, trouble = look(), ""
            except (OSError, AirflowApiError) as error:
                answer, trouble = None, f"; the last answer: {error!r:.300}"
            if answer is not None:
                return answer
            if time.monotonic() > deadline:
                raise WaitedTooLong(f"waited too long for {what}{trouble}")
            time.sleep(LOOK_EVERY)

    def insist(self, act: Callable[[], Any], what: str) -> None:
        """Do something that Airflow may be too busy for at first."""
        self.wait(lambda: (act(),), what)

    def let_pass(self, seconds: float) -> None:
        """The length of an outage."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.airflow.tend()
            time.sleep(LOOK_EVERY)

    def start_run(self, deferred: int, sync: int) -> Run:
        self._runs += 1
        gates = [Gate(self._gates / f"{self._runs}-{when}") for when in ("early", "late")]
        for gate in gates:
            self._ending.callback(gate.open)
        conf = {"deferred": deferred, "sync": sync, "gates": [str(gate.path) for gate in gates]}
        run_id = f"run-{self._runs}"
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}

        def trigger() -> bool:
            # An answer that was lost may have had its effect.
            known = self.api.call("GET", f"dags/{DAG_ID}/dagRuns")["dag_runs"]
            if not any(one["dag_run_id"] == run_id for one in known):
                self.api.call("POST", f"dags/{DAG_ID}/dagRuns", json=body)
            return True

        self.wait(trigger, "a run to be made")
        return Run(self, run_id, {"deferred": deferred, "sync": sync}, gates)

    def change_token(self) -> None:
        """The old token is refused from now on; a moment later the connection has the new one."""
        old, self.user = self.user, USERS[1 - USERS.index(self.user)]
        password = self.theeye.connection(self.user)["password"]
        self.theeye.rotate_token(old)
        self.insist(lambda: self.api.change_connection(CONNECTION_ID, password=password), "the connection")
