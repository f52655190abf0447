"""``SharedClient``: when TheEye asks for a pause, it gets it from all who share the client."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.errors import RateLimited
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.jobs.waiting import JobWatch, WaitRules
from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sealing import seal
from airflow_provider_theeye.triggers.ended import poll
from airflow_provider_theeye.triggers.longpoll import wait_by_secret
from airflow_provider_theeye.triggers.searching import TheEyeJobSearchTrigger
from airflow_provider_theeye.triggers.shared_client import SharedClient
from airflow_provider_theeye.triggers.theeye import TheEyeJobTrigger
from airflow_provider_theeye.triggers.watcher import JobWatcher
from tests.running import first_event

pytestmark = pytest.mark.usefixtures("connection")
CONNECTION = "theeye_default"
BUSY = {"do": "status", "status": 429}


async def refused(client: SharedClient, sandbox: Sandbox, asked: str | None) -> None:
    """Let one request be told to come back later; from then on the server would answer."""
    headers = {} if asked is None else {"Retry-After": asked}
    await asyncio.to_thread(sandbox.set_faults, [{**BUSY, "path": "/demo/task", "headers": headers, "times": 1}])
    with pytest.raises(RateLimited):
        await client.run(calls.list_tasks())
    await asyncio.to_thread(sandbox.reset_journal)


def test_all_kinds_of_waiting_leave_it_alone(journal: Sandbox) -> None:
    job = TheEyeHook().run(calls.create_job(journal.task_id("hello"), [], held=True))
    watch = JobWatch(job.id, WaitRules(poll_interval=0.1))

    async def scenario() -> Any:
        async with JobWatcher.shared(CONNECTION) as watcher:
            await refused(watcher.client, journal, "30")
            batches = poll(CONNECTION, 0.1)
            search = TheEyeJobSearchTrigger(CONNECTION, journal.task_id("hello"), False, "2100-01-01", "last", 0.1)
            waits = [
                asyncio.ensure_future(anext(batches)),
                asyncio.ensure_future(first_event(search)),
                asyncio.ensure_future(first_event(TheEyeJobTrigger(CONNECTION, job.id, poll_interval=0.1))),
                asyncio.ensure_future(
                    wait_by_secret(watch, seal(job.secret or "") or "", watcher.client, lambda line: None)
                ),
            ]
            await asyncio.sleep(1.5)
            asked = await asyncio.to_thread(journal.journal)
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
            await batches.aclose()
            return asked["totals"]["requests"]

    assert asyncio.run(scenario()) == 0


@pytest.mark.parametrize(("asked", "seconds"), [("0.7", 0.7), (None, 1.0)])
def test_the_pause_ends(asked: str | None, seconds: float, journal: Sandbox) -> None:
    async def scenario() -> float:
        async with JobWatcher.shared(CONNECTION) as watcher:
            await refused(watcher.client, journal, asked)
            began = time.monotonic()
            while True:
                try:
                    await watcher.client.run(calls.list_tasks())
                except RateLimited as error:
                    await asyncio.sleep(error.retry_after or 0.0)
                else:
                    return time.monotonic() - began

    assert seconds - 0.3 < asyncio.run(scenario()) < seconds + 2


def test_a_killed_tasks_job_is_cancelled_at_once(journal: Sandbox) -> None:
    job = TheEyeHook().run(calls.create_job(journal.task_id("endless"), []))

    async def killed() -> None:
        async with JobWatcher.shared(CONNECTION) as watcher:
            await refused(watcher.client, journal, "60")
            trigger = TheEyeJobTrigger(CONNECTION, job.id, cancel_on_kill=True)
            await asyncio.wait_for(trigger._cancel_if_killed(certain=True), 20)

    asyncio.run(killed())
    assert TheEyeHook().get_job(job.id).is_over
