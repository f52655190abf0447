"""``TheEyeJobTrigger``: waits for a job in the triggerer."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import conf
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_theeye.api.settings import Place
from airflow_provider_theeye.jobs.deferral import earliest_return, hold_back
from airflow_provider_theeye.jobs.waiting import End, JobWatch, WaitRules
from airflow_provider_theeye.triggers.in_process import Interrupt, waiting
from airflow_provider_theeye.triggers.undisturbed import start, until_over
from airflow_provider_theeye.version_compat import HAS_TASK_STATE_STORE

if TYPE_CHECKING:
    from airflow_provider_theeye.jobs.reading import Ended
    from airflow_provider_theeye.triggers.watcher import JobWatcher

__all__ = ["MAX_EVENT_BYTES", "JobEvent", "TheEyeJobTrigger", "return_of_a_task_deferred_now"]

#: A job's document travels with the event up to this size, packed if need be; a larger one is left for the worker to
#: fetch. Airflow stores each event in its database and writes it whole into the triggerer's log.
MAX_EVENT_BYTES = 16 * 1024


def return_of_a_task_deferred_now(context: Mapping[str, Any]) -> float:
    """The trigger's ``not_before`` for a task that is about to be deferred."""
    now = time.time()
    started = getattr(context.get("ti"), "start_date", None)
    # Airflow 3's supervisor may sleep so long when the sockets of its process close before the process is gone.
    interval = conf.getfloat("workers", "min_heartbeat_interval", fallback=5.0)
    return earliest_return(now, interval, now - started.timestamp() if started is not None else 0.0)


@dataclass(frozen=True)
class JobEvent:
    """What the trigger tells the worker: why the wait is over, and the job if that is known.

    :param submitted: what the trigger was given, for the worker; ``defer(kwargs=…)`` would be lost in ``dag.test()``.
    :param ended: ``jobs.reading.Ended`` as JSON; ``None`` if the job is not over, or was too large for an event.
    :param whole: ``False`` if something did not fit into the event.
    :param problem: what TheEye answered last, if that ended the wait.
    :param sealed_secret: the job's own secret, encrypted, for a worker that has no token and must ask once more.
    :param server: where the job lives, if that is known; the id means something there alone.
    :param organization: the same.
    :param deadline: what the trigger was given.
    """

    job_id: str
    end: End
    submitted: float | None = None
    ended: dict[str, Any] | None = None
    problem: str | None = None
    sealed_secret: str | None = None
    whole: bool = True
    server: str | None = None
    organization: str | None = None
    deadline: float | None = None

    @property
    def place(self) -> Place | None:
        return Place.of(self.server, self.organization)

    def to_json(self) -> dict[str, Any]:
        return {
            "job_id": self.job_id,
            "end": self.end.value,
            "submitted": self.submitted,
            "ended": self.ended,
            "problem": self.problem,
            "sealed_secret": self.sealed_secret,
            "whole": self.whole,
            "server": self.server,
            "organization": self.organization,
            "deadline": self.deadline,
        }

    @classmethod
    def parse(cls, data: dict[str, Any]) -> JobEvent:
        return cls(
            data["job_id"],
            End(data["end"]),
            data.get("submitted"),
            data.get("ended"),
            data.get("problem"),
            data.get("sealed_secret"),
            data.get("whole") is not False,
            data.get("server"),
            data.get("organization"),
            data.get("deadline"),
        )


