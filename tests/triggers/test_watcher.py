"""``JobWatcher``: one poll for all who wait."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import json
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.changes import get_changes
from airflow_provider_theeye.api.errors import InvalidRequest
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.jobs.waiting import End, JobWatch, WaitRules
from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sealing import seal
from airflow_provider_theeye.triggers import shared_client, watcher
from airflow_provider_theeye.triggers.longpoll import wait_by_secret
from airflow_provider_theeye.triggers.theeye import TheEyeJobTrigger
from airflow_provider_theeye.triggers.watcher import JobWatcher, _watchers

pytestmark = pytest.mark.usefixtures("connection")
CONNECTION = "theeye_default"
LIST = "GET /{customer}/job"
READ = "GET /{customer}/job/{id}"


def start(sandbox: Sandbox, key: str, count: int = 1, *, held: bool = False) -> list[str]:
    hook = TheEyeHook()
    return [hook.run(calls.create_job(sandbox.task_id(key), [], held=held)).id for _ in range(count)]


def cancel(ids: list[str]) -> None:
    hook = TheEyeHook()
    for job_id in ids:
        hook.cancel(job_id)


async def wait_for(job_id: str, notes: list[str] | None = None, **rules: Any) -> tuple[End, Any]:
    watch = JobWatch(job_id, WaitRules(**{"poll_interval": 0.4, **rules}))
    async with JobWatcher.shared(CONNECTION) as watcher:
        return await watcher.wait(watch, (notes if notes is not None else []).append)


async def counted(work: Coroutine[Any, Any, Any]) -> Any:
    """Nothing is left of the watcher on this loop: no task, no entry, no open socket."""
    result = await work
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert not _watchers.get(asyncio.get_running_loop())
    gc.collect()
    return result


@pytest.mark.filterwarnings("error::ResourceWarning", "error::pytest.PytestUnraisableExceptionWarning")
def test_one_list_request_for_all(journal: Sandbox) -> None:
    ids = start(journal, "hello", 40, held=True)

    async def all_wait() -> list[tuple[End, Any]]:
        deadline = time.time() + 2
        return await asyncio.gather(*(wait_for(i, deadline=deadline) for i in ids))

    began = time.monotonic()
    journal.reset_journal()
    ends = asyncio.run(counted(all_wait()))
    seconds = time.monotonic() - began
    assert {end for end, _ in ends} == {End.DEADLINE}
    assert journal.journal()["requests"][LIST] <= seconds / 0.3 + 3
    journal.reset()


def test_more_than_150_jobs_are_asked_for_in_parts(journal: Sandbox) -> None:
    ids = start(journal, "hello", 160, held=True)

    async def all_wait() -> list[tuple[End, Any]]:
        deadline = time.time() + 0.6
        return await asyncio.gather(*(wait_for(i, deadline=deadline) for i in ids))

    journal.reset_journal()
    assert {end for end, _ in asyncio.run(all_wait())} == {End.DEADLINE}
    assert 2 <= journal.journal()["requests"][LIST] <= 8
    journal.reset()


def test_the_whole_document_is_read_once_for_all_who_wait(journal: Sandbox) -> None:
    (job_id,) = start(journal, "slow")

    async def three() -> list[tuple[End, Any]]:
        return await asyncio.gather(*(wait_for(job_id) for _ in range(3)))

    ends = asyncio.run(counted(three()))
    assert [(end, ended.job.result.lastline) for end, ended in ends] == [(End.OVER, "success")] * 3
    assert journal.journal()["requests"][READ] == 1


def test_workflows_are_covered_by_the_shared_poll(journal: Sandbox) -> None:
    hook = TheEyeHook()
    runs = [hook.run(calls.create_workflow_job(journal.workflow_id("slow-chain"), [])).id for _ in range(5)]
    notes: list[str] = []

    async def all_wait() -> list[tuple[End, Any]]:
        return await asyncio.gather(*(wait_for(run, notes) for run in runs))

    journal.reset_journal()
    began = time.monotonic()
    ends = asyncio.run(all_wait())
    seconds = time.monotonic() - began
    assert [len(ended.steps) for _, ended in ends] == [2] * 5
    assert journal.journal()["requests"][LIST] <= 2 * (seconds / 0.2 + 3)
    for run in runs:
        told = [note for note in notes if f"job {run}" in note or run in note]
        assert told[-1] == f"TheEye job {run} is finished/success"


def test_notes_go_to_their_own_waiter(journal: Sandbox) -> None:
    (one,) = start(journal, "slow")
    (other,) = start(journal, "slow")
    notes: dict[str, list[str]] = {one: [], other: []}

    async def both() -> None:
        await asyncio.gather(*(wait_for(i, notes[i]) for i in notes))

    asyncio.run(both())
    for job_id, lines in notes.items():
        assert lines[-1] == f"TheEye job {job_id} is finished/success"
        assert all(job_id in line for line in lines)


@pytest.mark.parametrize(
    "fault",
    [
        {"do": "status", "status": 500},
        {"do": "status", "status": 429, "headers": {"Retry-After": "0.2"}},
        {"do": "close"},
        {"do": "half_body"},
        {"do": "html"},
    ],
    ids=lambda fault: str(fault.get("status", fault["do"])),
)
def test_a_fault_ends_no_wait(fault: dict[str, Any], journal: Sandbox) -> None:
    (job_id,) = start(journal, "slow")
    journal.set_faults([{"method": "GET", "path": "*/job*", "times": 3, **fault}])
    end, ended = asyncio.run(counted(wait_for(job_id, poll_interval=0.1)))
    assert (end, ended.job.state) == (End.OVER, "success")


def test_retry_after_pauses_all(journal: Sandbox) -> None:
    ids = start(journal, "hello", 3, held=True)
    rule = {"method": "GET", "path": "*/job", "times": 1, "do": "status", "status": 429}
    journal.set_faults([{**rule, "headers": {"Retry-After": "1.5"}}])

    async def all_wait() -> None:
        first = asyncio.create_task(wait_for(ids[0], deadline=time.time() + 1.4))
        await asyncio.sleep(0.7)
        later = [asyncio.create_task(wait_for(i, deadline=time.time() + 0.7)) for i in ids[1:]]
        await asyncio.sleep(0.65)
        assert journal.journal()["requests"][LIST] == 1
        await asyncio.gather(first, *later)

    journal.reset_journal()
    asyncio.run(all_wait())
    cancel(ids)


def test_a_record_that_is_gone(journal: Sandbox) -> None:
    assert asyncio.run(counted(wait_for("f" * 24))) == (End.GONE, None)


def test_a_deleted_record_is_noticed(journal: Sandbox) -> None:
    (job_id,) = start(journal, "hello", held=True)

    async def deleted() -> End:
        waiting = asyncio.create_task(wait_for(job_id))
        await asyncio.sleep(0.7)
        await asyncio.to_thread(journal.forget_job, job_id)
        return (await waiting)[0]

    assert asyncio.run(deleted()) is End.GONE


def test_a_new_token_is_picked_up(journal: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    (job_id,) = start(journal, "slow")
    monkeypatch.setattr(shared_client, "RENEWAL_PAUSE", 0.0)
    good = journal.airflow_connection()
    monkeypatch.setenv("AIRFLOW_CONN_THEEYE_DEFAULT", json.dumps({**good, "password": "revoked"}))

    async def renewed() -> End:
        waiting = asyncio.create_task(wait_for(job_id))
        await asyncio.sleep(0.8)
        monkeypatch.setenv("AIRFLOW_CONN_THEEYE_DEFAULT", json.dumps(good))
        return (await waiting)[0]

    assert asyncio.run(renewed()) is End.OVER


def test_a_token_that_was_replaced_in_time_fails_no_look(journal: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    (job_id,) = start(journal, "slow")
    monkeypatch.setattr(shared_client, "RENEWAL_PAUSE", 0.0)
    connection = journal.airflow_connection()
    notes: list[str] = []

    async def renewed() -> End:
        monkeypatch.setenv("AIRFLOW_CONN_THEEYE_DEFAULT", json.dumps(connection))
        async with JobWatcher.shared("theeye_default") as watcher:
            waiting = asyncio.create_task(watcher.wait(JobWatch(job_id, WaitRules(poll_interval=0.3)), notes.append))
            await asyncio.sleep(0.8)
            client = await watcher.client.get()
            # What the server says of a token that was revoked meanwhile.
            monkeypatch.setattr(client, "settings", dataclasses.replace(client.settings, token="revoked"))
            return (await waiting)[0]

    assert asyncio.run(renewed()) is End.OVER
    assert not [note for note in notes if "failed looks" in note]


def test_a_revoked_token_ends_the_wait_in_time(journal: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    (job_id,) = start(journal, "hello")
    bad = {**journal.airflow_connection(), "password": "revoked"}
    monkeypatch.setenv("AIRFLOW_CONN_THEEYE_DEFAULT", json.dumps(bad))
    assert asyncio.run(counted(wait_for(job_id, refusal_seconds=0.5))) == (End.REFUSED, None)


def test_a_cancelled_wait_leaves_the_others_and_then_nothing(journal: Sandbox) -> None:
    (one,) = start(journal, "slow")
    (other,) = start(journal, "endless")

    async def cancelled() -> End:
        gone = asyncio.create_task(wait_for(other))
        stays = asyncio.create_task(wait_for(one))
        await asyncio.sleep(0.5)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        return (await stays)[0]

    assert asyncio.run(counted(cancelled())) is End.OVER
    cancel([other])


def test_a_fault_of_ours_ends_no_wait(journal: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong in the poll itself, the next one goes on."""
    (job_id,) = start(journal, "slow")
    look: Callable[..., Awaitable[None]] = JobWatcher._look_at
    troubles = iter([RuntimeError("bug"), KeyError("bug")])

    async def sometimes(self: JobWatcher, *args: Any) -> None:
        for trouble in troubles:
            raise trouble
        await look(self, *args)

    monkeypatch.setattr(JobWatcher, "_look_at", sometimes)
    assert asyncio.run(counted(wait_for(job_id, poll_interval=0.1)))[0] is End.OVER


