"""Clients of both kinds for the sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tenacity import wait_random_exponential

from airflow_provider_theeye.api import calls, exchange
from airflow_provider_theeye.api.models import Job
from airflow_provider_theeye.api.settings import ServerSettings
from airflow_provider_theeye.sandbox import Sandbox
from tests.api.drivers import DRIVERS, Driver, settings_for


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