class TheEyeJobTrigger(BaseTrigger):
    """Waits until a job or workflow job is over, or a deadline has passed.

    All arguments are ids and numbers: Airflow stores them in its database and shows them. Deadlines are epoch seconds,
    so that they mean the same in another triggerer.

    :param theeye_conn_id: the connection.
    :param job_id: the job or workflow job.
    :param is_workflow: whether it is a workflow job, for cancelling it.
    :param submitted: epoch seconds, handed on with the event.
    :param poll_interval: seconds between two looks; the smallest of all that share the poll counts.
    :param deadline: see ``jobs.waiting.WaitRules``, also for the next four.
    :param hosts: names of the hosts of a workflow's steps, by task id.
    :param ends_itself: ``False`` for runs of workflows of version 1.
    :param sealed_secret: the job's own secret, encrypted, to wait without a token.
    :param cancel_on_kill: cancel the job when a user kills the task. Clearing it counts except in Airflow 3.0 to 3.2.
    :param not_before: epoch seconds before which Airflow must not hear of the end, see ``jobs.deferral``.
    :param server: base URL of the server where the job lives; ``None`` for where the connection leads.
    :param organization: the organization where it lives.
    """

    def __init__(
        self,
        theeye_conn_id: str,
        job_id: str,
        is_workflow: bool = False,
        submitted: float | None = None,
        poll_interval: float = WaitRules.poll_interval,
        deadline: float | None = None,
        queue_deadline: float | None = None,
        max_failures: int = WaitRules.max_failures,
        failure_seconds: float = WaitRules.failure_seconds,
        targets: list[str] | None = None,
        hosts: dict[str, str] | None = None,
        ends_itself: bool = True,
        sealed_secret: str | None = None,
        cancel_on_kill: bool = False,
        not_before: float | None = None,
        server: str | None = None,
        organization: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.theeye_conn_id = theeye_conn_id
        self.job_id = job_id
        self.is_workflow = is_workflow
        self.submitted = submitted
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.queue_deadline = queue_deadline
        self.max_failures = max_failures
        self.failure_seconds = failure_seconds
        self.targets = targets or []
        self.hosts = hosts or {}
        self.ends_itself = ends_itself
        self.sealed_secret = sealed_secret
        self.cancel_on_kill = cancel_on_kill
        self.not_before = not_before
        self.server = server
        self.organization = organization
        self._ending: asyncio.Task[None] | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            "airflow_provider_theeye.triggers.theeye.TheEyeJobTrigger",
            {
                "theeye_conn_id": self.theeye_conn_id,
                "job_id": self.job_id,
                "is_workflow": self.is_workflow,
                "submitted": self.submitted,
                "poll_interval": self.poll_interval,
                "deadline": self.deadline,
                "queue_deadline": self.queue_deadline,
                "max_failures": self.max_failures,
                "failure_seconds": self.failure_seconds,
                "targets": self.targets,
                "hosts": self.hosts,
                "ends_itself": self.ends_itself,
                "sealed_secret": self.sealed_secret,
                "cancel_on_kill": self.cancel_on_kill,
                "not_before": self.not_before,
                "server": self.server,
                "organization": self.organization,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        interrupt = Interrupt()
        try:
            with waiting(self.job_id, interrupt) if self.trigger_id is None else contextlib.nullcontext():
                event = await self._wait()
            await self._hold_back()
        except asyncio.CancelledError:
            # Before Airflow 3.3 nobody tells a trigger why it ends.
            if interrupt.came or not HAS_TASK_STATE_STORE:
                await self._cancel_if_killed(certain=interrupt.came)
            raise
        yield TriggerEvent(event.to_json())  # type: ignore[no-untyped-call]

    async def _wait(self) -> JobEvent:
        watch = self._watch()
        async with self.watcher() as watcher:
            end, ended = await self._until_over(watch, watcher)
            place = watcher.client.place
        document, whole = None, True
        if ended is not None:
            document, whole = await asyncio.to_thread(ended.fitting, MAX_EVENT_BYTES)
        problem = str(watch.error) if watch.error is not None else None
        sealed_secret = None if document is not None and whole else self.sealed_secret
        return JobEvent(
            self.job_id,
            end,
            self.submitted,
            document,
            problem,
            sealed_secret,
            whole,
            place.server if place is not None else None,
            place.organization if place is not None else None,
            self.deadline,
        )

    def watcher(self) -> AbstractAsyncContextManager[JobWatcher]:
        """The shared poll of the place where the job lives."""
        from airflow_provider_theeye.triggers.watcher import JobWatcher

        return JobWatcher.shared(self.theeye_conn_id, Place.of(self.server, self.organization), self.submitted)

    async def _until_over(self, watch: JobWatch, watcher: JobWatcher) -> tuple[End, Ended | None]:
        if self.sealed_secret is None:
            return await watcher.wait(watch, self.log.info)
        from airflow_provider_theeye.triggers.longpoll import wait_by_secret

        return await wait_by_secret(watch, self.sealed_secret, watcher.client, self.log.info)

    async def _hold_back(self) -> None:
        seconds = hold_back(self.not_before, time.time())
        if seconds and self.trigger_id is not None:  # dag.test() has no scheduler that could be too slow
            self.log.info("The task goes on in %.0f s: Airflow may not have registered its deferral yet", seconds)
            await asyncio.sleep(seconds)

    async def on_kill(self) -> None:
        """Cancel the job: a user marked the task, or cleared it, while it was deferred. Airflow 3.3 and newer."""
        await self._cancel_if_killed()

    async def cleanup(self) -> None:
        """Wait for ``on_kill``.

        Airflow gives it up when it cancels the trigger again, and closes the task's log after this.
        """
        if self._ending is not None:
            await until_over(self._ending)

    async def _cancel_if_killed(self, *, certain: bool = False) -> None:
        from airflow_provider_theeye.triggers.cancelling import Ending

        if self.cancel_on_kill:
            self._ending = start(Ending(self, certain=certain).run())
            await until_over(self._ending)

    def _watch(self) -> JobWatch:
        rules = WaitRules(
            poll_interval=self.poll_interval,
            deadline=self.deadline,
            queue_deadline=self.queue_deadline,
            max_failures=self.max_failures,
            failure_seconds=self.failure_seconds,
            targets=frozenset(self.targets),
        )
        return JobWatch(
            self.job_id, rules, is_workflow=self.is_workflow, hosts=self.hosts, ends_itself=self.ends_itself
        )
