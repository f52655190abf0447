"""What became of a job: TheEye's lifecycle, state and result, read as one of a few outcomes.

The rules are those of CONTRACT, "Lifecycle and state of a job". Unknown words never count as success.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from airflow_provider_theeye.api.carried import clean

if TYPE_CHECKING:
    from airflow_provider_theeye.api.models import Job

__all__ = ["Outcome", "Verdict", "judge"]


class Outcome(str, Enum):
    """How a job ended. The values go to XCom."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    HOST_LOST = "host_lost"
    NEVER_STARTED = "never_started"
    STUCK = "stuck"
    GONE = "gone"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Verdict:
    """An outcome and, in a sentence without a full stop, why.

    :param step: of a workflow job, the step that the reason speaks of.
    """

    outcome: Outcome
    reason: str
    step: Job | None = field(default=None, repr=False, compare=False)

    @property
    def good(self) -> bool:
        return self.outcome is Outcome.SUCCEEDED


def judge(job: Job, *, fail_on_exit_code: bool = True) -> Verdict:
    """Judge a job that is over.

    :param fail_on_exit_code: take an exit code other than 0 for a failure. TheEye itself does not: a script that dies
        with a traceback is a success for it unless its last line says otherwise.
    :raises ValueError: if the job is not over.
    """
    if not job.is_over:
        raise ValueError(f"job {job.id} is not over, it is {job.lifecycle}")
    if job.state == "error" and job.lifecycle == "terminated":
        return Verdict(Outcome.NEVER_STARTED, f"TheEye could not start it: {_server_reason(job)}")
    if job.state == "timeout":
        return Verdict(Outcome.TIMED_OUT, "its agent stopped it at the task's time limit")
    if job.state == "canceled" or job.lifecycle == "canceled":
        return _judge_canceled(job)
    if job.lifecycle == "expired":
        return Verdict(Outcome.TIMED_OUT, "TheEye says that it expired")
    if job.lifecycle == "terminated":
        return Verdict(Outcome.FAILED, f"it was terminated with state {job.state or 'unknown'}")
    if job.state in ("success", "normal"):
        return _judge_success(job, fail_on_exit_code)
    if job.state == "failure":
        return _judge_failure(job)
    return Verdict(Outcome.FAILED, f"it ended with the state {job.state or 'unknown'!r}, which is no success")


def _judge_success(job: Job, fail_on_exit_code: bool) -> Verdict:
    result = job.result
    if result is not None and fail_on_exit_code:
        if result.code:
            return Verdict(Outcome.FAILED, f"its script ended with exit code {result.code}")
        if result.killed or result.signal:
            return Verdict(Outcome.FAILED, f"its script was killed ({result.signal or 'no signal named'})")
        if result.has_log and result.code is None and job.kind == "ScriptJob":
            # The agent itself failed, which TheEye calls a success as well.
            return Verdict(Outcome.FAILED, f"its agent reported no exit code: {_server_reason(job)}")
    return Verdict(Outcome.SUCCEEDED, "it succeeded")


def _judge_failure(job: Job) -> Verdict:
    if job.kind == "ApprovalJob":
        who = job.result.user if job.result else None
        return Verdict(Outcome.REJECTED, f"it was rejected by {who}" if who else "it was rejected")
    code = job.result.code if job.result else None
    with_code = f" (exit code {code})" if code is not None else ""
    return Verdict(Outcome.FAILED, f"its script reported a failure{with_code}")


def _judge_canceled(job: Job) -> Verdict:
    result = job.result
    if job.lifecycle == "canceled":
        by = f" by {result.user}" if result and result.user else ""
        return Verdict(Outcome.CANCELLED, f"it was cancelled{by} before it was over")
    if job.is_workflow:
        return Verdict(Outcome.CANCELLED, "it was cancelled while it ran")
    if result is None and job.workflow_job_id is not None:
        # Cancelling a workflow job leaves its step just as the loss of a host does.
        return Verdict(Outcome.CANCELLED, "TheEye ended it while it ran: somebody cancelled it, or its host was lost")
    if result is None:
        return Verdict(Outcome.HOST_LOST, "its host was lost while it ran: TheEye had no sign of life of it any more")
    if result.has_log:
        return Verdict(Outcome.CANCELLED, "its script said that it is canceled")
    if result.user:
        return Verdict(
            Outcome.CANCELLED, f"it was cancelled by {result.user} while it ran; its script may still be running"
        )
    return Verdict(
        Outcome.TIMED_OUT, f"TheEye ended it because its agent was silent for too long: {_server_reason(job)}"
    )


def _server_reason(job: Job) -> str:
    """TheEye's own words about a job that it ended itself."""
    values: list[Any] = job.output if isinstance(job.output, list) else [job.output]
    for value in (*values, job.result.log if job.result else None):
        text = _plain(value)
        if text:
            return clean(text)
    return "no reason given"


def _plain(value: object) -> str:
    """``"\\"InvalidTaskArguments\\""`` and ``{"message": …}`` as text."""
    if isinstance(value, str):
        try:
            decoded = json.loads(value)
        except (ValueError, RecursionError):
            return value.strip()
        return _plain(decoded) if decoded != value else value
    if isinstance(value, dict):
        return _plain(value["message"]) if "message" in value else str(value)
    return "" if value is None else str(value)
