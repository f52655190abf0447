"""What one try of a task tells the next: the job it started."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from airflow_provider_theeye.jobs.resume import Record

__all__ = ["TaskMemory"]

log = logging.getLogger(__name__)

#: Key in Airflow's task state store. Renaming it would orphan the jobs of tasks that run during an upgrade.
_KEY = "theeye_job"


class TaskMemory:
    """Airflow's task state store (3.3 and newer), or nothing: an XCom is no memory, it is deleted before a retry."""

    def __init__(self, context: Mapping[str, Any], *, durable: bool) -> None:
        self._store: Any = context.get("task_state_store") if durable else None

    @property
    def lasts(self) -> bool:
        """Whether a retry will find what is saved here."""
        return self._store is not None

    def load(self) -> Record | None:
        return Record.parse(self._store.get(_KEY)) if self._store is not None else None

    def save(self, record: Record) -> None:
        if self._store is not None:
            self._store.set(_KEY, record.to_json())

    def forget(self) -> None:
        """The next try starts a new job."""
        if self._store is not None:
            self._store.set(_KEY, None)
