"""One poll of TheEye's ended jobs for all event triggers of a loop, a connection and an interval."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import threading
import time
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from airflow_provider_theeye.api.errors import TheEyeError, UnexpectedReply, WrongPlace
from airflow_provider_theeye.jobs.events import Batch, Mark, read_news, start
from airflow_provider_theeye.jobs.procedures import drive_async
from airflow_provider_theeye.jobs.waiting import backed_off
from airflow_provider_theeye.triggers.shared_client import SharedClient
from airflow_provider_theeye.triggers.watcher import JobWatcher

__all__ = ["poll", "shared_poll", "until_it_works"]

log = logging.getLogger(__name__)

_Key = tuple[str, float]
_polls: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[_Key, _SharedPoll]] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


async def poll(theeye_conn_id: str, interval: float) -> AsyncGenerator[Batch, None]:
    """Batches without end, one per look; the first, which is empty, comes as soon as TheEye answers.

    If its token is refused and the connection leads elsewhere by now, the poll goes on there, with another first one.
    """
    while True:
        with contextlib.suppress(WrongPlace):
            async with (
                JobWatcher.shared(theeye_conn_id) as watcher,
                contextlib.aclosing(_poll(watcher.client, interval)) as batches,
            ):
                async for batch in batches:
                    yield batch


async def _poll(client: SharedClient, interval: float) -> AsyncGenerator[Batch, None]:
    async def look(mark: Mark | None) -> tuple[Batch, Mark]:
        if mark is None:
            mark = await drive_async(start(), client.run)
            return Batch(mark, time.monotonic(), place=client.place), mark
        news, after = await drive_async(read_news(mark), client.run)
        return Batch(mark, time.monotonic(), tuple(news), client.place), after

    mark: Mark | None = None
    while True:
        before = mark
        batch, mark = await until_it_works(lambda: look(before), client, interval)  # noqa: B023
        yield batch
        await asyncio.sleep(interval)


async def until_it_works(attempt: Callable[[], Awaitable[Any]], client: SharedClient, interval: float) -> Any:
    """Try for ever, with growing pauses, or as long ones as the server asks for. No error ends an event trigger.

    :raises WrongPlace: if the connection leads elsewhere, where trying is of more use.
    """
    failures = 0
    said = ""
    while True:
        try:
            found = await attempt()
        except WrongPlace:
            raise
        except Exception as problem:
            # A fault of ours must not end the trigger either: Airflow would not start it again.
            error = (
                problem if isinstance(problem, TheEyeError) else UnexpectedReply(f"{type(problem).__name__}: {problem}")
            )
            failures += 1
            if str(error) != said:
                said = str(error)
                log.warning("Ended jobs of %s cannot be read, trying on: %s", client.place or "TheEye", said)
            await client.sleep(backed_off(interval, failures, error.retry_after))
        else:
            if failures:
                log.info("TheEye answers again after %s failed looks", failures)
            return found


class _SharedPoll:
    """The same batches for several readers; runs while there is one."""

    def __init__(self, theeye_conn_id: str, interval: float) -> None:
        self.readers: set[asyncio.Queue[Batch]] = set()
        self._poll = contextvars.Context().run(asyncio.ensure_future, self._run(theeye_conn_id, interval))

    async def _run(self, theeye_conn_id: str, interval: float) -> None:
        async with contextlib.aclosing(poll(theeye_conn_id, interval)) as batches:
            async for batch in batches:
                for reader in self.readers:
                    reader.put_nowait(batch)

    async def stop(self) -> None:
        self._poll.cancel()
        await asyncio.gather(self._poll, return_exceptions=True)


async def shared_poll(theeye_conn_id: str, interval: float) -> AsyncGenerator[Batch, None]:
    """``poll`` for Airflow before 3.3, which has no shared streams of its own."""
    key = (theeye_conn_id, interval)
    queue: asyncio.Queue[Batch] = asyncio.Queue()
    with _lock:
        of_loop = _polls.setdefault(asyncio.get_running_loop(), {})
        if key not in of_loop:
            of_loop[key] = _SharedPoll(theeye_conn_id, interval)
        shared = of_loop[key]
        shared.readers.add(queue)
    try:
        while True:
            yield await queue.get()
    finally:
        shared.readers.discard(queue)
        if not shared.readers and of_loop.get(key) is shared:
            del of_loop[key]
            await shared.stop()
