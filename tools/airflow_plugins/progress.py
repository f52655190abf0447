"""An Airflow plugin that notes the start and the end of every task try in a file, one JSON object a line.

The file is named by the environment variable THEEYE_PROGRESS_FILE. The demo shows these notes as they come; the
tests of the example DAGs read them afterwards.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from airflow.listeners import hookimpl
from airflow.providers.common.compat.sdk import AirflowPlugin


def note(event: str, task_instance: Any, error: BaseException | str | None = None) -> None:
    """Append one line. A line is written whole, so a reader never sees half of one."""
    target = os.environ.get("THEEYE_PROGRESS_FILE")
    if not target:
        return
    line = {
        "event": event,
        "at": time.time(),
        "dag_id": task_instance.dag_id,
        "task_id": task_instance.task_id,
        "map_index": task_instance.map_index,
        "try_number": task_instance.try_number,
        "error": None if error is None else str(error),
    }
    with open(target, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


class ProgressListener:
    """Airflow's notifications about task instances, turned into notes."""

    @hookimpl
    def on_task_instance_running(self, task_instance: Any) -> None:
        """A try starts, or goes on after a deferral."""
        note("running", task_instance)

    @hookimpl
    def on_task_instance_success(self, task_instance: Any) -> None:
        """A task is done."""
        note("success", task_instance)

    @hookimpl
    def on_task_instance_failed(self, task_instance: Any, error: BaseException | str | None) -> None:
        """A try failed."""
        note("failed", task_instance, error)


class ProgressPlugin(AirflowPlugin):
    """How Airflow finds the listener."""

    name = "theeye_progress"
    listeners = [ProgressListener()]  # noqa: RUF012 - Airflow reads a plain list
