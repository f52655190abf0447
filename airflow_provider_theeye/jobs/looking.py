"""One look at one job: which requests it takes, fed into its ``JobWatch``."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.errors import NotFound, RateLimited, RouteNotFound, TheEyeError
from airflow_provider_theeye.api.models import Job, Workflow
from airflow_provider_theeye.jobs.clocks import Instant
from airflow_provider_theeye.jobs.procedures import Pause, Procedure
from airflow_provider_theeye.jobs.reading import SECOND_LOOK, read_job
from airflow_provider_theeye.jobs.waiting import End, JobWatch

__all__ = ["learn", "look", "look_by_secret"]


def look(watch: JobWatch, clock: Callable[[], Instant]) -> Procedure[End | None]:
    """Ask for the job's row with the light list call, and for its steps' rows if it is a workflow job.

    If it is yet to be found out whether that ends by itself, its workflow is asked for, too.
    """
    pause = watch.pause(clock())
    if pause:
        return watch.failed(RateLimited("TheEye asked for a pause", retry_after=pause), clock())
    try:
        rows: list[Job] = yield calls.get_jobs([watch.job_id])
        job = rows[0] if rows else (yield from read_job(watch.job_id))
        if job is None:
            return watch.missed()
        steps: list[Job] = []
        if job.is_workflow:
            if watch.ends_itself is None and not job.is_over:
                watch.ends_itself = yield from _ends_itself(job.workflow_id)
            steps = yield calls.get_steps_of([job.id])
    except TheEyeError as error:
        return watch.failed(error, clock())
    return watch.saw(job, steps, clock())


def learn(watch: JobWatch, clock: Callable[[], Instant]) -> Procedure[End | None]:
    """Find out whether a workflow job that was seen ends by itself. Failing at that is failing to look."""
    try:
        watch.ends_itself = yield from _ends_itself(watch.workflow_id)
    except TheEyeError as error:
        return watch.failed(error, clock())
    return watch.waited(clock())


def _ends_itself(workflow_id: str | None) -> Procedure[bool]:
    if workflow_id is None:
        return True
    workflow: Workflow = yield calls.get_workflow(workflow_id)
    return workflow.version == 2


def look_by_secret(
    watch: JobWatch, job_secret: str, clock: Callable[[], Instant], *, in_demand: bool = False
) -> Procedure[tuple[End | None, Job | None]]:
    """Wait at TheEye for the job's end, without a token. Returns the whole job with the end.

    The answer says nothing about a job that is not over, so such a wait knows no ``queue_timeout`` and no targets.

    :param in_demand: whether others wait for the connection.
    """
    try:
        job = yield from _await_twice(watch.job_id, job_secret, _patience(watch, clock(), in_demand))
    except RouteNotFound as error:
        return watch.failed(error, clock()), None
    except NotFound:
        return watch.missed(), None
    except TheEyeError as error:
        return watch.failed(error, clock()), None
    if job is None:
        return watch.waited(clock()), None
    return watch.saw(job, [], clock()), job


def _patience(watch: JobWatch, now: Instant, in_demand: bool) -> float:
    """Seconds to let TheEye hold its answer back: the end of a workflow job wakes nobody, and a deadline is near."""
    if watch.is_workflow or in_demand:
        return calls.SHORTEST_LONG_POLL_SECONDS
    left = calls.LONG_POLL_SECONDS if watch.rules.deadline is None else watch.rules.deadline - now.epoch
    return min(calls.LONG_POLL_SECONDS, max(calls.SHORTEST_LONG_POLL_SECONDS, left))


def _await_twice(job_id: str, job_secret: str, seconds: float) -> Procedure[Job | None]:
    """It takes two looks to believe that a record is gone."""
    try:
        job: Job | None = yield calls.await_result_by_secret(job_id, job_secret, seconds)
    except RouteNotFound:
        raise
    except NotFound:
        yield Pause(SECOND_LOOK)
        job = yield calls.await_result_by_secret(job_id, job_secret, seconds)
    return job
