"""Waiting in the triggerer for a job that nobody has seen yet, or that does not even exist yet."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_theeye.jobs.clocks import now
from airflow_provider_theeye.jobs.searching import JobSearch
from airflow_provider_theeye.jobs.waiting import End, JobWatch, WaitRules
from airflow_provider_theeye.triggers.theeye import TheEyeJobTrigger

if TYPE_CHECKING:
    from airflow_provider_theeye.jobs.reading import Ended
    from airflow_provider_theeye.triggers.watcher import JobWatcher

__all__ = ["TheEyeJobSearchTrigger", "TheEyeUnseenJobTrigger"]


class TheEyeUnseenJobTrigger(TheEyeJobTrigger):
    """Waits like ``TheEyeJobTrigger`` for a job of which nothing but the id is known, as TheEye was out of reach.

    Whether it is a workflow job that ends by itself is found out first.
    """

    unseen = True

    def serialize(self) -> tuple[str, dict[str, Any]]:
        _, kwargs = super().serialize()
        return "airflow_provider_theeye.triggers.searching.TheEyeUnseenJobTrigger", kwargs

    async def _until_over(self, watch: JobWatch, watcher: JobWatcher) -> tuple[End, Ended | None]:
        if self.unseen:
            end, ended = await self._see(watch, watcher)
            if end is not End.REACHED or (watch.job is not None and watch.job.lifecycle in watch.rules.targets):
                return end, ended
        return await super()._until_over(watch, watcher)

    async def _see(self, watch: JobWatch, watcher: JobWatcher) -> tuple[End, Ended | None]:
        """``End.REACHED`` once the job was seen alive and all is known that the wait for its end takes."""
        from airflow_provider_theeye.api.models import LIVE
        from airflow_provider_theeye.jobs.looking import learn
        from airflow_provider_theeye.jobs.procedures import drive_async

        rules, watch.ends_itself = watch.rules, None
        watch.rules = replace(rules, targets=LIVE)
        end, ended = await watcher.wait(watch, self.log.info)
        watch.rules = rules
        while end is End.REACHED and watch.ends_itself is None:
            over = await drive_async(learn(watch, now), watcher.client.run)
            if over is not None:
                return over, None
            if watch.error is not None:
                await watcher.client.sleep(watch.delay(now()))
        return end, ended


class TheEyeJobSearchTrigger(TheEyeUnseenJobTrigger):
    """Looks for a job until there is one, then waits for its end like ``TheEyeJobTrigger``. It never cancels.

    The event's ``job_id`` is empty if no job appeared.

    :param theeye_conn_id: the connection.
    :param theeye_id: see ``jobs.searching.JobSearch``, also for the next three.
    :param poll_interval: seconds between two looks.
    :param deadline: epoch seconds after which the wait is over, for both parts of it.
    :param failure_seconds: see ``jobs.waiting.WaitRules``, also for ``targets``.
    :param ends_itself: ``False`` for runs of workflows of version 1; ``None`` if that is yet to be found out.
    :param not_before: see ``TheEyeJobTrigger``.
    :param server: see ``TheEyeJobTrigger``, also for ``organization``.
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
        ends_itself: bool | None = True,
        not_before: float | None = None,
        server: str | None = None,
        organization: str | None = None,
    ) -> None:
        super().__init__(
            theeye_conn_id=theeye_conn_id,
            job_id="",
            is_workflow=is_workflow,
            poll_interval=poll_interval,
            deadline=deadline,
            failure_seconds=failure_seconds,
            targets=targets,
            ends_itself=ends_itself is not False,
            not_before=not_before,
            server=server,
            organization=organization,
        )
        self.unseen = ends_itself is None
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
                "ends_itself": None if self.unseen else self.ends_itself,
                "not_before": self.not_before,
                "server": self.server,
                "organization": self.organization,
            },
        )

    def _watch(self) -> JobWatch:
        watch = super()._watch()
        watch.job_id = str(self.search)
        return watch

    async def _until_over(self, watch: JobWatch, watcher: JobWatcher) -> tuple[End, Ended | None]:
        self.log.info("Waiting for a job %s", self.search)
        end = await self._find(watch, watcher)
        if end is not None:
            return end, None
        self.job_id = watch.job_id
        self.log.info("Found TheEye job %s", self.job_id)
        return await super()._until_over(watch, watcher)

    async def _find(self, watch: JobWatch, watcher: JobWatcher) -> End | None:
        """Look until there is a job (``None``), or until the wait is over."""
        from airflow_provider_theeye.api.models import Job
        from airflow_provider_theeye.jobs.procedures import drive_async
        from airflow_provider_theeye.jobs.searching import look_for

        while True:
            job: Job | None
            job, end = await drive_async(look_for(self.search, watch, now), watcher.client.run)
            for line in watch.take_notes():
                self.log.info(line)
            if job is not None or end is not None:
                return end
            await watcher.client.sleep(watch.delay(now()))
