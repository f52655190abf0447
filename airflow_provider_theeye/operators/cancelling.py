"""Cancelling from a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_theeye.api.errors import TheEyeError
from airflow_provider_theeye.jobs.cancelling import cancel
from airflow_provider_theeye.jobs.procedures import drive

if TYPE_CHECKING:
    from airflow_provider_theeye.api.models import Job
    from airflow_provider_theeye.hooks.theeye import TheEyeHook
    from airflow_provider_theeye.operators.memory import TaskMemory

__all__ = ["cancel_of_killed", "cancel_surely"]

#: Airflow kills a task's process about 5 seconds after it asked it to stop.
_QUICK_SECONDS = 1.5


def cancel_of_killed(hook: TheEyeHook, job: Job, memory: TaskMemory | None, log: Any) -> None:
    """Cancel the job of a task whose process is being killed, unless the kill is meant for the process alone."""
    if memory is not None and memory.belongs_to_next_try():
        log.info("Airflow has replaced this try by another one: TheEye job %s is left to that one", job.id)
    else:
        _cancel_quickly(hook, job, log)


def _cancel_quickly(hook: TheEyeHook, job: Job, log: Any) -> None:
    """Cancel while the process is being killed: a client of its own, short timeouts, no look-up of the connection.

    The signal may have interrupted a request of the hook's client, so that one is not touched.
    """
    from airflow_provider_theeye.api.client import TheEyeClient

    if hook.settings.server.token is None:
        log.warning("TheEye job %s was left running: cancelling needs an integration token", job.id)
        return
    try:
        with TheEyeClient(hook.settings.server) as client:
            now = drive(
                cancel(job.id, is_workflow=job.is_workflow),
                lambda call: client.run(call, attempts=2, timeout=_QUICK_SECONDS),
            )
    except TheEyeError as error:
        log.error("TheEye job %s may still be running, it could not be cancelled: %s", job.id, error)
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
