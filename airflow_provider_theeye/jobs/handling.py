"""What a task does about the end of its job: hand the result on, be skipped, or fail as the job did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from airflow_provider_theeye.jobs.outcome import Outcome, judge
from airflow_provider_theeye.jobs.verdict import last_step, newest_of_each_task

if TYPE_CHECKING:
    from airflow_provider_theeye.api.models import Job
    from airflow_provider_theeye.jobs.reading import Ended
    from airflow_provider_theeye.jobs.verdict import Judgement

__all__ = ["FAILED_JOB", "Handling", "HandlingRules"]

#: The job ran and TheEye says how it ended. What is no failure of a job but one of the request (never started), of the
#: workflow's definition (stuck) or of our knowledge (gone) is an error under any rules.
FAILED_JOB = frozenset(
    {Outcome.FAILED, Outcome.REJECTED, Outcome.CANCELLED, Outcome.TIMED_OUT, Outcome.HOST_LOST},
)


class Handling(str, Enum):
    """The values are those of ``on_failed_job``."""

    FAIL = "fail"
    SKIP = "skip"
    RETURN = "return"


@dataclass(frozen=True)
class HandlingRules:
    """The two options that operators and sensor have for this.

    :param on_failed_job: what to do about a job that failed.
    :param skip_on_exit_code: exit codes of a job, or of all failed steps of a workflow job, that skip the task.
    """

    on_failed_job: Handling = Handling.FAIL
    skip_on_exit_code: frozenset[int] = field(default=frozenset())

    def of(self, ended: Ended, judgement: Judgement) -> Handling:
        """``RETURN`` for a success as well, unless its exit code says skip."""
        verdict = judgement.verdict
        if not verdict.good and verdict.outcome not in FAILED_JOB:
            return Handling.FAIL
        if self.skips(ended, judgement):
            return Handling.SKIP
        return Handling.RETURN if verdict.good else self.on_failed_job

    def skips(self, ended: Ended, judgement: Judgement) -> bool:
        """Whether it is the exit code that skips the task."""
        codes = {job.result.code if job.result else None for job in _speakers(ended, judgement)}
        return bool(codes) and codes <= self.skip_on_exit_code


def _speakers(ended: Ended, judgement: Judgement) -> Sequence[Job]:
    """The jobs whose exit codes count. A step that may be skipped must not hide another one's failure."""
    if not ended.job.is_workflow:
        return (ended.job,)
    if judgement.hidden:
        return judgement.hidden
    if not judgement.verdict.good:
        return [step for step in newest_of_each_task(ended.steps) if step.is_over and not judge(step).good]
    last = last_step(ended.steps)
    return (last,) if last else ()
