"""``JobWatcher``: one poll for all jobs of one server and organization that are waited for on one event loop.

A triggerer runs up to 1000 triggers on one loop. Instead of one request per waiting job and interval, the watcher asks
for 150 jobs at a time, reads the whole document of what has ended, and hands it to whoever waits. It starts with the
first waiter and stops after the last.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import operator
import random
import threading
import time
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import anyio

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.changes import Changes, Known, get_changes
from airflow_provider_theeye.api.errors import TheEyeError, UnexpectedReply
from airflow_provider_theeye.api.models import Job
from airflow_provider_theeye.api.settings import Place, ServerSettings
from airflow_provider_theeye.jobs.clocks import now
from airflow_provider_theeye.jobs.procedures import drive_async
from airflow_provider_theeye.jobs.reading import Ended, read_job, read_whole
from airflow_provider_theeye.jobs.waiting import End, JobWatch
from airflow_provider_theeye.triggers.batches import Batches
from airflow_provider_theeye.triggers.connections import Reading, where_to
from airflow_provider_theeye.triggers.shared_client import SharedClient
from airflow_provider_theeye.triggers.undisturbed import undisturbed

__all__ = ["JobWatcher"]

T = TypeVar("T")

#: Requests under way at a time, for lists and for whole documents.
CONCURRENCY = 8
#: So many lists are asked for one after the other before more go side by side: each kept connection makes every request
#: dearer (httpcore looks at all of them each time). If one takes long, in seconds, the others go at once.
LISTS_IN_A_ROW = 4
SLOW_LIST = 0.25
#: A wait whose look is due within this share of its own delay is looked at together with those that are due now.
COMING_SOON = 0.25
#: Two polls are never closer than this, in seconds.
SHORTEST_PAUSE = 0.1


@dataclass(eq=False, slots=True)
class _Waiter:
    """One trigger's wait. ``known`` is what it saw last of the job, unless it has to see that again."""

    watch: JobWatch
    due: float = 0.0
    delay: float = 0.0
    known: Known | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)
    end: End | None = None
    ended: Ended | None = None
    reading: bool = False

    def finish(self, end: End, ended: Ended | None = None) -> None:
        self.end, self.ended = end, ended
        self.news.set()


def _known(group: Sequence[_Waiter]) -> Known | None:
    """What all of them saw last of their job; ``None`` if one has to see it again."""
    seen = {waiter.known for waiter in group}
    return seen.pop() if len(seen) == 1 else None


def _fault(problem: Exception) -> TheEyeError:
    """One of ours must end no wait at once, let alone all of them, and no wait may go on with it for ever."""
    return UnexpectedReply(f"{type(problem).__name__}: {problem}")


_DUE = operator.attrgetter("due")

_watchers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, list[JobWatcher]] = weakref.WeakKeyDictionary()
#: Loops of several threads share the registry: ``dag.test()`` makes a new loop for each trigger.
_lock = threading.Lock()


