"""What one try of a task tells the next: the jobs it started."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tenacity import retry, stop_after_attempt, wait_fixed

from airflow_provider_theeye.jobs.resume import Finding, Generation, Record, Records, Wanted

if TYPE_CHECKING:
    from airflow_provider_theeye.operators.base import TheEyeJobOperator

__all__ = ["TaskMemory", "generation_of", "memory_of", "try_id_of"]

log = logging.getLogger(__name__)

#: Key in Airflow's task state store. Renaming it would orphan the jobs of tasks that run during an upgrade.
_KEY = "theeye_job"
#: The same for how a job ended, with the job's id after it.
_END_KEY = "theeye_end_"
#: A task may run several operators in threads, and what is remembered of them is read and written as one.
_WRITING = threading.Lock()
#: Stands for the state of a task that is not in Airflow any more.
_DELETED = "deleted"


def memory_of(operator: TheEyeJobOperator, context: Mapping[str, Any]) -> TaskMemory:
    """Without a token a job could not be looked at later, so none is remembered."""
    return TaskMemory(context, durable=operator.durable, saves=operator.hook.settings.server.token is not None)


def generation_of(operator: TheEyeJobOperator, context: Mapping[str, Any]) -> Generation:
    """Of the task that Airflow runs, which need not be the operator that is executed."""
    ti, task = context.get("ti"), context.get("task") or operator
    return Generation(
        max_tries=getattr(ti, "max_tries", 0),
        retries=task.retries or 0,
        try_number=getattr(ti, "try_number", None),
        clears=getattr(context.get("dag_run"), "clear_number", None),
    )


def try_id_of(context: Mapping[str, Any]) -> str:
    """What is the same while a task is deferred, and another in the next try.

    Airflow gives the next try another id, but not if this one ends while it is queued: when the process that is to go
    on after a deferral cannot start, for instance. So the try's number belongs to it.
    """
    ti = context.get("ti")
    return f"{getattr(ti, 'id', '')} {getattr(ti, 'try_number', 0)}"


class TaskMemory:
    """Airflow's task state store (3.3 and newer), or nothing: an XCom is no memory, it is deleted before a retry.

    The store is one task instance's. In the loops of Airflow 3.4 run, task and map index are no longer unique: there
    Airflow looks the instance up by the id of its try, and keeps a store for each iteration.
    """

    def __init__(self, context: Mapping[str, Any], *, durable: bool, saves: bool = True) -> None:
        self._saves = saves
        self._store: Any = context.get("task_state_store") if durable else None
        self._ti: Any = context.get("ti")
        self._holds_record = False

    @property
    def lasts(self) -> bool:
        """Whether a retry will find what is saved here."""
        return self._store is not None and self._saves

    def take(self, wanted: Wanted) -> Finding:
        """What earlier tries left for an order; a job to be taken up is this try's from now on."""
        with _WRITING:
            records = self._load()
            found = records.find(wanted)
            if found.record is not None:
                generation = wanted.generation if found.after_clear else None
                self._write(records.taken_up(found.record.job_id, wanted.try_id, generation))
            return found

    def save(self, record: Record, *, instead_of: str | None = None) -> None:
        """Remember a job, in the place of another one that it replaces."""
        if self._saves:
            self._change(lambda records: records.remembering(record, instead_of=instead_of))

    def settle(self, job_id: str) -> None:
        """The job of an earlier try is over, and in no other order's way."""
        self._change(lambda records: records.settled(job_id))

    def leave_alone(self, job_id: str) -> None:
        """Touch with TheEye is lost: whoever runs the task next takes the job up, also after a Clear, if it lives."""
        try:
            self._change(lambda records: records.left_alone(job_id))
        except Exception as error:  # the reason why touch was lost is what must be told
            log.warning("It could not be remembered that TheEye job %s was left alone: %s", job_id, error)

    def forget(self, job_id: str) -> None:
        """The next try starts a new job in place of this one."""
        self._change(lambda records: records.without(job_id))

    def keep_end(self, job_id: str, document: dict[str, Any]) -> None:
        """Keep how a job ended, since TheEye may delete its record before a retry comes.

        A try that Airflow has replaced cannot; nothing else depends on it.
        """
        if self.lasts:
            try:
                self._store.set(f"{_END_KEY}{job_id}", document)
            except Exception as error:
                log.info("How TheEye job %s ended could not be kept for a retry: %s", job_id, error)

    def kept_end(self, job_id: str) -> dict[str, Any] | None:
        """What an earlier try kept."""
        document = self._store.get(f"{_END_KEY}{job_id}") if self._store is not None else None
        return document if isinstance(document, dict) else None

    def _change(self, change: Callable[[Records], Records]) -> None:
        if self._store is not None:
            with _WRITING:
                self._write(change(self._load()))

    @retry(stop=stop_after_attempt(3), wait=wait_fixed(1.0), reraise=True)
    def _load(self) -> Records:
        """On a busy machine Airflow 3.3 may fail to say that there is nothing yet (seen with 3.3.2)."""
        records = Records.parse(self._store.get(_KEY)) if self._store is not None else Records()
        self._holds_record = self._holds_record or bool(records.all)
        return records

    def _write(self, records: Records) -> None:
        if records.all:
            self._store.set(_KEY, records.to_json())
        else:
            self._store.delete(_KEY)
        self._holds_record = bool(records.all)

    @property
    def holds_record(self) -> bool:
        """Whether a next try would find a job here."""
        return self._holds_record

    def was_replaced(self) -> bool:
        """Ask Airflow whether it has replaced this try by another one, which shall go on with what was saved here.

        This happens when a worker is given up for lost and lives, and when a scheduler resets the tasks of one that
        died; not when a user clears the task.

        :raises Exception: whatever Airflow has for an answer if it cannot tell.
        """
        return self._is_cut_off() and self._state() not in ("restarting", _DELETED)

    def _is_cut_off(self) -> bool:
        """Airflow gives each try another id, and the store is read by that id."""
        return not Records.parse(self._store.get(_KEY)).all

    def _state(self) -> str | None:
        """The state of the task in Airflow, whichever try it is in. A cleared one restarts."""
        ti = self._ti
        states = ti.get_task_states(
            dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=[ti.run_id], map_index=ti.map_index
        )
        name = ti.task_id if ti.map_index < 0 else f"{ti.task_id}_{ti.map_index}"
        state: str | None = states.get(ti.run_id, {}).get(name, _DELETED)
        return state
