"""``TheEyeJobEventTrigger``: tells Airflow of jobs that end in TheEye, for ``AssetWatcher`` (Airflow 3.0 and newer)."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Hashable, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import TriggerEvent

from airflow_provider_theeye.jobs.outcome import Outcome
from airflow_provider_theeye.options import CONN_ID, check_choice, check_conn_id, check_id, seconds
from airflow_provider_theeye.version_compat import BaseEventTrigger

if TYPE_CHECKING:
    from airflow_provider_theeye.api.call import Call
    from airflow_provider_theeye.api.models import Job
    from airflow_provider_theeye.api.settings import Place
    from airflow_provider_theeye.jobs.events import Batch, Mark
    from airflow_provider_theeye.jobs.reading import Ended
    from airflow_provider_theeye.triggers.shared_client import SharedClient

__all__ = ["TheEyeJobEventTrigger"]

#: Seconds that Airflow is given to store an event before the trigger remembers that it has told it.
STORED_AFTER = 2.0
#: Seconds between two events. Airflow makes a run for the first of several that come while its scheduler is about to
#: make one, and leaves the others for whichever run comes next (seen with 3.3.2).
SPACING = 5.0
#: As many events wait for each other; if there are more, those before them are told at once, to go into one run.
MOST_SPACED = 10
#: Nor do they wait for each other if TheEye's list was read so many seconds ago.
LATEST = MOST_SPACED * SPACING
#: Seconds after which the mark is remembered although nothing was told, so that a restart has little to read again.
REMEMBER_EVERY = 300.0
_OUTCOMES = tuple(outcome.value for outcome in Outcome if outcome not in (Outcome.STUCK, Outcome.GONE))


class TheEyeJobEventTrigger(BaseEventTrigger):
    """Fires once for each job that ends in TheEye, whoever started it.

    The event is ``{"job_id", "task_id", "workflow_id", "name", "lifecycle", "state", "outcome", "url"}``. With Airflow
    3.3 and newer it is kept in the asset's state store how far TheEye's list was read: what ended while the triggerer
    was down is told afterwards. Before, the trigger begins anew with what ends after its start.

    A run for each job: events are told five seconds apart, since Airflow makes one run of those that come together.
    Only if more than ten jobs end at once, or for a while more than one in five seconds, do runs get several events.

    The steps of a workflow are told only to who asks for their task. A job counts with its exit code, as for
    ``TheEyeJobSensor``; if its record cannot be read, or TheEye has deleted it already, with what TheEye's list said.

    :param theeye_conn_id: connection of type ``theeye``, with an integration token.
    :param theeye_task_id: only jobs of this task.
    :param theeye_workflow_id: only workflow jobs of this workflow. Without either every job of the organization counts,
        but not what agents do for themselves.
    :param outcomes: only jobs that ended so: any of ``succeeded``, ``failed``, ``rejected``, ``cancelled``,
        ``timed_out``, ``host_lost``, ``never_started``. All if left out.
    :param poll_interval: seconds between two looks. Triggers of one connection with the same interval share them.
    """

    def __init__(
        self,
        theeye_conn_id: str = CONN_ID,
        theeye_task_id: str | None = None,
        theeye_workflow_id: str | None = None,
        outcomes: Sequence[str] | None = None,
        poll_interval: float | timedelta = 10.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if theeye_task_id is not None and theeye_workflow_id is not None:
            raise ValueError("give theeye_task_id or theeye_workflow_id or neither, not both")
        for name, value in (("theeye_task_id", theeye_task_id), ("theeye_workflow_id", theeye_workflow_id)):
            if value is not None:
                check_id(value, name)
        if outcomes is not None and (isinstance(outcomes, str) or not isinstance(outcomes, Collection) or not outcomes):
            raise ValueError(f"outcomes must be a list of {', '.join(_OUTCOMES)}, not {outcomes!r}")
        self.theeye_conn_id = check_conn_id(theeye_conn_id, "theeye_conn_id")
        self.theeye_task_id = theeye_task_id
        self.theeye_workflow_id = theeye_workflow_id
        self.outcomes = None if outcomes is None else [check_choice(one, _OUTCOMES, "outcomes") for one in outcomes]
        self.poll_interval = seconds(poll_interval, "poll_interval") or 10.0

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            "airflow_provider_theeye.triggers.events.TheEyeJobEventTrigger",
            {
                "theeye_conn_id": self.theeye_conn_id,
                "theeye_task_id": self.theeye_task_id,
                "theeye_workflow_id": self.theeye_workflow_id,
                "outcomes": self.outcomes,
                "poll_interval": self.poll_interval,
            },
        )

    # -- one poll for all: Airflow 3.3 and newer have it, before that it is our own ----------------------------------

    def shared_stream_key(self) -> Hashable | None:
        return ("theeye", self.theeye_conn_id, self.poll_interval)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Batch]:
        from airflow_provider_theeye.triggers.ended import poll

        async with aclosing(poll(kwargs["theeye_conn_id"], kwargs["poll_interval"])) as batches:
            async for batch in batches:
                yield batch

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Batch]) -> AsyncIterator[TriggerEvent]:
        async with aclosing(self._events(shared_stream)) as events:
            async for event in events:
                yield event

    async def run(self) -> AsyncIterator[TriggerEvent]:
        from airflow_provider_theeye.triggers.ended import shared_poll

        async with (
            aclosing(shared_poll(self.theeye_conn_id, self.poll_interval)) as batches,
            aclosing(self._events(batches)) as events,
        ):
            async for event in events:
                yield event

    # -- parts -----------------------------------------------------------------------------------------------------

    async def _events(self, batches: AsyncIterator[Batch]) -> AsyncGenerator[TriggerEvent, None]:
        from airflow_provider_theeye.triggers.watcher import JobWatcher

        reader: _Reader | None = None
        async with AsyncExitStack() as stack:
            async for batch in batches:
                if reader is None or reader.place != batch.place:
                    await stack.aclose()
                    watcher = await stack.enter_async_context(JobWatcher.shared(self.theeye_conn_id, batch.place))
                    reader = _Reader(self, watcher.client, batch.place)
                    await reader.open()
                jobs = await reader.news(batch)
                for left, job in zip(range(len(jobs) - 1, -1, -1), jobs, strict=True):
                    event = await reader.payload(job)
                    if event is not None:
                        spaced = left < MOST_SPACED and not reader.is_late(batch)
                        await reader.wait_for_turn(spaced)
                        yield TriggerEvent(event)  # type: ignore[no-untyped-call]
                        await reader.told(job, spaced)
                await reader.finished()


class _Reader:
    """How far one trigger has read in one place, and what it tells."""

    def __init__(self, trigger: TheEyeJobEventTrigger, client: SharedClient, place: Place | None) -> None:
        from airflow_provider_theeye.jobs.events import Wanted, mark_key

        self._trigger = trigger
        self._client = client
        self.place = place
        self._wanted = Wanted(trigger.theeye_task_id, trigger.theeye_workflow_id)
        self._store: Any = getattr(trigger, "asset_state_store", None)
        self._key = mark_key(
            trigger.theeye_conn_id, trigger.theeye_task_id, trigger.theeye_workflow_id, trigger.outcomes, place
        )
        #: Behind what was told, and behind what was read.
        self._mark: Mark | None = None
        self._read: Mark | None = None
        self._told_last = self._remembered = -math.inf
        self._is_behind = False
        self._held_up = 0.0
        self._failures = 0
        self._try_again = -math.inf

    async def open(self) -> None:
        """Find the mark of an earlier triggerer. Nothing can be told without it, so this asks until it is there."""
        if self._store is None:
            return
        from airflow_provider_theeye.jobs.events import Mark
        from airflow_provider_theeye.triggers.ended import until_it_works

        async def load() -> Any:
            try:
                return await self._store.aget(self._key)
            except ValueError as error:
                self._trigger.log.warning("How far TheEye's list was read cannot be kept: %s", error)
                self._store = None

        self._mark = Mark.parse(await until_it_works(load, self._client, self._trigger.poll_interval))

    async def news(self, batch: Batch) -> list[Job]:
        """The wanted jobs that ended since the last batch; with the first one, since the mark that was kept."""
        found: list[Job] = []
        mark = self._mark or batch.before
        if self._read is None and self._mark is not None:
            from airflow_provider_theeye.api.errors import WrongPlace
            from airflow_provider_theeye.jobs.events import read_news
            from airflow_provider_theeye.jobs.procedures import drive_async
            from airflow_provider_theeye.triggers.ended import until_it_works

            def catch_up() -> Any:
                return drive_async(read_news(mark), self._client.run)

            began = time.monotonic()
            with suppress(WrongPlace):  # the poll goes on elsewhere
                found, self._read = await until_it_works(catch_up, self._client, self._trigger.poll_interval)
            self._took(began)
        self._mark = mark
        more, self._read = (self._read or mark).advance(batch.jobs)
        return [job for job in (*found, *more) if self._wanted.fits(job)]

    async def payload(self, row: Job) -> dict[str, Any] | None:
        """What to tell of a job; ``None`` if it ended in a way that is not wanted."""
        from airflow_provider_theeye.api.errors import WrongPlace
        from airflow_provider_theeye.jobs.events import Document, payload, verdict_of
        from airflow_provider_theeye.jobs.procedures import drive_async
        from airflow_provider_theeye.triggers.ended import until_it_works

        document = Document(row.id)

        async def read() -> Ended | None:
            with suppress(WrongPlace):
                await self._client.get()  # trouble with the connection itself says nothing about the job
            return await drive_async(document.look(), self._ask)

        began = time.monotonic()
        ended = await until_it_works(read, self._client, self._trigger.poll_interval)
        self._took(began)
        if ended is None:
            reason = document.problem or "its record is gone"
            self._trigger.log.warning("TheEye job %s is judged by its row alone: %s", row.id, reason)
        verdict = await drive_async(verdict_of(row, ended), self._ask)
        wanted = self._trigger.outcomes
        return payload(row, verdict, self._web_url) if wanted is None or verdict.outcome in wanted else None

    @property
    def _web_url(self) -> str | None:
        return self._client.web_urls.get(self._trigger.theeye_conn_id)

    async def _ask(self, call: Call[Any]) -> Any:
        from airflow_provider_theeye.api.errors import TheEyeError, UnexpectedReply

        try:
            return await self._client.run(call)
        except TheEyeError:
            raise
        except Exception as problem:  # a fault of ours is one more reason why a document cannot be read
            raise UnexpectedReply(f"{type(problem).__name__}: {problem}") from problem

    def _took(self, began: float) -> None:
        """What TheEye held up is not late for that: spacing it takes no more time."""
        if time.monotonic() - began > SPACING:
            self._held_up = time.monotonic()

    def is_late(self, batch: Batch) -> bool:
        """Whether jobs end faster than runs can be made of each."""
        return time.monotonic() - max(batch.read, self._held_up) >= LATEST

    async def wait_for_turn(self, spaced: bool) -> None:
        """Let Airflow make a run of the last event first, unless there are too many for that."""
        if spaced:
            await asyncio.sleep(self._told_last + SPACING - time.monotonic())

    async def told(self, job: Job, spaced: bool) -> None:
        """Remember that a job was told, once Airflow has had time to store it: better told twice than never."""
        self._told_last = time.monotonic()
        if self._mark is not None:
            _, self._mark = self._mark.advance([job])
        self._is_behind = self._store is not None
        if spaced:
            await self._remember_what_was_told()

    async def finished(self) -> None:
        """All that was read is told."""
        self._mark = self._read
        await self._remember_what_was_told()
        if self._store is not None and time.monotonic() - self._remembered > REMEMBER_EVERY:
            await self._remember()

    async def _remember_what_was_told(self) -> None:
        if self._is_behind and time.monotonic() >= self._try_again:
            await asyncio.sleep(STORED_AFTER)
            await self._remember()

    async def _remember(self) -> None:
        if self._mark is None or time.monotonic() < self._try_again:
            return
        try:
            await self._store.aset(self._key, self._mark.to_json())
        except Exception as error:
            # An asset that was removed has no store, and Airflow logs each attempt, until it ends the trigger.
            if not self._failures:
                self._trigger.log.warning("How far TheEye's list was read is not kept yet: %s", error)
            self._failures += 1
            pause = self._trigger.poll_interval * 2 ** min(self._failures, 10)
            self._try_again = time.monotonic() + min(pause, REMEMBER_EVERY)
            self._remembered = -math.inf
        else:
            self._remembered = time.monotonic()
            self._is_behind = False
            self._failures, self._try_again = 0, -math.inf
