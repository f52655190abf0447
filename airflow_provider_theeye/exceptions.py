"""What the operators and the sensor raise.

Those that a retry cannot mend are of the class ``AirflowFailException`` as well: Airflow does not try again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_theeye.api.errors import (
    AuthenticationFailed,
    Forbidden,
    InvalidRequest,
    NotFound,
    TheEyeError,
    WrongOrganization,
    WrongPlace,
)
from airflow_provider_theeye.api.settings import Place
from airflow_provider_theeye.jobs.outcome import Outcome
from airflow_provider_theeye.jobs.waiting import End

if TYPE_CHECKING:
    from airflow_provider_theeye.api.models import Job
    from airflow_provider_theeye.api.settings import Place

__all__ = [
    "JobCancelled",
    "JobDeadlineExceeded",
    "JobFailed",
    "JobHostLost",
    "JobNeverStarted",
    "JobNotTaken",
    "JobOutcomeUnknown",
    "JobRejected",
    "JobStuck",
    "JobTimedOut",
    "ResultTooLarge",
    "TheEyeConnectionChanged",
    "TheEyeConnectionChangedNoRetry",
    "TheEyeJobError",
    "TheEyeRefused",
    "TheEyeRefusedNoRetry",
    "TheEyeSettingsError",
    "TheEyeSubmissionUnclear",
    "TheEyeUnreachable",
    "cancelled_by_kill",
    "gone_error",
    "job_error",
    "leads_elsewhere",
    "lost_touch_error",
    "may_be_retried",
    "moved_error",
    "request_error",
]


class TheEyeJobError(AirflowException):
    """Base of all that is said about one job.

    :param job_id: the job, ``None`` if there is none.
    """

    def __init__(self, message: str, job_id: str | None = None) -> None:
        super().__init__(message)
        self.job_id = job_id

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.job_id)


class JobFailed(TheEyeJobError):
    """The script failed, by its own word or by its exit code."""


class JobRejected(TheEyeJobError):
    """An approver said no."""


class JobCancelled(TheEyeJobError):
    """Somebody cancelled the job in TheEye, or its script said so."""


class JobTimedOut(TheEyeJobError):
    """TheEye ended the job at the task's own time limit."""


class JobHostLost(TheEyeJobError):
    """The host disappeared while the job ran."""


class JobNeverStarted(TheEyeJobError, AirflowFailException):
    """TheEye accepted the request and could not build a job of it; the same request would fail again."""


class JobStuck(TheEyeJobError):
    """A workflow job that cannot go on: a step of it could not be built."""


class JobOutcomeUnknown(TheEyeJobError, AirflowFailException):
    """TheEye has deleted the job's record before its end was read."""


class JobDeadlineExceeded(TheEyeJobError):
    """The operator's ``timeout`` has passed."""


class JobNotTaken(TheEyeJobError):
    """No host took the job within ``queue_timeout``."""


class TheEyeUnreachable(TheEyeJobError):
    """TheEye gave no usable answer for too long. The job was left alone."""


class TheEyeRefused(TheEyeJobError):
    """TheEye refuses what we ask: token, role, organization, ids. If there is a job, it was left alone."""


class TheEyeRefusedNoRetry(TheEyeRefused, AirflowFailException):
    """The same where a retry is of no use, or would start a second job beside one that may still run."""


class TheEyeConnectionChanged(TheEyeJobError):
    """The Airflow connection leads to another server or organization than the job lives in. Nothing was started."""


class TheEyeConnectionChangedNoRetry(TheEyeConnectionChanged, AirflowFailException):
    """The same where a retry would start a second job beside one that may still run."""


class TheEyeSubmissionUnclear(TheEyeJobError, AirflowFailException):
    """A job may or may not have been started; only a person can tell."""


class TheEyeSettingsError(TheEyeJobError, AirflowFailException):
    """The connection or the operator's arguments cannot work. Nothing was started, unless the error names a job."""


class ResultTooLarge(TheEyeJobError, AirflowFailException):
    """The job's output does not fit into ``max_xcom_bytes``."""


