"""Waiting with the job's own secret, at a server or proxy that does not hold its answers back."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.hooks.wait import wait
from airflow_provider_theeye.jobs.waiting import End, JobWatch, WaitRules
from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sealing import seal
from airflow_provider_theeye.triggers import shared_client
from airflow_provider_theeye.triggers.longpoll import wait_by_secret
from airflow_provider_theeye.triggers.watcher import JobWatcher

pytestmark = pytest.mark.usefixtures("connection")
ASKED = "GET /job/{id}/secret/{secret}/result"
LATE = {"do": "status", "status": 408, "body": "Request Timeout"}
LIVE = {"_type": "ScriptJob", "id": "a" * 24, "lifecycle": "assigned", "state": "in_progress"}


@pytest.mark.parametrize("mode", ["sync", "deferrable"])
@pytest.mark.parametrize("answer", [{"status": 408, "body": "Request Timeout"}, {"status": 200, "body": LIVE}])
def test_it_is_not_asked_at_full_speed(mode: str, answer: dict[str, Any], journal: Sandbox) -> None:
    hook = TheEyeHook()
    job = hook.run(calls.create_job(journal.task_id("hello"), [], held=True))
    journal.set_faults([{"path": "/job/*/result", "do": "status", **answer}])
    watch = JobWatch(job.id, WaitRules(poll_interval=0.5, deadline=time.time() + 2))
    secret = job.secret or ""

    async def in_the_triggerer() -> End:
        async with JobWatcher.shared(hook.theeye_conn_id) as watcher:
            return (await wait_by_secret(watch, seal(secret) or "", watcher.client, lambda line: None))[0]

    end = wait(hook, watch, secret)[0] if mode == "sync" else asyncio.run(in_the_triggerer())
    assert end is End.DEADLINE
    assert 3 <= journal.journal()["requests"][ASKED] <= 6


def test_long_polls_are_no_more_than_the_connections_and_waiting_for_one_is_no_failure(
    journal: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_client, "LONG_POLLS", 2)
    hook = TheEyeHook()
    jobs = [hook.run(calls.create_job(journal.task_id("hello"), [], held=True)) for _ in range(6)]
    # TheEye would hold each answer back for ten seconds at least.
    journal.set_faults([{"path": "/job/*/result", "do": "delay", "seconds": 0.3}, {"path": "/job/*/result", **LATE}])
    at_once: list[int] = []

    async def all_wait() -> list[End]:
        async with JobWatcher.shared(hook.theeye_conn_id) as watcher:
            run, under_way = watcher.client.run, 0

            async def counted(call: Any, **options: Any) -> Any:
                nonlocal under_way
                under_way += 1
                at_once.append(under_way)
                try:
                    return await run(call, **options)
                finally:
                    under_way -= 1

            monkeypatch.setattr(watcher.client, "run", counted)
            rules = WaitRules(poll_interval=0.1, deadline=time.time() + 3, max_failures=0, failure_seconds=0.0)
            waits = (
                wait_by_secret(JobWatch(job.id, rules), seal(job.secret or "") or "", watcher.client, notes.append)
                for job in jobs
            )
            return [end for end, _ in await asyncio.gather(*waits)]

    notes: list[str] = []
    assert asyncio.run(all_wait()) == [End.DEADLINE] * len(jobs)
    assert max(at_once) == 2
    assert notes == []
