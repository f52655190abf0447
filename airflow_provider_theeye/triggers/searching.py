"""``TheEyeJobSearchTrigger``: waits in the triggerer for a job that does not exist yet."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from airflow_provider_theeye.jobs.searching import JobSearch
from airflow_provider_theeye.jobs.waiting import End, JobWatch, WaitRules
from airflow_provider_theeye.triggers.theeye import JobEvent, TheEyeJobTrigger

__all__ = ["TheEyeJobSearchTrigger"]


class TheEyeJobSearchTrigger(TheEyeJobTrigger):
    """Looks for a job until there is one, then waits for its end like ``TheEyeJobTrigger``. It never cancels.

    The event's ``job_id`` is empty if no job appeared.

    :param theeye_conn_id: the connection.
    :param theeye_id: see ``jobs.searching.JobSearch``, also for the next three.
    :param poll_interval: seconds between two looks.
    :param deadline: epoch seconds after which the wait is over, for both parts of it.
    :param failure_seconds: see ``jobs.waiting.WaitRules``, also for ``targets``.
    :param ends_itself: ``False`` for runs of workflows of version 1.
    """

    def __init__(
        self,
        theeye_conn_id: str,
        theeye_id: str,
        is_workflow: bool,
        since: str,
        pick: str,
        poll_interval: float = WaitRules.poll_interval,
        deadline: float | None = None,
        failure_seconds: float = WaitRules.failure_seconds,
        targets: list[str] | None = None,
        ends_itself: bool = True,
    ) -> None:
        super().__init__(
            theeye_conn_id=theeye_conn_id,
            job_id="",
            is_workflow=is_workflow,
            poll_interval=poll_interval,
            deadline=deadline,
            failure_seconds=failure_seconds,
            targets=targets,
            ends_itself=ends_itself,
        )
        self.search = JobSearch(theeye_id, is_workflow, since, pick)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            "airflow_provider_theeye.triggers.searching.TheEyeJobSearchTrigger",
            {
                "theeye_conn_id": self.theeye_conn_id,
                "theeye_id": self.search.theeye_id,
                "is_workflow": self.search.is_workflow,
                "since": self.search.since,
                "pick": self.search.pick,
                "poll_interval": self.poll_interval,
                "deadline": self.deadline,
                "failure_seconds": self.failure_seconds,
                "targets": self.targets,
                "ends_itself": self.ends_itself,
            },
        )

    async def _wait(self) -> JobEvent:
        self.job_id = str(self.search)
        watch = self._watch()
        self.log.info("Waiting for a job %s", self.search)
        end = await self._find(watch)
        if end is not None:
            return JobEvent("", end, problem=str(watch.error) if watch.error is not None else None)
        self.job_id = watch.job_id
        self.log.info("Found TheEye job %s", self.job_id)
        return await super()._wait()

    async def _find(self, watch: JobWatch) -> End | None:
        """Look until there is a job (``None``), or until the wait is over."""
        from airflow_provider_theeye.api.models import Job
        from airflow_provider_theeye.jobs.procedures import drive_async
        from airflow_provider_theeye.jobs.searching import look_for
        from airflow_provider_theeye.triggers.watcher import JobWatcher

        async with JobWatcher.shared(self.theeye_conn_id) as watcher:
            while True:
                job: Job | None
                job, end = await drive_async(look_for(self.search, watch, time.time), watcher.client.run)
                for line in watch.take_notes():
                    self.log.info(line)
                if job is not None or end is not None:
                    return end
                await asyncio.sleep(watch.delay(time.time()))
