"""What a new try does about the job that an earlier try of the same task instance started."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from airflow_provider_theeye.api.ids import is_id
from airflow_provider_theeye.api.models import Job
from airflow_provider_theeye.jobs.outcome import Verdict
from airflow_provider_theeye.jobs.submission import may_be_held

__all__ = ["Next", "Record", "decide"]


@dataclass(frozen=True)
class Record:
    """What is remembered of a submission: stored before the job is released, read by the next try.

    :param generation: ``ti.max_tries`` and the task's retries at the submission. An automatic retry keeps them. A
        user's Clear makes the former of the latter and of the tries so far, so that one of them changes; Airflow 3.3
        leaves the task state store as it is when a task is cleared, so this tells the two apart.
    :param submitted: epoch seconds, the anchor of all deadlines.
    """

    job_id: str
    generation: str
    submitted: float
    is_workflow: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "job_id": self.job_id,
            "gen": self.generation,
            "submitted": self.submitted,
            "workflow": self.is_workflow,
        }

    @classmethod
    def parse(cls, data: object) -> Record | None:
        """``None`` for what is no record of ours."""
        if not isinstance(data, dict) or not is_id(data.get("job_id")):
            return None
        generation, submitted = data.get("gen"), data.get("submitted")
        if not isinstance(generation, str) or not isinstance(submitted, int | float):
            return None
        return cls(data["job_id"], generation, float(submitted), data.get("workflow") is True)


class Next(Enum):
    """What to do with the job of an earlier try."""

    SUBMIT = "submit a new job"
    CANCEL_THEN_SUBMIT = "cancel it and submit a new job"
    RELEASE = "release it, then wait for it"
    WAIT = "wait for it"
    TAKE_RESULT = "take its result"
    UNKNOWN = "its record is gone: the outcome is unknown"


def decide(record: Record, generation: str, job: Job | None, verdict: Verdict | None) -> Next:
    """Decide from the record of the earlier try and what became of its job.

    :param job: the job as it is now, ``None`` if its record is gone.
    :param verdict: how it ended, ``None`` while it or a step of it is live.
    """
    if record.generation != generation:
        return Next.SUBMIT if job is None or verdict is not None else Next.CANCEL_THEN_SUBMIT
    if job is None:
        return Next.UNKNOWN
    if verdict is not None:
        return Next.TAKE_RESULT if verdict.good else Next.SUBMIT
    return Next.RELEASE if may_be_held(job) else Next.WAIT