_BY_OUTCOME: dict[Outcome, type[TheEyeJobError]] = {
    Outcome.FAILED: JobFailed,
    Outcome.REJECTED: JobRejected,
    Outcome.CANCELLED: JobCancelled,
    Outcome.TIMED_OUT: JobTimedOut,
    Outcome.HOST_LOST: JobHostLost,
    Outcome.NEVER_STARTED: JobNeverStarted,
    Outcome.STUCK: JobStuck,
    Outcome.GONE: JobOutcomeUnknown,
}


def job_error(outcome: Outcome, message: str, job_id: str) -> TheEyeJobError:
    """The exception for a job that ended with anything but success."""
    return _BY_OUTCOME[outcome](message, job_id)


def cancelled_by_kill(job: Job) -> JobCancelled:
    """The error of a task that was killed and then saw its job end. Only Airflow knows whether there is another try."""
    return JobCancelled(
        f"this task was killed and cancelled its TheEye job {job.id} ({job.name}), which is now "
        f"{job.lifecycle}/{job.state}. If Airflow runs the task again, that starts a new job",
        job.id,
    )


def may_be_retried(outcome: Outcome) -> bool:
    """Whether Airflow tries again after that outcome."""
    return not issubclass(_BY_OUTCOME[outcome], AirflowFailException)


def request_error(
    message: str, error: TheEyeError, job_id: str | None = None, *, retried: bool = False
) -> TheEyeJobError:
    """The exception for a request that failed for good: one that asking again cannot mend, or one that it may.

    :param retried: whether Airflow may try again after a refusal: there is a job, and the next try will find it.
    """
    if isinstance(error, WrongPlace):
        return lost_touch_error(End.MOVED, message, job_id, retried=retried)
    final = isinstance(error, AuthenticationFailed | Forbidden | WrongOrganization | NotFound | InvalidRequest)
    return lost_touch_error(End.REFUSED if final else End.UNREACHABLE, message, job_id, retried=retried)


def lost_touch_error(end: End, message: str, job_id: str | None, *, retried: bool) -> TheEyeJobError:
    """The exception for a wait that ended so, although its job may still run."""
    if end is End.UNREACHABLE:
        return TheEyeUnreachable(message, job_id)
    if end is End.MOVED:
        return (TheEyeConnectionChanged if retried else TheEyeConnectionChangedNoRetry)(message, job_id)
    return (TheEyeRefused if retried else TheEyeRefusedNoRetry)(message, job_id)


def leads_elsewhere(theeye_conn_id: str, before: Place, after: Place) -> str:
    """Why nothing can be asked about a job that lives in the place of before."""
    return (
        f"the Airflow connection {theeye_conn_id!r} was changed: it now leads to {after}, and the job lives in {before}"
    )


def gone_error(job_id: str) -> JobOutcomeUnknown:
    """The error for a job whose record TheEye has deleted."""
    return JobOutcomeUnknown(
        f"TheEye has no record of job {job_id} any more, so its outcome is unknown: it keeps the newest jobs of a task "
        "only (five, unless the task says otherwise). It was not run again. Look at what the script left behind, then "
        "clear the task to run it again, or set on_missing='resubmit'; to prevent this raise the task's "
        "autoremove_completed_jobs_limit",
        job_id,
    )


def moved_error(job_id: str, conn_id: str | None, made: Place | None, now: Place) -> TheEyeConnectionChanged:
    """The error for a job of an earlier try that cannot be looked at, since its connection was changed."""
    return TheEyeConnectionChanged(
        f"connection {conn_id!r} leads to another place than TheEye job {job_id} lives in: an earlier try of this task "
        f"started it in {made}, and the connection leads to {now} now. The job was left alone, and nothing was started "
        "again. If the change was a mistake, undo it: the next try waits for that job, and clearing the task cancels "
        "it and runs a new one. If it was meant, cancel that job where it lives, then clear the task to run it at the "
        "new place",
        job_id,
    )
