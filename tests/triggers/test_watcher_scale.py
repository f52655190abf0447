"""``JobWatcher`` under many waits: when it asks, for what, how much at a time, and that nothing of it is left."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from airflow_provider_theeye.api import calls, changes
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.jobs.waiting import End, JobWatch, WaitRules
from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sandbox.process import SandboxError
from airflow_provider_theeye.triggers.watcher import CONCURRENCY, JobWatcher
from tests.triggers.recorder import Recorder, Request

CONNECTION = "theeye_recorded"
#: What a busy machine may add to a gap between two requests.
LATE = 0.35

# They measure time, which a busy machine stretches.
pytestmark = pytest.mark.slow


@pytest.fixture
def recorder(journal: Sandbox, connection: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    with Recorder(journal.url) as running:
        value = {**journal.airflow_connection(), "host": running.url}
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", json.dumps(value))
        yield running


@pytest.fixture
def held(journal: Sandbox, connection: str) -> Iterator[list[str]]:
    """Ids of 320 jobs that stay as they are."""
    hook = TheEyeHook()
    ids = [hook.run(calls.create_job(journal.task_id("hello"), [], held=True)).id for _ in range(320)]
    yield ids
    for job_id in ids:
        with contextlib.suppress(SandboxError):  # some tests did that themselves
            journal.forget_job(job_id)


async def wait_for(job_id: str, **rules: Any) -> tuple[End, Any]:
    watch = JobWatch(job_id, WaitRules(**{"poll_interval": 0.4, "deadline": time.time() + 60, **rules}))
    async with JobWatcher.shared(CONNECTION) as watcher:
        return await watcher.wait(watch, lambda line: None)


async def wait_together(waits: dict[str, float], seconds: float, **rules: Any) -> list[tuple[End, Any]]:
    """Wait for jobs, each with its poll interval, until a deadline."""
    deadline = time.time() + seconds
    return await asyncio.gather(
        *(wait_for(one, poll_interval=interval, deadline=deadline, **rules) for one, interval in waits.items())
    )


def gaps(requests: list[Request]) -> list[float]:
    return [later.came - earlier.came for earlier, later in pairwise(requests)]


def sockets() -> int:
    found = 0
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the one that the listing itself used
            found += os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")
    return found


def test_the_smallest_interval_counts_for_all(recorder: Recorder, held: list[str]) -> None:
    quick, slow = held[:2]
    asyncio.run(wait_together({slow: 30.0, quick: 0.6}, 4.5))
    late = [one for one in recorder.lists() if one.came > recorder.requests[0].came + 1.5]
    assert len(late) >= 3
    assert all(set(one.ids) == {quick, slow} for one in late)
    assert all(gap < 0.6 + LATE for gap in gaps(late))


def test_polls_are_jittered(recorder: Recorder, held: list[str]) -> None:
    """Several triggerers that were started together must not go on asking at the same moments."""
    asyncio.run(wait_together({held[0]: 0.5}, 6.0))
    steady = gaps(recorder.lists())[:-2]
    assert all(gap >= 0.9 * 0.5 - 0.02 for gap in steady)
    assert max(steady) - min(steady) > 0.005


def test_young_jobs_are_looked_at_sooner(recorder: Recorder, held: list[str]) -> None:
    began = time.monotonic()
    asyncio.run(wait_together({held[0]: 5.0}, 5.0))
    lists = recorder.lists()
    assert 0.4 <= lists[0].came - began <= 0.5 + LATE
    first, second, third = gaps(lists)[:3]
    assert 0.6 < first < 0.75 + LATE
    assert first < second < third


def test_errors_slow_the_whole_watcher_and_a_success_restores_it(
    recorder: Recorder, held: list[str], journal: Sandbox
) -> None:
    journal.set_faults([{"method": "GET", "path": "*/job", "times": 4, "do": "status", "status": 500}])
    asyncio.run(wait_together(dict.fromkeys(held[:20], 0.3), 6.5))
    failing, after = gaps(recorder.lists())[:4], gaps(recorder.lists())[5:]
    # 0.3, 0.6, 1.2 and 2.4 seconds, less jitter: one request each for all of them.
    assert all(later > 1.5 * earlier for earlier, later in pairwise(failing))
    assert failing[-1] > 2.0
    assert min(after) < 0.3 + LATE / 2


def test_never_an_empty_list_of_ids_nor_too_long_a_one(recorder: Recorder, held: list[str], journal: Sandbox) -> None:
    async def come_and_go() -> None:
        whole = asyncio.create_task(wait_together(dict.fromkeys(held, 0.3), 3.0))
        await asyncio.sleep(1.2)
        for job_id in held[:200]:
            await asyncio.to_thread(journal.forget_job, job_id)
        await whole

    asyncio.run(come_and_go())
    assert recorder.lists()
    for one in recorder.lists():
        assert 1 <= len(one.ids) <= calls.MAX_IDS
        assert all(len(job_id) == 24 for job_id in one.ids)
        assert len(set(one.ids)) == len(one.ids)


def test_a_tick_takes_as_few_requests_as_there_are_batches(recorder: Recorder, held: list[str]) -> None:
    asyncio.run(wait_together(dict.fromkeys(held, 2.0), 8.0))
    ticks: list[list[Request]] = []
    for one in recorder.lists():
        if not ticks or one.came - ticks[-1][0].came > 0.3:
            ticks.append([])
        ticks[-1].append(one)
    assert {len(tick) for tick in ticks[:-2]} == {3}
    # The same batches again and again.
    assert len({tuple(sorted(one.ids)) for tick in ticks[:-2] for one in tick}) == 3


def test_whole_documents_are_read_a_few_at_a_time(recorder: Recorder, journal: Sandbox) -> None:
    hook = TheEyeHook()
    ids = [hook.run(calls.create_job(journal.task_id("hello"), [], held=True)).id for _ in range(40)]
    journal.set_faults([{"method": "GET", "path": "/demo/job/*", "times": None, "do": "delay", "seconds": 0.2}])

    async def all_end() -> list[tuple[End, Any]]:
        waiting = [asyncio.create_task(wait_for(job_id)) for job_id in ids]
        for job_id in ids:
            # A held job cannot be cancelled, one on hold can.
            await asyncio.to_thread(hook.run, calls.hold_job(job_id))
            await asyncio.to_thread(hook.run, calls.cancel_job(job_id))
        return await asyncio.gather(*waiting)

    assert {end for end, _ in asyncio.run(all_end())} == {End.OVER}
    assert len(recorder.reads()) == len(ids)
    assert 2 <= recorder.most_reads_at_once() <= CONCURRENCY


def test_no_task_and_no_socket_is_left(recorder: Recorder, held: list[str]) -> None:
    before = sockets()

    async def many() -> None:
        for _ in range(3):
            await wait_together(dict.fromkeys(held[:60], 0.3), 1.0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(many())
    gc.collect()
    deadline = time.monotonic() + 5
    while sockets() > before and time.monotonic() < deadline:  # the recorder's own ends
        time.sleep(0.05)
    assert sockets() <= before


def test_rows_that_have_not_changed_are_not_read_again(
    recorder: Recorder, held: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[int] = []
    parse = changes.parse_jobs

    def counting(data: Any) -> Any:
        parsed.append(len(data))
        return parse(data)

    monkeypatch.setattr(changes, "parse_jobs", counting)
    asyncio.run(wait_together(dict.fromkeys(held[:100], 0.4), 3.0))
    assert sum(parsed) == 100
    assert len(recorder.lists()) > 4


def test_a_job_that_has_not_changed_still_meets_its_deadlines(recorder: Recorder, journal: Sandbox) -> None:
    hook = TheEyeHook()
    job_id = hook.run(calls.create_job(journal.task_id("hello"), [], held=True)).id
    hook.run(calls.hold_job(job_id))

    async def both() -> list[tuple[End, Any]]:
        now = time.time()
        return await asyncio.gather(wait_for(job_id, deadline=now + 2.0), wait_for(job_id, deadline=now + 3.0))

    began = time.time()
    assert [end for end, _ in asyncio.run(both())] == [End.DEADLINE] * 2
    assert 2.9 <= time.time() - began < 3.0 + 2 * LATE
