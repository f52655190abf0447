"""While TheEye does not answer, one request finds out when it does again, for all who share a client."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from airflow_provider_theeye.api.errors import TheEyeError
from airflow_provider_theeye.jobs.waiting import backed_off

__all__ = ["Outage"]

T = TypeVar("T")

#: Seconds before the first request that finds out; then twice as many each time, like the looks of each wait.
FIRST_PROBE = 0.25
#: An answer that is held back for so many seconds is on its way: TheEye took the request.
HELD_BACK = 3.0


class Outage:
    """Whether TheEye is in trouble, and whose turn it is to find out that this is over.

    :param on_end: called when it answers again.
    """

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self._error: TheEyeError | None = None
        self._failures = 0
        self._next = 0.0
        self._probing = False
        self._news = asyncio.Event()
        self._ended = asyncio.Event()

    async def ask(self, send: Callable[[], Awaitable[T]], *, held_back: bool) -> T:
        """Send a request, at once if TheEye answers. Otherwise the next one that is due is sent for all who ask.

        :param held_back: whether TheEye may take its time to answer.
        :raises TheEyeError: what this request met, or the one that was sent for it.
        """
        while self._error is not None:
            if not self._probing:
                return await self._probe(send, held_back)
            failures = self._failures
            await self._news.wait()
            if self._error is not None and self._failures != failures:
                raise copy.copy(self._error)
        return await self._send(send, held_back)

    async def sleep(self, seconds: float) -> None:
        """Until then, or until TheEye answers again."""
        ended = self._ended
        with anyio.move_on_after(seconds):
            await (ended if self._error is not None else asyncio.Event()).wait()

    def answered(self) -> None:
        """TheEye answers, whatever it says."""
        if self._error is not None:
            self._error, self._failures = None, 0
            self._ended.set()
            self._tell()
            self._on_end()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _probe(self, send: Callable[[], Awaitable[T]], held_back: bool) -> T:
        self._probing = True
        try:
            with anyio.move_on_after(max(0.0, self._next - time.monotonic())):
                await self._ended.wait()
            return await self._send(send, held_back)
        finally:
            self._probing = False
            self._tell()  # also if it was broken off: then it is another one's turn

    async def _send(self, send: Callable[[], Awaitable[T]], held_back: bool) -> T:
        taken = asyncio.get_running_loop().call_later(HELD_BACK, self.answered) if held_back else None
        try:
            value = await send()
        except TheEyeError as error:
            if error.transient:
                self._failed(error)
            else:
                self.answered()
            raise
        finally:
            if taken is not None:
                taken.cancel()
        self.answered()
        return value

    def _failed(self, error: TheEyeError) -> None:
        now = time.monotonic()
        if self._error is None:
            self._ended = asyncio.Event()
        elif now < self._next:
            return  # it was under way when another one failed
        self._error = error
        self._failures += 1
        self._next = now + backed_off(FIRST_PROBE, self._failures, error.retry_after)
