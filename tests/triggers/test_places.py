"""Jobs live in a place, a server and an organization: what a connection that is changed does to those who wait."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.settings import Place
from airflow_provider_theeye.exceptions import TheEyeConnectionChanged, TheEyeConnectionChangedNoRetry
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.hooks.wait import wait
from airflow_provider_theeye.jobs.clocks import now
from airflow_provider_theeye.jobs.waiting import End, JobWatch, WaitRules
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator
from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sensors.theeye import TheEyeJobSensor
from airflow_provider_theeye.triggers import connections, shared_client
from airflow_provider_theeye.triggers.theeye import JobEvent, TheEyeJobTrigger
from airflow_provider_theeye.triggers.watcher import JobWatcher, _watchers
from tests.conftest import WORLD
from tests.running import FakeStore, context, first_event

CONNECTION = "theeye_moving"
TARGETS = frozenset({"assigned"})

pytestmark = pytest.mark.usefixtures("connection")
Point = Callable[..., None]


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Sandbox]:
    with Sandbox(WORLD) as running:
        yield running


@pytest.fixture
def point(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> Point:
    """Edits the connection; at first it leads to the first sandbox."""
    monkeypatch.setattr(shared_client, "RENEWAL_PAUSE", 0.0)

    def edit(where: Sandbox, **changes: Any) -> None:
        value = where.airflow_connection() | changes
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", json.dumps(value))

    edit(sandbox)
    return edit


def place(sandbox: Sandbox) -> Place:
    return Place(sandbox.url, "demo")


def start(sandbox: Sandbox, key: str, **options: Any) -> str:
    """A job that is made without the connection that moves."""
    from airflow_provider_theeye.api.client import TheEyeClient
    from airflow_provider_theeye.api.settings import ServerSettings

    settings = ServerSettings(sandbox.url, "demo", sandbox.airflow_connection()["password"])
    with TheEyeClient(settings) as client:
        return client.run(calls.create_job(sandbox.task_id(key), [], **options)).id


def trigger(job_id: str, where: Sandbox | None = None, **options: Any) -> TheEyeJobTrigger:
    known = {} if where is None else {"server": where.url, "organization": "demo"}
    return TheEyeJobTrigger(CONNECTION, job_id, poll_interval=0.3, **known, **options)


async def event_of(waiting: TheEyeJobTrigger) -> dict[str, Any]:
    found: dict[str, Any] = await asyncio.wait_for(first_event(waiting), 60)
    return found


async def while_waiting(waiting: TheEyeJobTrigger, then: Callable[[], Awaitable[Any]]) -> tuple[dict[str, Any], Any]:
    """What a trigger says, and what ``then`` brings once it waits."""
    task = asyncio.ensure_future(event_of(waiting))
    await asyncio.sleep(1.0)
    brought = await then()
    return await task, brought


def test_whoever_waits_stays_and_whoever_comes_goes_where_its_job_lives(
    sandbox: Sandbox, elsewhere: Sandbox, point: Point
) -> None:
    before = start(sandbox, "slow")

    async def edited() -> Any:
        point(elsewhere)
        after = await asyncio.to_thread(start, elsewhere, "slow")
        return await asyncio.gather(event_of(trigger(after, elsewhere)), event_of(trigger(after)))

    event, others = asyncio.run(while_waiting(trigger(before, sandbox, deadline=now().epoch + 60), edited))
    assert (event["end"], event["server"], event["organization"]) == ("over", sandbox.url, "demo")
    assert [(one["end"], one["server"]) for one in others] == [("over", elsewhere.url)] * 2


def test_a_wait_that_begins_later_joins_those_that_still_know_its_place(
    sandbox: Sandbox, elsewhere: Sandbox, point: Point
) -> None:
    first = start(sandbox, "endless")

    async def edited() -> Any:
        point(elsewhere)
        return await event_of(trigger(await asyncio.to_thread(start, sandbox, "slow"), sandbox))

    held = trigger(first, sandbox, deadline=now().epoch + 8)
    event, other = asyncio.run(while_waiting(held, edited))
    assert (event["end"], other["end"]) == ("deadline", "over")


def test_with_nobody_left_who_knows_the_place_the_connection_is_waited_for(
    sandbox: Sandbox, elsewhere: Sandbox, point: Point
) -> None:
    """An edit of a moment fails nobody."""
    point(elsewhere)

    async def put_back() -> None:
        point(sandbox)

    event, _ = asyncio.run(while_waiting(trigger(start(sandbox, "slow"), sandbox), put_back))
    assert event["end"] == "over"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("revoked", [False, True], ids=["triggerer restarted", "token refused"])
def test_a_connection_that_leads_elsewhere_is_an_end_of_its_own(
    revoked: bool, sandbox: Sandbox, elsewhere: Sandbox, point: Point
) -> None:
    job_id = start(sandbox, "endless")
    point(elsewhere)

    async def scenario() -> dict[str, Any]:
        if not revoked:
            return await event_of(trigger(job_id, sandbox))
        point(sandbox, password="revoked")
        waiting = asyncio.ensure_future(event_of(trigger(job_id, sandbox)))
        await asyncio.sleep(0.7)
        point(elsewhere)
        return await waiting

    event = asyncio.run(scenario())
    assert event["end"] == "moved"
    assert f"now leads to organization 'demo' at {elsewhere.url}" in event["problem"]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("end", ["moved", "gone", "over", "deadline", "not_taken"])
@pytest.mark.parametrize("store", [FakeStore(), None], ids=["remembered", "no store"])
def test_nothing_is_started_elsewhere_and_nothing_is_believed_from_there(
    store: FakeStore | None, end: str, sandbox: Sandbox, elsewhere: Sandbox, point: Point
) -> None:
    """Whatever the triggerer saw: if something must be asked or started, it is not asked or started elsewhere."""
    point(elsewhere)
    elsewhere.reset_journal()
    job_id = start(sandbox, "hello", held=True)
    told = JobEvent(job_id, End(end), now().epoch, problem="it leads elsewhere", whole=end != "over")
    event = replace(told, server=sandbox.url, organization="demo").to_json()
    operator = TheEyeTaskOperator(
        task_id="t",
        theeye_conn_id=CONNECTION,
        theeye_task_id=elsewhere.task_id("hello"),
        on_missing="resubmit",
        timeout=60,
        queue_timeout=50,
    )
    with pytest.raises(TheEyeConnectionChanged) as caught:
        operator.execute_complete(context(store=store), event)
    # If the job is gone there is none that a retry could find.
    finds_it = store is not None and end != "gone"
    assert isinstance(caught.value, TheEyeConnectionChangedNoRetry) is not finds_it
    assert elsewhere.journal()["totals"]["requests"] == 0


def test_a_result_that_was_carried_is_taken_wherever_the_connection_leads(
    sandbox: Sandbox, elsewhere: Sandbox, point: Point
) -> None:
    event = asyncio.run(event_of(trigger(start(sandbox, "hello"), sandbox)))
    point(elsewhere)
    for resumed in (
        TheEyeTaskOperator(task_id="t", theeye_conn_id=CONNECTION, theeye_task_id=sandbox.task_id("hello")),
        TheEyeJobSensor(task_id="s", theeye_conn_id=CONNECTION, job_id=event["job_id"]),
    ):
        value = resumed.execute_complete(context(), event=event)
        assert (value["outcome"], value["server"], value["organization"]) == ("succeeded", sandbox.url, "demo")


def test_a_worker_that_waits_stays_too(sandbox: Sandbox, elsewhere: Sandbox, point: Point) -> None:
    job_id = start(sandbox, "slow")
    hook = TheEyeHook(CONNECTION)
    assert hook.place == place(sandbox)
    point(elsewhere)
    assert wait(hook, JobWatch(job_id, WaitRules(poll_interval=0.3)))[0] is End.OVER


def test_a_worker_whose_token_is_refused_does_not_go_elsewhere(
    sandbox: Sandbox, elsewhere: Sandbox, point: Point
) -> None:
    job_id = start(sandbox, "endless")
    point(sandbox, password="revoked")
    hook = TheEyeHook(CONNECTION)
    assert hook.place == place(sandbox)
    point(elsewhere)
    watch = JobWatch(job_id, WaitRules(poll_interval=0.3, refusal_seconds=1.5))
    assert wait(hook, watch)[0] is End.MOVED
    assert "was changed" in str(watch.error)


# --- one poll -----------------------------------------------------------------------------------------------------


def test_two_connections_to_one_place_share_a_poll(
    sandbox: Sandbox, point: Point, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER_ID", json.dumps(sandbox.airflow_connection(web_url="https://ui.example")))

    async def scenario() -> bool:
        async with JobWatcher.shared(CONNECTION) as one, JobWatcher.shared("other_id") as other:
            return one is other

    assert asyncio.run(scenario())


@pytest.mark.parametrize("change", [{"schema": "other"}, {"password": "another"}, {"extra": '{"verify": false}'}])
def test_another_organization_token_or_verification_is_another_poll(
    change: dict[str, str], sandbox: Sandbox, point: Point, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER_ID", json.dumps(sandbox.airflow_connection() | change))

    async def scenario() -> bool:
        async with JobWatcher.shared(CONNECTION) as one, JobWatcher.shared("other_id") as other:
            return one is other

    assert not asyncio.run(scenario())


def test_a_new_token_moves_all_over_and_loses_nobody(sandbox: Sandbox, point: Point) -> None:
    """The server takes the old token no longer; whoever comes later shares the poll of those who were there."""
    ids = [start(sandbox, "slow") for _ in range(4)]
    point(sandbox, password="revoked")

    async def scenario() -> tuple[list[dict[str, Any]], int]:
        waits = [asyncio.ensure_future(event_of(trigger(one, sandbox, submitted=now().epoch))) for one in ids[:2]]
        await asyncio.sleep(0.8)
        point(sandbox)
        await asyncio.sleep(1.5)
        waits += [asyncio.ensure_future(event_of(trigger(one, sandbox, submitted=now().epoch))) for one in ids[2:]]
        await asyncio.sleep(0.2)
        polls = len(_watchers[asyncio.get_running_loop()])
        return await asyncio.gather(*waits), polls

    events, polls = asyncio.run(scenario())
    assert [event["end"] for event in events] == ["over"] * 4
    assert polls <= 1


# --- readings -----------------------------------------------------------------------------------------------------


@pytest.fixture
def read_times(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each reading of a connection."""
    times: list[str] = []
    real = connections.get_async_connection

    async def counting(conn_id: str) -> Any:
        times.append(conn_id)
        return await real(conn_id)

    monkeypatch.setattr(connections, "get_async_connection", counting)
    return times


