"""Cancelling so that nothing is left running, and making sure of it.

TheEye answers 204 to every cancel, refused or not, so only reading the job tells. A held job must be put on hold
before it can be cancelled. A workflow job is cancelled step by step: its own routes cancel the newest branch only, or
mark the run and let its steps go on (CONTRACT: held submission, workflows).
"""

from __future__ import annotations

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.errors import Conflict, NotFound, RouteNotFound, TheEyeError
from airflow_provider_theeye.api.models import Job
from airflow_provider_theeye.jobs.once import change_once
from airflow_provider_theeye.jobs.procedures import Pause, Procedure
from airflow_provider_theeye.jobs.reading import read_job

__all__ = ["cancel"]

#: Looks at a job before its cancellation is given up as not confirmed.
ROUNDS = 6
PAUSE = 0.3
#: Seconds until a job that was held is looked at once more: its release may have been under way, which a cancel that
#: comes in between does not stop.
RELEASED_LATE = 1.0
#: Looks without a live step before a workflow job counts as stopped: between two steps there is none for a moment.
QUIET_LOOKS = 2


def cancel(
    job_id: str, *, is_workflow: bool, at_once: bool = False, may_be_released: bool = True
) -> Procedure[Job | None]:
    """Cancel a job or a workflow job. Returns it as it is then, ``None`` if its record is gone.

    Whether that worked is for the caller to read: ``job.is_over`` is the confirmation.

    :param at_once: cancel a job before the first look at it, for those who may have time for one request only. TheEye
        ignores the cancellation of a job that is over.
    :param may_be_released: whether a release of it, if it is held, may be under way at this moment.
    :raises Conflict: if a step of a workflow job goes on all the same; the workflow job itself may say that it is over.
    """
    if is_workflow:
        yield from _cancel_steps(job_id)
        return (yield from read_job(job_id))
    if at_once:
        yield from _ask_to_stop(job_id, held=False)
    return (yield from _cancel_one(job_id, may_be_released))


def _cancel_one(job_id: str, may_be_released: bool) -> Procedure[Job | None]:
    job = yield from read_job(job_id)
    was_held = False
    for _ in range(ROUNDS):
        if job is None or (job.is_over and not was_held):
            return job
        if job.is_over:
            was_held = False
            yield Pause(RELEASED_LATE)
        else:
            was_held = was_held or (job.is_held and may_be_released)
            yield from _ask_to_stop(job_id, held=job.is_held)
        job = yield from read_job(job_id)
        if job is not None and not job.is_over:
            yield Pause(PAUSE)
    return job


def _ask_to_stop(job_id: str, *, held: bool) -> Procedure[None]:
    try:
        if held:
            yield from change_once(calls.hold_job(job_id), job_id, lambda now: now.is_held)
        yield calls.cancel_job(job_id)
    except RouteNotFound:
        raise
    except NotFound:
        pass  # reading it tells whether its record is gone


def _cancel_steps(workflow_job_id: str) -> Procedure[None]:
    """All branches are asked to stop before one is looked at again: the list of steps shows them together."""
    quiet = 0
    live: list[Job] = []
    failure: TheEyeError | None = None
    for _ in range(ROUNDS):
        steps: list[Job] = yield calls.get_steps_of([workflow_job_id])
        live = [step for step in steps if not step.is_over]
        quiet = 0 if live else quiet + 1
        if quiet == QUIET_LOOKS:
            return
        for step in live:
            try:
                yield from _ask_to_stop(step.id, held=step.is_held)
            except TheEyeError as error:  # the other branches must be stopped all the same
                failure = error
        yield Pause(PAUSE)
    if failure is not None:
        raise failure
    if live:
        raise Conflict(f"step {live[0].name!r} (job {live[0].id}) is still {live[0].lifecycle}")
