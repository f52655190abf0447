"""The same client for Airflow 2, whose REST API is version 1 and takes a password with each request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tools.airflow_api import AirflowApi, run_path, task_path


class Airflow2Api(AirflowApi):
    """One user of an Airflow 2 at `url`."""

    prefix = "api/v1"

    def log_in(self, username: str, password: str) -> None:
        self._http.auth = (username, password)

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
        return str(self.call("POST", f"dags/{dag_id}/dagRuns", json={"conf": dict(conf or {})})["dag_run_id"])

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """The value of one XCom, as text: version 1 knows no other form."""
        path = f"{run_path(dag_id, run_id)}/taskInstances/{task_id}/xcomEntries/{key}"
        return self.call("GET", path, params={"map_index": map_index})["value"]

    def set_state(self, dag_id: str, run_id: str, task_id: str, state: str, map_index: int = -1) -> None:
        path = task_path(dag_id, run_id, task_id, map_index)
        self.call("PATCH", path, json={"new_state": state, "dry_run": False})