def test_each_loop_has_its_own(journal: Sandbox) -> None:
    for _ in range(2):
        (job_id,) = start(journal, "hello")
        assert asyncio.run(counted(wait_for(job_id)))[0] is End.OVER


def test_an_id_that_is_none_fails_its_own_wait_alone(journal: Sandbox) -> None:
    (job_id,) = start(journal, "slow")

    async def both() -> list[Any]:
        return await asyncio.gather(wait_for(job_id), wait_for("no id"), return_exceptions=True)

    good, bad = asyncio.run(both())
    assert good[0] is End.OVER
    assert isinstance(bad, InvalidRequest)


def test_a_client_that_is_replaced_under_a_long_poll_harms_nobody(
    journal: Sandbox, secret_connection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_client, "RENEWAL_PAUSE", 0.0)
    job = TheEyeHook().run(calls.create_job(journal.task_id("slow"), []))

    async def replaced() -> End:
        async with JobWatcher.shared(secret_connection) as watcher:
            watch = JobWatch(job.id, WaitRules(poll_interval=0.3))
            sealed = seal(job.secret or "") or ""
            waiting = asyncio.create_task(wait_by_secret(watch, sealed, watcher.client, lambda line: None))
            await asyncio.sleep(0.5)
            # Somebody adds a token to the connection, and something that needs one is the first to use it.
            monkeypatch.setenv(f"AIRFLOW_CONN_{secret_connection.upper()}", json.dumps(journal.airflow_connection()))
            assert (await watcher.client.run(calls.get_job(job.id))).id == job.id
            return (await waiting)[0]

    assert asyncio.run(replaced()) is End.OVER


