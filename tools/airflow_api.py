"""A small client of Airflow's own REST API (version 2, Airflow 3), for driving a real Airflow in tests."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import requests

Answer = TypeVar("Answer")
FINISHED_RUN_STATES = frozenset({"success", "failed"})
LOOK_EVERY = 0.5
REQUEST_TIMEOUT = 30.0
#: How many of a list Airflow gives at once, unless its settings say otherwise.
PAGE = 100


class AirflowApiError(RuntimeError):
    """Airflow refused a request."""


class WaitedTooLong(AssertionError):
    """Something that should have happened did not."""


def wait_until(look: Callable[[], Answer | None], what: str, timeout: float) -> Answer:
    """Ask again and again until there is an answer; `what` says what was waited for if it never comes."""
    deadline = time.monotonic() + timeout
    while True:
        answer = look()
        if answer is not None:
            return answer
        if time.monotonic() > deadline:
            raise WaitedTooLong(f"waited {timeout:.0f} s for {what}")
        time.sleep(LOOK_EVERY)


class AirflowApi:
    """One logged-in user of an Airflow at `url`."""

    prefix = "api/v2"

    def __init__(self, url: str, username: str, password: str, timeout: float = REQUEST_TIMEOUT) -> None:
        self.url = url
        self._timeout = timeout
        self._http = requests.Session()
        # A proxy or a .netrc of the machine has no business between us and an Airflow of our own.
        self._http.trust_env = False
        self.log_in(username, password)

    def log_in(self, username: str, password: str) -> None:
        """Make all further requests those of a user."""
        login = self._http.post(
            f"{self.url}/auth/token",
            json={"username": username, "password": password},
            timeout=self._timeout,
        )
        login.raise_for_status()
        self._http.headers["Authorization"] = f"Bearer {login.json()['access_token']}"

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """One request below the API's prefix; returns the decoded answer, None if it is empty."""
        answer = self._http.request(method, f"{self.url}/{self.prefix}/{path}", timeout=self._timeout, **arguments)
        if not answer.ok:
            raise AirflowApiError(f"{method} {path}: {answer.status_code} {answer.text[:1000]}")
        return answer.json() if answer.content else None

    def put_connection(self, conn_id: str, connection: Mapping[str, Any]) -> None:
        """Store a connection in Airflow's database, given as conn_type, host, schema, password and so on."""
        body = {"connection_id": conn_id, **connection}
        if not isinstance(body.get("extra", ""), str):
            body["extra"] = json.dumps(body["extra"])
        if conn_id in self.connection_ids():
            self.call("DELETE", f"connections/{conn_id}")
        self.call("POST", "connections", json=body)

    def change_connection(self, conn_id: str, **fields: Any) -> None:
        """Change fields of a connection that is there, as the form in the web pages does."""
        known = self.call("GET", f"connections/{conn_id}")
        body = {"connection_id": conn_id, "conn_type": known["conn_type"], **fields}
        self.call("PATCH", f"connections/{conn_id}", json=body, params={"update_mask": list(fields)})

    def connection_ids(self) -> list[str]:
        """The connections that are in Airflow's database."""
        return [one["connection_id"] for one in self.call("GET", "connections", params={"limit": 100})["connections"]]

    def import_errors(self) -> list[dict[str, Any]]:
        """What is wrong with the DAG files."""
        errors: list[dict[str, Any]] = self.call("GET", "importErrors")["import_errors"]
        return errors

    def wait_for_dag(self, dag_id: str, timeout: float = 60.0) -> None:
        """Wait until the DAG processor has found a DAG."""

        def found() -> bool | None:
            errors = self.import_errors()
            if errors:
                raise AirflowApiError(f"a DAG file is broken: {errors[0]['stack_trace']}")
            listed = self.call("GET", "dags", params={"dag_id_pattern": dag_id})["dags"]
            return any(dag["dag_id"] == dag_id for dag in listed) or None

        wait_until(found, f"DAG {dag_id} to be found", timeout)

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
        """Start a run; returns its id."""
        body = {"logical_date": None, "conf": dict(conf or {})}
        return str(self.call("POST", f"dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """queued, running, success or failed."""
        return str(self.call("GET", run_path(dag_id, run_id))["state"])

    def wait_for_run(self, dag_id: str, run_id: str, timeout: float = 120.0) -> str:
        """Wait for the end of a run; returns its state."""

        def ended() -> str | None:
            state = self.run_state(dag_id, run_id)
            return state if state in FINISHED_RUN_STATES else None

        return wait_until(ended, f"run {run_id} of {dag_id} to end", timeout)

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """All task instances of a run, mapped ones too, with task_id, map_index, state, try_number, trigger ..."""
        path, instances = f"{run_path(dag_id, run_id)}/taskInstances", list[dict[str, Any]]()
        while True:
            page = {"limit": PAGE, "offset": len(instances)}
            answer = self.call("GET", path, params=page)
            instances += answer["task_instances"]
            if len(instances) >= answer["total_entries"] or not answer["task_instances"]:
                return instances

    def task_instance(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """One task instance."""
        instance: dict[str, Any] = self.call("GET", task_path(dag_id, run_id, task_id, map_index))
        return instance

    def wait_for_task(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        states: Iterable[str],
        *,
        map_index: int = -1,
        timeout: float = 60.0,
    ) -> dict[str, Any]:
        """Wait until a task instance is in one of `states`; returns it."""
        wanted = frozenset(states)

        def reached() -> dict[str, Any] | None:
            instance = self.task_instance(dag_id, run_id, task_id, map_index)
            return instance if instance["state"] in wanted else None

        return wait_until(reached, f"{task_id} to be {' or '.join(sorted(wanted))}", timeout)

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """The value of one XCom."""
        path = f"{run_path(dag_id, run_id)}/taskInstances/{task_id}/xcomEntries/{key}"
        return self.call("GET", path, params={"map_index": map_index, "deserialize": True})["value"]

    def set_state(self, dag_id: str, run_id: str, task_id: str, state: str, map_index: int = -1) -> None:
        """Mark a task instance success or failed, as the button in the web pages does."""
        path = task_path(dag_id, run_id, task_id, map_index)
        self.call("PATCH", path, json={"new_state": state}, params={"update_mask": "new_state"})

    def set_run_state(self, dag_id: str, run_id: str, state: str) -> None:
        """Mark a whole run success or failed."""
        self.call("PATCH", run_path(dag_id, run_id), json={"state": state})

    def clear(self, dag_id: str, run_id: str, task_ids: Iterable[str]) -> None:
        """Clear task instances, so that the scheduler runs them again."""
        body = {
            "dag_run_id": run_id,
            "task_ids": list(task_ids),
            "dry_run": False,
            "only_failed": False,
            "reset_dag_runs": True,
        }
        self.call("POST", f"dags/{dag_id}/clearTaskInstances", json=body)

    def task_log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """The log of one try as the web pages show it, worker and triggerer together."""
        path = f"{run_path(dag_id, run_id)}/taskInstances/{task_id}/logs/{try_number}"
        answer = self.call("GET", path, params={"map_index": map_index, "full_content": True})
        content = answer["content"]
        if isinstance(content, str):
            return content
        return "\n".join(str(line.get("event", line)) if isinstance(line, dict) else str(line) for line in content)


def run_path(dag_id: str, run_id: str) -> str:
    """Where a run is, below the prefix."""
    return f"dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"


def task_path(dag_id: str, run_id: str, task_id: str, map_index: int) -> str:
    """Where a task instance is, below the prefix."""
    path = f"{run_path(dag_id, run_id)}/taskInstances/{task_id}"
    return path if map_index < 0 else f"{path}/{map_index}"
