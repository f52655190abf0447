"""The two clients behind one face, so that each test runs over a real socket with both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from airflow_provider_theeye.api.aio import AsyncTheEyeClient
from airflow_provider_theeye.api.call import Call
from airflow_provider_theeye.api.client import TheEyeClient
from airflow_provider_theeye.api.settings import ServerSettings
from airflow_provider_theeye.sandbox import Sandbox

T = TypeVar("T")


class Driver(Protocol):
    """A client of either kind, made to look synchronous."""

    @property
    def client(self) -> TheEyeClient | AsyncTheEyeClient: ...

    def run(self, call: Call[T], **options: Any) -> T: ...

    def idle(self, seconds: float) -> None: ...

    def close(self) -> None: ...


class SyncDriver:
    def __init__(self, settings: ServerSettings) -> None:
        self.client = TheEyeClient(settings)

    def run(self, call: Call[T], **options: Any) -> T:
        return self.client.run(call, **options)

    def idle(self, seconds: float) -> None:
        time.sleep(seconds)

    def close(self) -> None:
        self.client.close()


class AsyncDriver:
    """Has a loop of its own, which only turns while something is asked."""

    def __init__(self, settings: ServerSettings) -> None:
        self._loop = asyncio.new_event_loop()
        try:
            self.client = self._loop.run_until_complete(AsyncTheEyeClient.open(settings))
        except BaseException:
            self._loop.close()
            raise

    def run(self, call: Call[T], **options: Any) -> T:
        return self._loop.run_until_complete(self.client.run(call, **options))

    def idle(self, seconds: float) -> None:
        self._loop.run_until_complete(asyncio.sleep(seconds))

    def close(self) -> None:
        self._loop.run_until_complete(self.client.close())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


DRIVERS: dict[str, Callable[[ServerSettings], Driver]] = {"sync": SyncDriver, "async": AsyncDriver}


def settings_for(sandbox: Sandbox, user: str = "integration", **more: Any) -> ServerSettings:
    known: dict[str, Any] = {"url": sandbox.url, "organization": "demo", "token": sandbox.token(user)}
    return ServerSettings(**(known | more))