def test_a_killed_tasks_job_is_cancelled_with_the_new_token(journal: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    (job_id,) = start(journal, "endless")
    monkeypatch.setattr(shared_client, "RENEWAL_PAUSE", 0.0)

    async def killed() -> None:
        async with JobWatcher.shared(CONNECTION) as watcher:
            client = await watcher.client.get()
            monkeypatch.setattr(client, "settings", dataclasses.replace(client.settings, token="revoked"))
            await TheEyeJobTrigger(CONNECTION, job_id, cancel_on_kill=True)._cancel_if_killed(certain=True)

    asyncio.run(killed())
    assert TheEyeHook().get_job(job_id).is_over


def test_documents_are_not_asked_for_while_theeye_wants_a_pause(journal: Sandbox) -> None:
    ids = start(journal, "hello", 12)

    async def paused() -> int:
        async with JobWatcher.shared(CONNECTION) as watcher:
            waits = [asyncio.create_task(watcher.wait(JobWatch(one, WaitRules()), lambda line: None)) for one in ids]
            await asyncio.sleep(0)
            watcher.client.not_before = time.monotonic() + 60
            await asyncio.sleep(2.0)
            asked = journal.journal()["requests"].get(READ, 0)
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
            return int(asked)

    assert asyncio.run(paused()) == 0


def test_documents_that_do_not_come_stop_no_poll(journal: Sandbox) -> None:
    """TheEye never answers who asks for a job that it may not see (CONTRACT: errors)."""
    ids = start(journal, "hello", 12)
    (job_id,) = start(journal, "slow")
    journal.set_faults([{"method": "GET", "path": f"*/job/{one}", "do": "hang"} for one in ids])

    async def the_other_one_ends() -> End:
        hanging = [asyncio.create_task(wait_for(one)) for one in ids]
        try:
            return (await asyncio.wait_for(wait_for(job_id, targets=frozenset({"assigned"})), 8))[0]
        finally:
            for wait in hanging:
                wait.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)

    assert asyncio.run(the_other_one_ends()) in (End.REACHED, End.OVER)
    calls_for_lists = (get_changes(ids, lambda one: None), calls.get_jobs(ids))
    assert [call.is_list for call in calls_for_lists] == [True, True]


def test_a_fault_of_ours_while_a_document_is_read_is_counted(journal: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """It must not be met again and again without an end."""
    (job_id,) = start(journal, "hello")

    def broken(ident: str) -> Any:
        raise RuntimeError("bug")

    monkeypatch.setattr(watcher, "read_whole", broken)
    rules = {"poll_interval": 0.1, "max_failures": 1, "failure_seconds": 0.2}
    assert asyncio.run(counted(wait_for(job_id, **rules)))[0] is End.UNREACHABLE
