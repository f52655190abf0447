"""The asynchronous client that all triggers of one loop share that wait for jobs of one place with one token."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Hashable
from functools import partial
from typing import TypeVar

from airflow_provider_theeye.api.aio import CONNECTIONS, AsyncTheEyeClient
from airflow_provider_theeye.api.call import Call
from airflow_provider_theeye.api.errors import (
    AuthenticationFailed,
    NoAnswer,
    RateLimited,
    TheEyeError,
    WrongPlace,
)
from airflow_provider_theeye.api.settings import Place, ServerSettings
from airflow_provider_theeye.exceptions import leads_elsewhere
from airflow_provider_theeye.jobs.waiting import INEXACT, LONGEST_ASKED_PAUSE, UNTOLD_PAUSE
from airflow_provider_theeye.triggers.connections import KEPT_IN_DOUBT, read
from airflow_provider_theeye.triggers.outage import Outage

__all__ = ["LONG_POLLS", "SharedClient"]

T = TypeVar("T")

#: A connection is not fetched more often than once in so many seconds, however often its token is refused.
RENEWAL_PAUSE = 5.0
#: Seconds for the answer to a call that has to be sent again soon if there is none.
URGENT_SECONDS = 10.0
#: Each long poll holds a connection for up to a minute; some are left for all else.
LONG_POLLS = CONNECTIONS - 20


class SharedClient:
    """One client for one place; a refused token makes it read the connections of its users anew.

    A connection that leads elsewhere by now changes nothing here: the ids of jobs mean something in their place alone,
    and as long as the server takes the token, their ends can be seen. When TheEye wants to be left alone, it is, by all
    who share the client: until ``not_before``, in seconds of the clock that nobody can set.

    :param place: where it leads; ``None`` for where the connection leads when it is first read.
    :param settings: ``None`` if the connection cannot be read yet.
    :param on_answers: called when TheEye answers again.
    """

    def __init__(
        self,
        place: Place | None,
        settings: ServerSettings | None,
        on_answers: Callable[[], None] = lambda: None,
    ) -> None:
        self.place = place
        self.conn_ids: Counter[str] = Counter()
        self.web_urls: dict[str, str | None] = {}
        self.not_before = 0.0
        self._settings = settings
        self._client: AsyncTheEyeClient | None = None
        self._opening = asyncio.Lock()
        self._outage = Outage(on_answers)
        #: To be held during a long poll. If all are taken, they should be short.
        self.long_polls = asyncio.Semaphore(LONG_POLLS)

    @property
    def identity(self) -> Hashable:
        """Of the settings that are used now; ``None`` if there are none yet."""
        return self._settings.identity if self._settings is not None else None

    async def get(self) -> AsyncTheEyeClient:
        """:raises TheEyeError: if the connection cannot be read (transient), cannot work, or leads elsewhere."""
        async with self._opening:
            if self._client is None:
                settings, self._settings = self._settings or await self._read(KEPT_IN_DOUBT), None
                self._client = await AsyncTheEyeClient.open(settings)
                self._settings = settings
            return self._client

    async def run(self, call: Call[T], *, urgent: bool = False) -> T:
        """Send a call once; if its token is refused and the connection has a new one, with that at once.

        :param urgent: send it even while TheEye wants to be left alone, and do not wait long for the answer. For
            cancelling the job of a killed task.
        :raises TheEyeError: as ``get`` and the client's ``run``.
        """
        if urgent:
            return await self._obeying(call, URGENT_SECONDS)
        left = self.not_before - time.monotonic()
        if left > INEXACT:
            raise RateLimited("TheEye asked for a pause", retry_after=left)
        if call.is_list or not call.with_token:
            return await self._outage.ask(partial(self._obeying, call), held_back=not call.is_list)
        # That one document cannot be read says nothing about the server.
        value = await self._obeying(call)
        self._outage.answered()
        return value

    async def sleep(self, seconds: float) -> None:
        """Until then; or until TheEye answers again, if it is in trouble."""
        await self._outage.sleep(seconds)

    async def _obeying(self, call: Call[T], seconds: float | None = None) -> T:
        try:
            return await self._send(call, seconds)
        except RateLimited as error:
            pause = min(error.retry_after or UNTOLD_PAUSE, LONGEST_ASKED_PAUSE)
            self.not_before = max(self.not_before, time.monotonic() + pause)
            raise

    async def _send(self, call: Call[T], seconds: float | None) -> T:
        client = await self.get()
        try:
            return await client.run(call, attempts=1, timeout=seconds)
        except AuthenticationFailed:
            if not await self._renew(client):
                raise
        except NoAnswer as error:
            # The client may have been replaced, and closed, under this call.
            if self._client is client or (error.sent and not call.repeatable):
                raise
        return await (await self.get()).run(call, attempts=1, timeout=seconds)

    async def _renew(self, refused: AsyncTheEyeClient) -> bool:
        """Whether there is another client now than the one whose token was refused."""
        async with self._opening:
            if self._client is refused:
                try:
                    found = await self._read(RENEWAL_PAUSE, than=refused.settings)
                except WrongPlace:
                    raise
                except TheEyeError:
                    return False
                if found == refused.settings:
                    return False
                await self.close()
                self._client, self._settings = await AsyncTheEyeClient.open(found), found
            return True

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _read(self, age: float, than: ServerSettings | None = None) -> ServerSettings:
        """What a user's connection says of this place, preferably of one that says something else by now."""
        trouble: TheEyeError | None = None
        same: ServerSettings | None = None
        for conn_id in list(self.conn_ids):
            try:
                found = await read(conn_id, lambda reading: reading.age() < age)
            except TheEyeError as error:
                trouble = error
                continue
            if self.place is None:
                self.place = found.place
            self.web_urls[conn_id] = found.settings.web_url
            if found.place != self.place:
                trouble = WrongPlace(leads_elsewhere(conn_id, self.place, found.place))
            elif found.settings.server != than:
                return found.settings.server
            else:
                same = than
        if same is not None:
            return same
        raise trouble or NoAnswer("nobody waits any more", sent=False)