class JobWatcher:
    """Waits for many jobs of one place. Get it with ``shared``; it lives as long as somebody waits."""

    def __init__(self, place: Place | None, settings: ServerSettings | None) -> None:
        self.client = SharedClient(place, settings, self._look_now)
        self._waiters: dict[str, list[_Waiter]] = {}
        self._batches = Batches(calls.MAX_IDS)
        self._intervals: Counter[float] = Counter()
        self._unknown: set[str] = set()
        self._answers: dict[str, tuple[list[str], bytes]] = {}
        self._poll: asyncio.Task[None] | None = None
        self._reads: set[asyncio.Task[None]] = set()
        self._earlier = asyncio.Event()
        self._sleeping_until = 0.0
        #: For whole documents and, apart from them, for lists: documents that do not come must not stop the poll.
        self._slots = (asyncio.Semaphore(CONCURRENCY), asyncio.Semaphore(CONCURRENCY))

    @classmethod
    @contextlib.asynccontextmanager
    async def shared(
        cls, theeye_conn_id: str, place: Place | None = None, submitted: float | None = None
    ) -> AsyncIterator[JobWatcher]:
        """The watcher of the running loop for a place and its token; closed when its last user leaves.

        :param place: where the job lives; ``None`` for where the connection leads.
        :param submitted: epoch seconds, since when the connection may have been changed.
        """
        reading = await where_to(theeye_conn_id, place, submitted)
        with _lock:
            of_loop = _watchers.setdefault(asyncio.get_running_loop(), [])
            watcher = cls._of(of_loop, theeye_conn_id, place, reading)
            watcher.client.conn_ids[theeye_conn_id] += 1
        try:
            yield watcher
        finally:
            users = watcher.client.conn_ids
            users[theeye_conn_id] -= 1
            users += Counter()  # without those that are none any more
            if not users:
                with _lock:
                    of_loop.remove(watcher)
                # Airflow 3.0 to 3.2 cancels a trigger again and again while it ends.
                await undisturbed(watcher._close())

    @classmethod
    def _of(cls, of_loop: list[JobWatcher], conn_id: str, place: Place | None, reading: Reading | None) -> JobWatcher:
        """The watcher that there is already, or a new one."""
        server = reading.settings.server if reading is not None else None
        for watcher in of_loop:
            client = watcher.client
            if server is not None and client.identity == server.identity:
                break
            # Others may still wait for jobs of the place to which the connection led before.
            if server is None and conn_id in client.conn_ids and client.place == place:
                break
        else:
            watcher = cls(server.place if server is not None else place, server)
            of_loop.append(watcher)
        if reading is not None:
            watcher.client.web_urls[conn_id] = reading.settings.web_url
        return watcher

    async def wait(self, watch: JobWatch, note: Callable[[str], None]) -> tuple[End, Ended | None]:
        """Wait until ``watch`` says that it is over.

        :param note: is called with each sentence about what happens, in the caller's own context.
        :returns: why it is over and, if the job is, its whole document.
        """
        calls.get_job(watch.job_id)  # an id that is none must fail this wait, not the lists of all
        waiter = _Waiter(watch)
        self._enter(waiter)
        self._plan([waiter])
        self._start_or_wake(waiter.due)
        try:
            while waiter.end is None:
                await waiter.news.wait()
                waiter.news.clear()
                for line in watch.take_notes():
                    note(line)
            return waiter.end, waiter.ended
        finally:
            self._leave(waiter)

    def _enter(self, waiter: _Waiter) -> None:
        interval = waiter.watch.rules.poll_interval
        if interval < self._interval():
            soon = time.monotonic() + interval
            for other in (one for group in self._waiters.values() for one in group if one.watch.error is None):
                other.due = min(other.due, soon)
        self._intervals[interval] += 1
        self._waiters.setdefault(waiter.watch.job_id, []).append(waiter)
        self._unknown.add(waiter.watch.job_id)
        self._batches.add(waiter.watch.job_id)

    def _leave(self, waiter: _Waiter) -> None:
        job_id, interval = waiter.watch.job_id, waiter.watch.rules.poll_interval
        self._intervals[interval] -= 1
        if not self._intervals[interval]:
            del self._intervals[interval]
        self._waiters[job_id].remove(waiter)
        if not self._waiters[job_id]:
            del self._waiters[job_id]
            self._batches.remove(job_id)
            self._answers.pop(job_id, None)
        self._compare(job_id)

    # -- the poll --------------------------------------------------------------------------------------------------

    def _start_or_wake(self, due: float) -> None:
        if self._poll is None or self._poll.done():
            # An empty context: the poll works for all waiters, its log lines must not land in the log of one of them.
            self._poll = contextvars.Context().run(asyncio.ensure_future, self._run())
        elif due < self._sleeping_until:
            self._earlier.set()

    async def _run(self) -> None:
        while self._waiters:
            now = time.monotonic()
            asleep = [one for group in self._waiters.values() for one in group if not one.reading and one.end is None]
            first = min(map(_DUE, asleep), default=now + 1.0)
            if first > now:
                await self._sleep(first, max(first - now, SHORTEST_PAUSE))
                continue
            due = {one.watch.job_id for one in asleep if one.due <= now + one.delay * COMING_SOON}
            # Who else waits for these jobs is told too, so that all know the same of a job.
            batch = [waiter for waiter in asleep if waiter.watch.job_id in due]
            try:
                await self._look(batch)
            except Exception as problem:
                self._failed(batch, _fault(problem))
            self._plan(batch)

    def _plan(self, waiters: Iterable[_Waiter]) -> None:
        """When to look again: not while TheEye asked for a pause, unless the wait's own deadline comes first."""
        at, interval = now(), self._interval()
        # One for all: those that are looked at together shall stay together.
        jitter = random.uniform(0.9, 1.0)  # noqa: S311
        for waiter in waiters:
            waiter.delay = waiter.watch.delay(at)
            if waiter.watch.error is None:
                waiter.delay = min(waiter.delay, interval)
            waiter.due = at.steady + waiter.delay * jitter
            if waiter.due < self.client.not_before:
                deadline = waiter.watch.rules.deadline
                left = float("inf") if deadline is None else deadline - at.epoch
                waiter.due = max(waiter.due, min(self.client.not_before, at.steady + left))

    def _look_now(self) -> None:
        """TheEye answers again: all who found it in trouble shall know."""
        for waiter in (one for group in self._waiters.values() for one in group if one.watch.error is not None):
            waiter.due = 0.0
        self._earlier.set()

    def _interval(self) -> float:
        """The smallest of all: when there is a request anyway, one more id in it costs nothing."""
        return min(self._intervals, default=float("inf"))

    async def _sleep(self, until: float, seconds: float) -> None:
        self._sleeping_until = until
        self._earlier.clear()
        with anyio.move_on_after(seconds):
            await self._earlier.wait()
        self._sleeping_until = 0.0

    async def _look(self, batch: Sequence[_Waiter]) -> None:
        by_job: dict[str, list[_Waiter]] = {}
        for waiter in batch:
            by_job.setdefault(waiter.watch.job_id, []).append(waiter)
        batches = self._batches.split(by_job)
        rest = iter(batches)

        async def look_at_some() -> None:
            for ids in rest:
                began = time.monotonic()
                await self._look_at({ident: by_job[ident] for ident in ids})
                if time.monotonic() - began > SLOW_LIST:
                    await asyncio.gather(*(look_at_some() for _ in range(LISTS_IN_A_ROW)))

        at_once = min(CONCURRENCY, -(-len(batches) // LISTS_IN_A_ROW))
        for problem in await asyncio.gather(*(look_at_some() for _ in range(at_once)), return_exceptions=True):
            if problem is not None:
                raise problem

    async def _look_at(self, by_job: dict[str, list[_Waiter]]) -> None:
        """One list request for up to 150 jobs, and one for the steps of those that are workflow jobs."""
        waiters = [waiter for group in by_job.values() for waiter in group]
        try:
            changes = await self._ask_for_changes(by_job)
            rows = {job.id: job for job in changes.jobs}
            runs = [job.id for job in rows.values() if job.is_workflow and job.id in by_job]
            steps: dict[str, list[Job]] = {}
            for step in await self._ask(calls.get_steps_of(runs)) if runs else []:
                steps.setdefault(step.workflow_job_id or "", []).append(step)
        except TheEyeError as error:
            self._failed(waiters, error)
            return
        self._saw_no_change([waiter for ident in changes.same for waiter in by_job[ident]])
        if len(changes.same) == len(by_job):
            return
        same = frozenset(changes.same)
        for ident, group in by_job.items():
            if ident in rows:
                over = self._saw(group, rows[ident], steps.get(ident, []))
                if over:
                    self._read(over, known=True)
            elif ident not in same:
                self._read(group, known=False)

    async def _ask_for_changes(self, by_job: dict[str, list[_Waiter]]) -> Changes:
        ids = list(by_job)
        asked, fingerprint = self._answers.get(ids[0], (None, None))
        if asked != ids or not self._unknown.isdisjoint(ids):
            fingerprint = None
        changes = await self._ask(get_changes(ids, lambda ident: _known(by_job[ident]), fingerprint))
        if ids[0] in self._waiters:
            self._answers[ids[0]] = ids, changes.fingerprint
        return changes

    def _saw_no_change(self, waiters: Sequence[_Waiter]) -> None:
        at = now()
        for waiter in waiters:
            end = waiter.watch.saw_no_change(at)
            if end is not None:
                waiter.finish(end)
            if waiter.watch.notes:
                waiter.news.set()

    def _saw(self, group: Sequence[_Waiter], job: Job, steps: Sequence[Job]) -> list[_Waiter]:
        """Returns for whom the job is over, so that its whole document is to be read."""
        at = now()
        over = []
        for waiter in group:
            end = waiter.watch.saw(job, steps, at)
            # A workflow job's steps may change while it does not, and a job that is over is read, if need be again.
            waiter.known = (job.lifecycle, job.state) if end is None and not job.is_workflow else None
            if end is End.OVER:
                over.append(waiter)
            elif end is not None:
                waiter.finish(end)
            if waiter.watch.notes:
                waiter.news.set()
        self._compare(job.id)
        return over

    def _compare(self, job_id: str) -> None:
        """Note whether all who wait for a job have seen the same of it, and need not see that again."""
        group = self._waiters.get(job_id)
        if group and _known(group) is None:
            self._unknown.add(job_id)
        else:
            self._unknown.discard(job_id)

    def _failed(self, waiters: Sequence[_Waiter], error: TheEyeError) -> None:
        at = now()
        for waiter in waiters:
            if waiter.end is not None:
                continue
            end = waiter.watch.failed(error, at)
            if end is not None:
                waiter.finish(end)

    # -- whole documents -------------------------------------------------------------------------------------------

    def _read(self, group: Sequence[_Waiter], *, known: bool) -> None:
        """Read one job in the background, for all who wait for it: it has ended, or it is missing from the list."""
        for waiter in group:
            waiter.reading = True
        task = asyncio.ensure_future(self._read_for(group, known))
        self._reads.add(task)
        task.add_done_callback(self._reads.discard)

    async def _read_for(self, group: Sequence[_Waiter], known: bool) -> None:
        ident = group[0].watch.job_id
        try:
            over = group if known else await self._find(group, ident)
            if over:
                ended = await drive_async(read_whole(ident), self._ask)
                if ended is None or ended.is_over:
                    for waiter in over:
                        waiter.finish(End.OVER if ended else waiter.watch.missed(), ended)
        except TheEyeError as error:
            self._failed(group, error)
        except Exception as problem:
            self._failed(group, _fault(problem))
        finally:
            for waiter in group:
                waiter.reading, waiter.known = False, None
            self._compare(ident)
            self._plan(group)
            self._start_or_wake(min(waiter.due for waiter in group))

    async def _find(self, group: Sequence[_Waiter], ident: str) -> Sequence[_Waiter]:
        """Look by its id at a job that the list did not show. Returns for whom it is over."""
        job = await drive_async(read_job(ident), self._ask)
        if job is None:
            for waiter in group:
                waiter.finish(waiter.watch.missed())
            return ()
        # A branch may still be running although the workflow job says that it is over.
        steps = await self._ask(calls.get_steps_of([ident])) if job.is_workflow else []
        return self._saw(group, job, steps)

    # -- requests --------------------------------------------------------------------------------------------------

    async def _ask(self, call: calls.Call[T]) -> T:
        async with self._slots[call.is_list]:
            return await self.client.run(call)

    async def _close(self) -> None:
        tasks = [task for task in (self._poll, *self._reads) if task is not None and not task.done()]
        for task in tasks:
            task.cancel()
        try:
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            await self.client.close()
