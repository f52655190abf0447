"""Looking for a job of which only the task or workflow and a time are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.errors import TheEyeError
from airflow_provider_theeye.api.models import Job, moment
from airflow_provider_theeye.jobs.clocks import Instant
from airflow_provider_theeye.jobs.procedures import Procedure
from airflow_provider_theeye.jobs.waiting import End, JobWatch

__all__ = ["PICKS", "JobSearch", "look_for"]

PICKS = ("last", "first")

#: Rows in one answer: the first few nearly always hold the wanted one …
_FEW_ROWS = 20
#: … but jobs may be held, and those of a workflow come mixed with the rows of its steps, which count as its jobs too.
_MOST_ROWS = 1000
_BEGINNING = datetime.min.replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class JobSearch:
    """Which job is wanted.

    :param theeye_id: id of the task or workflow.
    :param since: ISO 8601 time; only jobs created then or later count.
    :param pick: ``last`` or ``first`` of them, by their creation.
    """

    theeye_id: str
    is_workflow: bool
    since: str
    pick: str = "last"

    def __str__(self) -> str:
        what = "workflow" if self.is_workflow else "task"
        return f"of {what} {self.theeye_id} since {self.since}"

    def call(self, limit: int) -> calls.Call[list[Job]]:
        whose = {"workflow_id" if self.is_workflow else "task_id": self.theeye_id}
        return calls.find_jobs(**whose, created_since=self.since, oldest_first=self.pick == "first", limit=limit)

    def choose(self, rows: Sequence[Job]) -> Job | None:
        """The wanted one. A held job does not count: nobody knows whether it will ever run."""
        since = moment(self.since) or _BEGINNING
        fitting = [
            (moment(job.created) or since, job.id, job)
            for job in rows
            if job.is_workflow == self.is_workflow
            and self.theeye_id == (job.workflow_id if self.is_workflow else job.task_id)
            and not job.is_held
        ]
        # Servers of another age may ignore the filter, so it is applied here once more.
        recent = [found for found in fitting if found[0] >= since]
        return (max if self.pick == "last" else min)(recent)[-1] if recent else None


def look_for(
    search: JobSearch, watch: JobWatch, clock: Callable[[], Instant]
) -> Procedure[tuple[Job | None, End | None]]:
    """One look. ``watch`` counts time and failures, and waits for the job from then on if it is found."""
    try:
        rows: list[Job] = yield search.call(_FEW_ROWS)
        job = search.choose(rows)
        if job is None and len(rows) >= _FEW_ROWS:
            rows = yield search.call(_MOST_ROWS)
            job = search.choose(rows)
    except TheEyeError as error:
        return None, watch.failed(error, clock())
    if job is None:
        return None, watch.waited(clock())
    watch.found(job.id)
    return job, None
