"""Cancelling from a worker."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from airflow_provider_theeye.api.errors import TheEyeError
from airflow_provider_theeye.jobs.cancelling import cancel
from airflow_provider_theeye.jobs.procedures import drive

if TYPE_CHECKING:
    from airflow_provider_theeye.api.models import Job
    from airflow_provider_theeye.hooks.theeye import TheEyeHook
    from airflow_provider_theeye.operators.memory import TaskMemory

__all__ = ["cancel_of_killed", "cancel_surely", "was_cancelled_here"]

# Airflow kills a task's process about 5 seconds after it asked it to stop.
#: For each request to TheEye.
_QUICK_SECONDS = 1.5
#: For the question to Airflow: while the signal's handler holds up the task, and in all.
_HOLD_UP_SECONDS = 1.0
_ASK_SECONDS = 3.5

_cancelled: set[str] = set()


def was_cancelled_here(job_id: str) -> bool:
    """Whether this process was killed and cancelled the job for that."""
    return job_id in _cancelled


def cancel_of_killed(
    hook: TheEyeHook, job: Job, memory: TaskMemory | None, log: Any, *, timed_out: bool = False
) -> None:
    """Cancel the job of a task whose process is being killed, unless the kill is meant for the process alone.

    Airflow kills the process of a task that a user has killed, of a try that it has replaced by another one, and of one
    whose heartbeats were lost because Airflow itself is out of reach. Only an answer of Airflow tells the first.

    :param timed_out: the task's own ``execution_timeout`` has passed, which is known without Airflow.
    """
    if memory is None or not memory.holds_record:
        _cancel_quickly(hook, job, log)  # no other try would take it up
        return
    question = _Question(memory, assumed=False if timed_out else None)
    if question.is_answered_within(_HOLD_UP_SECONDS):
        question.act(hook, job, log)
        return
    # The signal may have interrupted this very thread in a request to Airflow, which holds up all others until it ends.
    # Not a daemon: the process shall not end before this is done.
    threading.Thread(target=_act_later, args=(question, hook, job, log)).start()


def _act_later(question: _Question, hook: TheEyeHook, job: Job, log: Any) -> None:
    question.is_answered_within(_ASK_SECONDS - _HOLD_UP_SECONDS)
    question.act(hook, job, log)


class _Question:
    """Whether Airflow has replaced this try, asked in a thread, since there may be no answer for minutes.

    :param assumed: taken for the answer as long as there is none; ``None`` if only Airflow can tell.
    """

    def __init__(self, memory: TaskMemory, assumed: bool | None) -> None:
        self._memory = memory
        self._was_replaced = assumed
        self._problem = "it did not answer"
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def is_answered_within(self, seconds: float) -> bool:
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def act(self, hook: TheEyeHook, job: Job, log: Any) -> None:
        """Cancel the job or leave it, by what is known now."""
        if self._was_replaced is None:
            log.warning(
                "TheEye job %s is left alone: Airflow cannot be asked why this process is being ended (%s). The next "
                "try takes the job up; if there is none, cancel it in TheEye",
                job.id,
                self._problem,
            )
        elif self._was_replaced:
            log.info("Airflow has replaced this try by another one: TheEye job %s is left to that one", job.id)
        else:
            _cancel_quickly(hook, job, log)

    def _ask(self) -> None:
        try:
            self._was_replaced = self._memory.was_replaced()
        except Exception as error:
            self._problem = f"{type(error).__name__}: {error}"


def _cancel_quickly(hook: TheEyeHook, job: Job, log: Any) -> None:
    """Cancel while the process is being killed: a client of its own, short timeouts, no look-up of the connection.

    The signal may have interrupted a request of the hook's client, so that one is not touched.
    """
    from airflow_provider_theeye.api.client import TheEyeClient

    if hook.settings.server.token is None:
        log.error("TheEye job %s was left running: cancelling needs an integration token", job.id)
        return
    _cancelled.add(job.id)
    try:
        with TheEyeClient(hook.settings.server) as client:
            now = drive(
                cancel(job.id, is_workflow=job.is_workflow, at_once=True),
                lambda call: client.run(call, attempts=2, timeout=_QUICK_SECONDS),
            )
    except TheEyeError as error:
        log.error("TheEye job %s may still be running, it could not be cancelled: %s", job.id, error)
        return
    if now is not None and not now.is_over and not job.is_workflow:
        log.error("TheEye job %s was not cancelled, it is still %s: cancel it in TheEye", job.id, now.lifecycle)
    else:
        log.info("The task was killed: TheEye job %s is %s", job.id, now.lifecycle if now else "gone")


def cancel_surely(hook: TheEyeHook, job: Job) -> str:
    """Cancel and say in a sentence what came of it."""
    try:
        now = drive(cancel(job.id, is_workflow=job.is_workflow), hook.run)
    except TheEyeError as error:
        return f"It may still be running, it could not be cancelled: {error}."
    if now is None:
        return "Its record is gone."
    if now.is_over:
        return f"It is now {now.lifecycle}/{now.state}."
    return f"TheEye did not cancel it, it is still {now.lifecycle}."
