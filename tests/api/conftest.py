"""The two clients behind one face, so that each test runs over a real socket with both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

import pytest
from tenacity import wait_random_exponential

from airflow_provider_theeye.api import calls, exchange
from airflow_provider_theeye.api.aio import AsyncTheEyeClient
from airflow_provider_theeye.api.call import Call
from airflow_provider_theeye.api.client import TheEyeClient
from airflow_provider_theeye.api.models import Job
from airflow_provider_theeye.api.settings import ServerSettings
from airflow_provider_theeye.sandbox import Sandbox

T = TypeVar("T")


class Driver(Protocol):
    """A client of either kind, made to look synchronous."""

    client: TheEyeClient | AsyncTheEyeClient

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


@pytest.fixture(params=list(DRIVERS))
def connect(request: pytest.FixtureRequest) -> Iterator[Callable[[ServerSettings], Driver]]:
    """Makes clients of one kind and closes them in the end."""
    made: list[Driver] = []

    def make(settings: ServerSettings) -> Driver:
        made.append(DRIVERS[request.param](settings))
        return made[-1]

    yield make
    for driver in made:
        driver.close()


@pytest.fixture
def settings(sandbox: Sandbox) -> Callable[..., ServerSettings]:
    """Settings for the sandbox: of the integration user unless told otherwise."""

    def make(user: str = "integration", **more: Any) -> ServerSettings:
        return settings_for(sandbox, user, **more)

    return make


@pytest.fixture
def client(connect: Callable[[ServerSettings], Driver], journal: Sandbox) -> Driver:
    """A client for the sandbox with an integration token; the journal is empty and nothing goes wrong."""
    return connect(settings_for(journal))


@pytest.fixture
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange._Wait, "_growing", wait_random_exponential(multiplier=0.01, max=0.02))


@pytest.fixture
def until_over(sandbox: Sandbox) -> Callable[[Driver, str], Job]:
    """Reads a job until it is over."""

    def wait(driver: Driver, job_id: str) -> Job:
        def over() -> Job | None:
            job = driver.run(calls.get_job(job_id))
            return job if job.is_over else None

        found: Job = sandbox.wait(over)
        return found

    return wait
