"""What one try of a task tells the next: the job it started."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_theeye.jobs.resume import Record

if TYPE_CHECKING:
    from airflow_provider_theeye.operators.base import TheEyeJobOperator

__all__ = ["TaskMemory", "memory_of"]

log = logging.getLogger(__name__)

#: Key in Airflow's task state store. Renaming it would orphan the jobs of tasks that run during an upgrade.
_KEY = "theeye_job"
#: Of the 5 seconds between the request to end and SIGKILL most are needed for cancelling.
_ASK_SECONDS = 1.5


def memory_of(operator: TheEyeJobOperator, context: Mapping[str, Any]) -> TaskMemory:
    """Without a token an earlier job could not be looked at, so none is remembered."""
    return TaskMemory(context, durable=operator.durable and operator.hook.settings.server.token is not None)


class TaskMemory:
    """Airflow's task state store (3.3 and newer), or nothing: an XCom is no memory, it is deleted before a retry."""

    def __init__(self, context: Mapping[str, Any], *, durable: bool) -> None:
        self._store: Any = context.get("task_state_store") if durable else None
        self._ti: Any = context.get("ti")
        self._holds_record = False

    @property
    def lasts(self) -> bool:
        """Whether a retry will find what is saved here."""
        return self._store is not None

    def load(self) -> Record | None:
        record = Record.parse(self._store.get(_KEY)) if self._store is not None else None
        self._holds_record = self._holds_record or record is not None
        return record

    def save(self, record: Record) -> None:
        if self._store is not None:
            self._store.set(_KEY, record.to_json())
            self._holds_record = True

    def forget(self) -> None:
        """The next try starts a new job."""
        if self._store is not None:
            self._store.delete(_KEY)
            self._holds_record = False

    def belongs_to_next_try(self) -> bool:
        """Whether Airflow has replaced this try by another one, which shall go on with what was saved here.

        This happens when a worker is given up for lost and lives, and when a scheduler resets the tasks of one that
        died; not when a user clears the task. It is asked while the process is being killed, maybe in the midst of a
        request to Airflow; without an answer in time the try counts as current.
        """
        if not self._holds_record:
            return False
        answers: list[bool] = []

        def ask() -> None:
            with contextlib.suppress(Exception):
                answers.append(self._is_cut_off() and self._state() != "restarting")

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(_ASK_SECONDS)
        return answers == [True]

    def _is_cut_off(self) -> bool:
        """Airflow gives each try another id, and the store is read by that id."""
        return self.load() is None

    def _state(self) -> str | None:
        """The state of the task in Airflow, whichever try it is in. A cleared one restarts."""
        ti = self._ti
        states = ti.get_task_states(
            dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=[ti.run_id], map_index=ti.map_index
        )
        state: str | None = states[ti.run_id][ti.task_id if ti.map_index < 0 else f"{ti.task_id}_{ti.map_index}"]
        return state
