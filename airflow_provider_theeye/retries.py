"""A retry policy for Airflow 3.3 and newer that knows what each kind of failure means."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_provider_theeye.exceptions import (
    JobCancelled,
    JobHostLost,
    JobNotTaken,
    JobRejected,
    TheEyeConnectionChanged,
    TheEyeRefused,
    TheEyeUnreachable,
)
from airflow_provider_theeye.options import seconds

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ExceptionRetryPolicy

__all__ = ["theeye_retry_policy"]


def theeye_retry_policy(
    *,
    reattach_after: float | timedelta = 30,
    host_back_after: float | timedelta = 300,
) -> ExceptionRetryPolicy:
    """For the ``retry_policy`` of an operator: ``retry_policy=theeye_retry_policy()``, together with ``retries``.

    * TheEye was out of reach or refused to answer, or the connection was changed: try again soon. The job was left
      alone, and the retry waits for it where it is remembered.
    * The host was lost, or took no job: try again when it may be back.
    * A person cancelled or rejected the job: do not try again.
    * Everything else: the task's own ``retries`` and ``retry_delay``.

    What a retry cannot mend (token, organization, arguments, a record that is gone) is an ``AirflowFailException``,
    which Airflow never tries again, with or without a policy.

    :param reattach_after: pause before a retry that takes up the same job, in seconds or as a timedelta.
    :param host_back_after: pause before a retry that needs the host back, in seconds or as a timedelta.
    :raises ImportError: before Airflow 3.3.
    :raises ValueError: if a pause is none.
    """
    reattach, host_back = _pause(reattach_after, "reattach_after"), _pause(host_back_after, "host_back_after")
    from airflow.providers.common.compat.sdk import ExceptionRetryPolicy, RetryRule
    from airflow.sdk.definitions.retry_policy import RetryAction

    return ExceptionRetryPolicy(
        rules=[
            RetryRule(
                [TheEyeUnreachable, TheEyeRefused, TheEyeConnectionChanged],
                RetryAction.RETRY,
                retry_delay=reattach,
                reason="touch with TheEye was lost; the job was left alone",
            ),
            RetryRule(
                [JobHostLost, JobNotTaken],
                RetryAction.RETRY,
                retry_delay=host_back,
                reason="the host was not there",
            ),
            RetryRule(
                [JobCancelled, JobRejected],
                RetryAction.FAIL,
                reason="somebody decided so",
            ),
        ]
    )


def _pause(value: float | timedelta, name: str) -> timedelta:
    return timedelta(seconds=seconds(value, name) or 0.0)
