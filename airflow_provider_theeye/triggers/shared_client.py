"""The asynchronous client that all triggers of one loop and connection share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from airflow.providers.common.compat.connection import get_async_connection
from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_theeye.api.aio import AsyncTheEyeClient
from airflow_provider_theeye.api.call import Call
from airflow_provider_theeye.api.errors import AuthenticationFailed, InvalidRequest, NoAnswer, RateLimited, TheEyeError
from airflow_provider_theeye.exceptions import TheEyeSettingsError
from airflow_provider_theeye.hooks.connection import ConnectionSettings, settings_of
from airflow_provider_theeye.jobs.waiting import INEXACT, LONGEST_ASKED_PAUSE, UNTOLD_PAUSE
from airflow_provider_theeye.triggers.outage import Outage

__all__ = ["SharedClient"]

T = TypeVar("T")

#: A connection is not fetched more often than once in so many seconds, however often its token is refused.
RENEWAL_PAUSE = 5.0
#: Seconds for the answer to a call that has to be sent again soon if there is none.
URGENT_SECONDS = 10.0


class SharedClient:
    """Fetches the connection once and makes one client of it; a refused token makes it fetch the connection anew.

    When TheEye wants to be left alone, it is, by all who share the client.

    ``web_url`` is that of TheEye's web UI, for links, once there is a client and if the connection says it. It is left
    alone until ``not_before``, in seconds of the clock that nobody can set.

    :param on_answers: called when TheEye answers again.
    """

    def __init__(self, theeye_conn_id: str, on_answers: Callable[[], None] = lambda: None) -> None:
        self.theeye_conn_id = theeye_conn_id
        self.web_url: str | None = None
        self._client: AsyncTheEyeClient | None = None
        self._opening = asyncio.Lock()
        self._fetched = 0.0
        self.not_before = 0.0
        self._outage = Outage(on_answers)

    async def get(self) -> AsyncTheEyeClient:
        """:raises TheEyeError: if the connection cannot be read (transient) or cannot work."""
        async with self._opening:
            if self._client is None:
                self._client = await self._open()
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
                if time.monotonic() - self._fetched <= RENEWAL_PAUSE:
                    return False
                try:
                    found = await self._read_connection()
                except TheEyeError:
                    return False
                if found.server == refused.settings:
                    return False
                await self.close()
                self._client = await AsyncTheEyeClient.open(found.server)
            return True

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _open(self) -> AsyncTheEyeClient:
        return await AsyncTheEyeClient.open((await self._read_connection()).server)

    async def _read_connection(self) -> ConnectionSettings:
        try:
            settings = settings_of(await get_async_connection(self.theeye_conn_id))
        except (TheEyeSettingsError, AirflowNotFoundException) as error:
            raise InvalidRequest(f"{error} (Airflow connection {self.theeye_conn_id!r})") from None
        except Exception as error:
            # Airflow's own API server may be out of reach for a moment.
            raise NoAnswer(
                f"the Airflow connection {self.theeye_conn_id!r} could not be read: {type(error).__name__}", sent=False
            ) from error
        self._fetched = time.monotonic()
        self.web_url = settings.web_url
        return settings
