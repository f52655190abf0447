"""What the provider's trigger is compared with: how other providers wait, and not waiting at all."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any, ClassVar

from airflow.providers.common.compat.connection import get_async_connection
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_theeye.api.settings import ServerSettings
from airflow_provider_theeye.hooks.connection import settings_of

OVER = frozenset({"finished", "terminated", "canceled"})
#: Long: an overloaded loop shall be seen as late, not as failing.
PATIENCE = 60.0


class WaitingTrigger(BaseTrigger):
    """Waits for one job of one connection."""

    def __init__(self, theeye_conn_id: str, job_id: str, poll_interval: float = 2.0) -> None:
        super().__init__()
        self.theeye_conn_id = theeye_conn_id
        self.job_id = job_id
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        kwargs = {"theeye_conn_id": self.theeye_conn_id, "job_id": self.job_id, "poll_interval": self.poll_interval}
        return f"{type(self).__module__}.{type(self).__name__}", kwargs


class SleepingTrigger(WaitingTrigger):
    """The floor: wakes as often as the others poll, and does nothing."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        while True:  # noqa: ASYNC110
            await asyncio.sleep(self.poll_interval)
        yield  # what makes it a generator


class OneClientTrigger(WaitingTrigger):
    """One GET per job and interval, through one session for all."""

    _servers: ClassVar[dict[str, ServerSettings]] = {}
    _opening = asyncio.Lock()
    _shared: ClassVar[Any] = None
    failed_requests: ClassVar[int] = 0

    async def run(self) -> AsyncIterator[TriggerEvent]:
        server = await self._server()
        session = self._session()
        # All at the same moment would be the worst for it: a triggerer's triggers are of different ages.
        await asyncio.sleep(random.uniform(0, self.poll_interval))
        while True:
            job = await self._look(session, server)
            if job is not None and job["lifecycle"] in OVER:
                yield TriggerEvent({"job_id": self.job_id, "lifecycle": job["lifecycle"], "state": job["state"]})
                return
            await asyncio.sleep(self.poll_interval)

    def _session(self) -> Any:
        if OneClientTrigger._shared is None:
            OneClientTrigger._shared = _session()
        return OneClientTrigger._shared

    async def _server(self) -> ServerSettings:
        # One fetch for all: this compares ways of polling, not of fetching connections.
        async with self._opening:
            if self.theeye_conn_id not in self._servers:
                self._servers[self.theeye_conn_id] = settings_of(await get_async_connection(self.theeye_conn_id)).server
        return self._servers[self.theeye_conn_id]

    async def _look(self, session: Any, server: ServerSettings) -> dict[str, Any] | None:
        import aiohttp

        url = f"{server.url}/{server.organization}/job/{self.job_id}"
        try:
            async with session.get(url, headers={"Authorization": f"Bearer {server.token}"}) as answer:
                answer.raise_for_status()
                found: dict[str, Any] = await answer.json()
                return found
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError):
            OneClientTrigger.failed_requests += 1
            return None


class ClientEachTrigger(OneClientTrigger):
    """The same with a session of its own for each trigger."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        self._own = _session()
        async with self._own:
            async for event in super().run():
                yield event

    def _session(self) -> Any:
        return self._own


def _session() -> Any:
    # Only these variants need it, and it is installed for the benchmarks alone.
    import aiohttp

    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE))
