"""The example DAGs, run once for all tests here: real Airflow, real sandbox, nothing in between replaced."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_theeye.sandbox import Sandbox
from tools.airflow_env import (
    PROGRESS_FILE_VARIABLE,
    PROGRESS_PLUGINS,
    PrivateAirflow,
    connection_settings,
    last_lines,
    sandbox_connection,
)

RUN_TIMEOUT = 900


@dataclass(frozen=True)
class ExampleRuns:
    """What the runs left behind."""

    runs: dict[str, dict[str, Any]]
    notes: list[dict[str, Any]]
    jobs: dict[str, dict[str, Any]]
    log: Path

    def task(self, dag_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """The result of one task instance: state, seconds, xcoms."""
        for task in self.runs[dag_id]["tasks"]:
            if (task["task_id"], task["map_index"]) == (task_id, map_index):
                return dict(task)
        raise LookupError(f"{dag_id} has no {task_id}[{map_index}], see {self.log}")

    def value(self, dag_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """The return value of one task instance."""
        return dict(self.task(dag_id, task_id, map_index)["xcoms"]["return_value"])

    def starts(self, dag_id: str) -> Counter[tuple[str, int]]:
        """How often each task instance was started; a task that was deferred is started again when it comes back."""
        return Counter(
            (note["task_id"], note["map_index"])
            for note in self.notes
            if note["dag_id"] == dag_id and note["event"] == "running"
        )


def json_lines(file: Path) -> list[dict[str, Any]]:
    """All objects of a file with one a line."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []


@pytest.fixture(scope="session")
def example_runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExampleRuns]:
    """Both example DAGs, each run once."""
    folder = tmp_path_factory.mktemp("examples")
    results, progress, log = folder / "results.jsonl", folder / "progress.jsonl", folder / "airflow.log"
    with Sandbox() as sandbox:
        airflow = PrivateAirflow(
            home=folder / "home",
            settings={
                **connection_settings(sandbox_connection(sandbox)),
                "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROGRESS_PLUGINS),
                PROGRESS_FILE_VARIABLE: str(progress),
            },
        )
        airflow.migrate(log)
        command = ["-m", "tools.run_dags", "--results", str(results)]
        airflow.python(*command, "example_theeye_sync", "example_theeye_deferrable", log=log, timeout=RUN_TIMEOUT)
        runs = {run["dag_id"]: run for run in json_lines(results)}
        if len(runs) != 2:
            pytest.fail(f"Airflow did not finish the DAGs:\n{last_lines(log)}", pytrace=False)
        yield ExampleRuns(runs, json_lines(progress), sandbox.journal()["jobs"], log)
