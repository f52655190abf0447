"""Changing a job by a request that TheEye must not process twice at once.

TheEye releases, holds and gives input to a job in two steps: it reads the job, then it writes. Two such requests that
are under way at once may both be obeyed, and if a host takes the job between their writes it is handed out again
(CONTRACT: corrections, held submission). A client that gave up waiting does not stop its request. So after a lost
answer the job is read, and the request is repeated only when the one before must have been over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_theeye.api.calls import Call
from airflow_provider_theeye.api.errors import NoAnswer, RateLimited, TheEyeError
from airflow_provider_theeye.api.models import Job
from airflow_provider_theeye.jobs.procedures import Pause, Procedure
from airflow_provider_theeye.jobs.reading import read_job

__all__ = ["Unanswered", "change_once", "may_have_arrived", "when_nothing_is_under_way"]

#: Seconds after an answer of TheEye in which it has carried out whatever had arrived before.
UNDER_WAY = 5.0
#: How often the request is sent in all.
ATTEMPTS = 3


@dataclass(frozen=True)
class Unanswered:
    """What a change came to that got no answer.

    :param job: as it is now, which shows that the change was carried out; ``None`` if its record is gone.
    :param error: how the answer was lost.
    """

    job: Job | None
    error: TheEyeError


def change_once(call: Call[None], job_id: str, undone: Callable[[Job], bool]) -> Procedure[Unanswered | None]:
    """Send a change, and again only if it was certainly not carried out. ``None`` if it was answered.

    :param call: not repeatable.
    :param undone: whether a job, as it was read, still waits for this change.
    :raises TheEyeError: if it is refused, or the job cannot be read, or no answer comes however often it is sent.
    """
    for attempts_left in reversed(range(ATTEMPTS)):
        try:
            yield call
        except TheEyeError as error:
            if not may_have_arrived(error):
                raise
            lost = error
        else:
            return None
        job = yield from read_job(job_id)
        if job is not None and undone(job):
            job = yield from when_nothing_is_under_way(job_id)
        if job is None or not undone(job):
            return Unanswered(job, lost)
        if not attempts_left:
            raise lost
    raise AssertionError("not reached")


def when_nothing_is_under_way(job_id: str) -> Procedure[Job | None]:
    """Read a job that was read just now, so much later that no change of it is under way any more."""
    yield Pause(UNDER_WAY)
    return (yield from read_job(job_id))


def may_have_arrived(error: TheEyeError) -> bool:
    """Whether a request that failed so may have an effect, now or in some seconds."""
    never_sent = isinstance(error, NoAnswer) and not error.sent
    return error.transient and not never_sent and not isinstance(error, RateLimited)
