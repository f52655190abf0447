"""What trouble with TheEye, or a clock that is set, does to those who wait: they go on soon, and do not crowd it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.errors import Forbidden, NoAnswer, RateLimited, Unavailable
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.hooks.wait import wait
from airflow_provider_theeye.jobs.waiting import End, JobWatch, WaitRules
from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.triggers import outage
from airflow_provider_theeye.triggers.outage import Outage
from airflow_provider_theeye.triggers.watcher import JobWatcher

CONNECTION = "theeye_default"
REFUSALS = [
    (400, {"statusCode": 400, "message": "Invalid members"}),
    (401, "Unauthorized"),
    (403, "forbidden"),
    (404, {"code": "ResourceNotFound", "message": "/demo/job does not exist"}),
    (404, {"statusCode": 404, "message": "organization not found"}),
    (409, {"statusCode": 409, "message": "Incorrect Organizations. Session conflict"}),
]
ANY_JOB = [{"path": "/demo/job"}, {"path": "/demo/job/*"}]


def start(sandbox: Sandbox, key: str, count: int = 1, *, held: bool = False) -> list[str]:
    hook = TheEyeHook()
    return [hook.run(calls.create_job(sandbox.task_id(key), [], held=held)).id for _ in range(count)]


async def wait_for(job_id: str, **rules: Any) -> End:
    async with JobWatcher.shared(CONNECTION) as watcher:
        watch = JobWatch(job_id, WaitRules(**{"poll_interval": 0.3, **rules}))
        return (await watcher.wait(watch, lambda line: None))[0]


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("where", ANY_JOB, ids=["list", "document"])
@pytest.mark.parametrize(("status", "body"), REFUSALS, ids=lambda value: str(value)[:40])
def test_a_refusal_for_a_moment_ends_no_wait(status: int, body: Any, where: dict[str, str], journal: Sandbox) -> None:
    in_worker, *deferred = start(journal, "slow", 3)
    refusal = {"do": "status", "status": status, "body": body, "method": "GET", **where}

    async def both_ways() -> list[End]:
        hook = TheEyeHook()
        watch = JobWatch(in_worker, WaitRules(poll_interval=0.3))
        waits = [asyncio.ensure_future(wait_for(job_id)) for job_id in deferred]
        return [(await asyncio.to_thread(wait, hook, watch))[0], *await asyncio.gather(*waits)]

    journal.set_faults([{**refusal, "times": 2}])
    assert asyncio.run(both_ways()) == [End.OVER] * 3


# --- outages ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("connection")
def test_one_request_finds_out_and_then_all_know(journal: Sandbox) -> None:
    """320 jobs take three lists; while TheEye is down one of them at a time is sent."""
    ids = start(journal, "hello", 320, held=True)

    async def scenario() -> tuple[int, float]:
        rules = {"poll_interval": 0.5, "targets": frozenset({"syncing"})}
        waits = [asyncio.ensure_future(wait_for(job_id, **rules)) for job_id in ids]
        await asyncio.sleep(4.5)
        asked = (await asyncio.to_thread(journal.journal))["totals"]["requests"]
        await asyncio.to_thread(journal.clear_faults)
        began = time.monotonic()
        assert set(await asyncio.gather(*waits)) == {End.REACHED}
        return asked, time.monotonic() - began

    journal.set_faults([{"do": "status", "status": 503, "method": "GET", "path": "/demo/job*"}])
    journal.reset_journal()
    asked, seconds = asyncio.run(scenario())
    for job_id in ids:
        journal.forget_job(job_id)
    assert 2 <= asked <= 6
    assert seconds < 10


class Server:
    """Fails as long as it is told to."""

    def __init__(self) -> None:
        self.error: Exception | None = Unavailable("down", status=503)
        self.asked = 0

    async def __call__(self) -> str:
        self.asked += 1
        await asyncio.sleep(0.01)
        if self.error is not None:
            raise self.error
        return "an answer"


async def met(ask: Awaitable[Any]) -> str:
    try:
        return str(await ask)
    except (Unavailable, Forbidden, NoAnswer, RateLimited) as error:
        return type(error).__name__


def in_trouble(scenario: Callable[[Outage, Server], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        trouble, server = Outage(lambda: None), Server()
        assert await met(trouble.ask(server, held_back=False)) == "Unavailable"
        server.asked = 0
        return await scenario(trouble, server)

    return asyncio.run(run())


def test_a_request_that_fails_fails_for_all_who_ask_meanwhile() -> None:
    async def scenario(trouble: Outage, server: Server) -> None:
        found = await asyncio.gather(*(met(trouble.ask(server, held_back=False)) for _ in range(50)))
        assert (set(found), server.asked) == ({"Unavailable"}, 1)

    in_trouble(scenario)


def test_one_that_works_lets_all_ask() -> None:
    async def scenario(trouble: Outage, server: Server) -> None:
        server.error = None
        sleeping = asyncio.ensure_future(trouble.sleep(60))
        found = await asyncio.gather(*(met(trouble.ask(server, held_back=False)) for _ in range(50)))
        assert (set(found), server.asked) == ({"an answer"}, 50)
        await asyncio.wait_for(sleeping, 5)

    in_trouble(scenario)


def test_a_refusal_is_an_answer() -> None:
    async def scenario(trouble: Outage, server: Server) -> None:
        server.error = Forbidden("no", status=403)
        found = await asyncio.gather(*(met(trouble.ask(server, held_back=False)) for _ in range(3)))
        assert (set(found), server.asked) == ({"Forbidden"}, 3)

    in_trouble(scenario)


def test_a_request_that_is_broken_off_leaves_its_turn_to_another() -> None:
    async def scenario(trouble: Outage, server: Server) -> None:
        first, second = (asyncio.ensure_future(met(trouble.ask(server, held_back=False))) for _ in range(2))
        await asyncio.sleep(0)
        server.error = None
        first.cancel()
        assert await asyncio.wait_for(second, 5) == "an answer"

    in_trouble(scenario)


def test_an_answer_that_is_held_back_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "HELD_BACK", 0.1)

    async def scenario(trouble: Outage, server: Server) -> None:
        async def long_poll() -> str:
            await asyncio.sleep(60)
            return "late"

        server.error = None
        held = asyncio.ensure_future(trouble.ask(long_poll, held_back=True))
        await asyncio.sleep(0)
        assert await asyncio.wait_for(trouble.ask(server, held_back=True), 5) == "an answer"
        held.cancel()

    in_trouble(scenario)


# --- clocks -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_clock_that_is_set_stalls_no_wait(seconds: float, journal: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    in_worker, deferred = start(journal, "slow", 2)
    real = time.time

    async def both_ways() -> list[End]:
        hook = TheEyeHook()
        watch = JobWatch(in_worker, WaitRules(poll_interval=0.3))
        waits = [asyncio.ensure_future(wait_for(deferred)), asyncio.ensure_future(asyncio.to_thread(wait, hook, watch))]
        await asyncio.sleep(0.3)
        monkeypatch.setattr(time, "time", lambda: real() + seconds)
        shared, (in_process, _) = await asyncio.wait_for(asyncio.gather(*waits), 30)
        return [shared, in_process]

    journal.set_faults([{"do": "status", "status": 403, "body": "forbidden", "path": "/demo/job", "times": 2}])
    assert asyncio.run(both_ways()) == [End.OVER] * 2