@pytest.mark.parametrize("is_known", [True, False], ids=["place known", "as older releases stored them"])
def test_many_triggers_share_a_reading(is_known: bool, sandbox: Sandbox, point: Point, read_times: list[str]) -> None:
    where = (place(sandbox), now().epoch - 1) if is_known else (None, None)

    async def scenario() -> None:
        async def one() -> None:
            async with JobWatcher.shared(CONNECTION, *where):
                await asyncio.sleep(0.1)

        await asyncio.gather(*(one() for _ in range(200)))

    asyncio.run(scenario())
    # Who asks while a connection is read cannot tell whether that was before a change; the next reading is for all.
    assert len(read_times) == (1 if is_known else 2)


def test_a_younger_job_or_another_place_makes_for_another_reading(
    sandbox: Sandbox, elsewhere: Sandbox, point: Point, read_times: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "KEPT_IN_DOUBT", 0.0)

    async def scenario() -> list[int]:
        counts = []
        for where, submitted in (
            (sandbox, now().epoch - 1),
            (sandbox, now().epoch - 1),
            (sandbox, now().epoch + 1),
            (elsewhere, now().epoch - 1),
        ):
            async with JobWatcher.shared(CONNECTION, place(where), submitted):
                counts.append(len(read_times))
        return counts

    assert asyncio.run(scenario()) == [1, 1, 2, 3]
