"""``TheEyeJobEventTrigger`` against the sandbox: what it tells, how often it asks, what it survives."""

from __future__ import annotations

import asyncio
import importlib
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.triggers import events, shared_client
from airflow_provider_theeye.triggers.events import TheEyeJobEventTrigger

pytestmark = pytest.mark.usefixtures("connection")
AN_ID = "5cdb424d7dbdc0000fd3112a"
LIST = "GET /{customer}/job"
INTERVAL = 0.2


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "STORED_AFTER", 0.05)
    monkeypatch.setattr(events, "SPACING", 0.05)


class Store:
    """As much of Airflow's asset state store as the trigger uses; outlives a triggerer."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.broken = 0

    async def aget(self, key: str, default: Any = None) -> Any:
        if self.broken:
            self.broken -= 1
            raise RuntimeError("Airflow's API server is down")
        return self.values.get(key, default)

    async def aset(self, key: str, value: Any) -> None:
        self.values[key] = json.loads(json.dumps(value))


class StoreOfSeveralAssets(Store):
    """As Airflow's is if one trigger watches for two assets."""

    async def aget(self, key: str, default: Any = None) -> Any:
        raise ValueError("Task has 2 concrete inlets and outlets")


def start(sandbox: Sandbox, key: str, *arguments: Any) -> str:
    return TheEyeHook().run(calls.create_job(sandbox.task_id(key), arguments)).id


def over(*job_ids: str) -> None:
    hook = TheEyeHook()
    Sandbox.wait(None, lambda: all(hook.get_job(job_id).is_over for job_id in job_ids))  # type: ignore[arg-type]


async def so(test: Callable[[], bool]) -> None:
    """A slow machine takes its time; what is not so after that is for the test to say."""
    for _ in range(300):
        if test():
            return
        await asyncio.sleep(0.1)


async def told(
    triggers: list[TheEyeJobEventTrigger],
    meanwhile: Callable[[], Any],
    *,
    settle: float = 1.5,
    enough: int = 0,
) -> list[list[dict[str, Any]]]:
    """What each trigger tells while something happens in TheEye, each of them as a triggerer would run it.

    :param enough: events that are waited for, besides the time to settle.
    """
    heard: list[list[dict[str, Any]]] = [[] for _ in triggers]

    async def listen(trigger: TheEyeJobEventTrigger, mine: list[dict[str, Any]], source: AsyncIterator[Any]) -> None:
        async for event in source:
            mine.append(json.loads(json.dumps(event.payload)))

    tasks = [
        asyncio.create_task(listen(trigger, mine, trigger.run())) for trigger, mine in zip(triggers, heard, strict=True)
    ]
    stores = [one.asset_state_store for one in triggers if one.asset_state_store is not None]
    await so(lambda: all(store.values for store in stores if type(store) is Store))
    await asyncio.sleep(settle)
    await asyncio.to_thread(meanwhile)
    await so(lambda: sum(map(len, heard)) >= enough)
    await asyncio.sleep(settle)
    ended = [task for task in tasks if task.done()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert ended == [], "an event trigger must not end"
    return heard


def trigger(store: Store | None = None, **kwargs: Any) -> TheEyeJobEventTrigger:
    made = TheEyeJobEventTrigger(**{"poll_interval": INTERVAL, **kwargs})
    path, stored = made.serialize()
    module, name = path.rsplit(".", 1)
    rebuilt: TheEyeJobEventTrigger = getattr(importlib.import_module(module), name)(**json.loads(json.dumps(stored)))
    rebuilt.asset_state_store = store  # type: ignore[assignment]
    return rebuilt


def test_serialized_form() -> None:
    kwargs = {
        "theeye_conn_id": "c",
        "theeye_task_id": AN_ID,
        "theeye_workflow_id": None,
        "outcomes": ["failed", "timed_out"],
        "poll_interval": 30.0,
    }
    made = TheEyeJobEventTrigger(**kwargs)  # type: ignore[arg-type]
    assert made.serialize() == ("airflow_provider_theeye.triggers.events.TheEyeJobEventTrigger", kwargs)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"theeye_task_id": AN_ID, "theeye_workflow_id": AN_ID}, "or neither, not both"),
        ({"theeye_task_id": "x"}, "theeye_task_id must be an id of TheEye"),
        ({"theeye_workflow_id": "x"}, "theeye_workflow_id must be an id of TheEye"),
        ({"outcomes": "failed"}, "outcomes must be a list of succeeded, failed"),
        ({"outcomes": []}, "outcomes must be a list of succeeded, failed"),
        ({"outcomes": ["faild"]}, "outcomes must be one of succeeded, failed"),
        ({"outcomes": 5}, "outcomes must be a list of succeeded, failed"),
        ({"theeye_conn_id": 5}, "theeye_conn_id must be text"),
        ({"poll_interval": 0}, "poll_interval must be more than zero"),
    ],
)
def test_bad_arguments(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TheEyeJobEventTrigger(**kwargs)


def test_each_job_is_told_once_to_who_wants_it(sandbox: Sandbox) -> None:
    ids: dict[str, str] = {}

    def work() -> None:
        for key, arguments in (("greet", ["secret name"]), ("broken", []), ("failing", []), ("hello", [])):
            ids[key] = start(sandbox, key, *arguments)
        run = TheEyeHook().run(calls.create_workflow_job(sandbox.workflow_id("chain"), ["n"]))
        over(*ids.values(), run.id)
        ids["run"] = run.id
        steps = {step.name: step.id for step in TheEyeHook().run(calls.get_steps_of([run.id]))}
        ids["step"] = steps["Chain / t2"]

    every, failed, of_task, of_run, of_step = asyncio.run(
        told(
            [
                trigger(Store()),
                trigger(Store(), outcomes=["failed"]),
                trigger(Store(), theeye_task_id=sandbox.task_id("greet")),
                trigger(Store(), theeye_workflow_id=sandbox.workflow_id("chain")),
                trigger(Store(), theeye_task_id=sandbox.seed["workflows"]["chain"]["steps"]["t2"]),
            ],
            work,
            enough=10,
        )
    )
    step = ids.pop("step")
    assert sorted(one["job_id"] for one in every) == sorted(ids.values())
    # The exit code counts, which TheEye calls a success.
    assert {one["job_id"] for one in failed} == {ids["broken"], ids["failing"]}
    assert [one["job_id"] for one in of_run] == [ids["run"]]
    assert [(one["job_id"], one["name"]) for one in of_step] == [(step, "Chain / t2")]
    assert of_task == [
        {
            "job_id": ids["greet"],
            "task_id": sandbox.task_id("greet"),
            "workflow_id": None,
            "name": "Greet",
            "lifecycle": "finished",
            "state": "success",
            "outcome": "succeeded",
            "url": f"{sandbox.url}/jobs/{ids['greet']}",
        }
    ]


def test_one_list_request_for_all_watchers(journal: Sandbox) -> None:
    triggers = [trigger(theeye_task_id=AN_ID, poll_interval=0.5) for _ in range(20)]
    asyncio.run(told(triggers, lambda: None, settle=1.5))
    assert 2 <= journal.journal()["requests"][LIST] <= 10


def test_nothing_is_lost_or_repeated_by_a_restart(sandbox: Sandbox) -> None:
    store, ids = Store(), []

    def one_job() -> None:
        ids.append(start(sandbox, "hello"))
        over(ids[-1])

    wanted = {"theeye_task_id": sandbox.task_id("hello")}
    first = asyncio.run(told([trigger(store, **wanted)], one_job, enough=1))
    one_job()
    one_job()
    store.broken = 2
    second = asyncio.run(told([trigger(store, **wanted)], one_job, enough=3))
    third = asyncio.run(told([trigger(store, **wanted)], lambda: None))
    assert [[one["job_id"] for one in run[0]] for run in (first, second, third)] == [ids[:1], ids[1:], []]


def test_another_interval_goes_on_where_the_old_one_was(sandbox: Sandbox) -> None:
    store, ids = Store(), []

    def one_job() -> None:
        ids.append(start(sandbox, "hello"))
        over(ids[-1])

    wanted = {"theeye_task_id": sandbox.task_id("hello")}
    asyncio.run(told([trigger(store, **wanted)], lambda: None))
    one_job()
    later = asyncio.run(told([trigger(store, **wanted, poll_interval=0.3)], lambda: None, enough=1))
    assert [one["job_id"] for one in later[0]] == ids


def test_without_a_store_it_begins_with_what_ends_from_now_on(sandbox: Sandbox) -> None:
    job_id = start(sandbox, "hello")
    over(job_id)
    assert asyncio.run(told([trigger()], lambda: None)) == [[]]
    assert asyncio.run(told([trigger(StoreOfSeveralAssets())], lambda: over(start(sandbox, "hello"))))[0] != []


def test_events_leave_airflow_time_for_a_run_each(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "SPACING", 1.0)
    monkeypatch.setattr(events, "MOST_SPACED", 2)
    moments: list[float] = []

    async def scenario() -> None:
        store = Store()
        await told([trigger(store)], lambda: None, settle=0.6)
        for _ in range(4):
            await asyncio.to_thread(lambda: over(start(sandbox, "hello")))
        async with aclosing(trigger(store).run()) as source:  # type: ignore[type-var]
            for _ in range(4):
                await asyncio.wait_for(anext(source), 10)
                moments.append(time.monotonic())

    asyncio.run(scenario())
    gaps = [round(later - earlier) for earlier, later in pairwise(moments)]
    assert gaps == [0, 1, 1], "the last two wait for their turn"


def test_events_that_come_too_fast_are_told_at_once(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the trigger would fall behind without end where jobs end faster than runs can be made of each."""
    monkeypatch.setattr(events, "SPACING", 60.0)
    monkeypatch.setattr(events, "LATEST", 0.0)

    def three() -> None:
        over(*(start(sandbox, "hello") for _ in range(3)))

    store = Store()
    heard = asyncio.run(told([trigger(store)], three, enough=3))[0]
    assert len(heard) == 3
    assert all(job["job_id"] in json.dumps(store.values) for job in heard), "a restart tells none of them again"


def test_what_theeye_held_up_is_spaced_all_the_same(journal: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "SPACING", 1.0)
    monkeypatch.setattr(events, "LATEST", 2.0)
    moments: list[float] = []

    async def scenario() -> None:
        store = Store()
        await told([trigger(store)], lambda: None, settle=0.6)
        ids = [await asyncio.to_thread(start, journal, "hello") for _ in range(3)]
        await asyncio.to_thread(over, *ids)
        # Whichever of them ended first.
        journal.set_faults([{"method": "GET", "path": "*/job/*", "do": "delay", "seconds": 3.0, "times": 1}])
        async with aclosing(trigger(store).run()) as source:  # type: ignore[type-var]
            for _ in ids:
                await asyncio.wait_for(anext(source), 20)
                moments.append(time.monotonic())

    asyncio.run(scenario())
    assert [round(later - earlier) for earlier, later in pairwise(moments)] == [1, 1]


def test_a_restart_amid_a_burst_goes_on_where_it_was(sandbox: Sandbox) -> None:
    async def scenario() -> tuple[str, str]:
        store = Store()
        await told([trigger(store)], lambda: None, settle=0.6)
        for _ in range(3):
            await asyncio.to_thread(lambda: over(start(sandbox, "hello")))
        async with aclosing(trigger(store).run()) as source:  # type: ignore[type-var]
            first = await asyncio.wait_for(anext(source), 10)
            second = await asyncio.wait_for(anext(source), 10)  # by now the first one is remembered
        async with aclosing(trigger(store).run()) as source:  # type: ignore[type-var]
            again = await asyncio.wait_for(anext(source), 10)
        assert first.payload["job_id"] != second.payload["job_id"]
        return second.payload["job_id"], again.payload["job_id"]

    second, again = asyncio.run(scenario())
    assert again == second, "it may have been lost with the triggerer, the first one not"


def test_two_watchers_of_one_asset_keep_marks_of_their_own(sandbox: Sandbox) -> None:
    store = Store()
    asyncio.run(told([trigger(store), trigger(store, theeye_task_id=AN_ID)], lambda: None, settle=0.6))
    assert len(store.values) == 2


@pytest.mark.parametrize("fault", [{"do": "status", "status": 503}, {"do": "close"}, {"do": "html"}])
def test_survives_trouble_and_loses_nothing(fault: dict[str, Any], journal: Sandbox) -> None:
    ids = []

    def work() -> None:
        journal.set_faults([{"method": "GET", "path": "/demo/job*", "times": 3, **fault}])
        ids.append(start(journal, "broken"))
        time.sleep(1.5)

    heard = asyncio.run(told([trigger(Store(), theeye_task_id=journal.task_id("broken"))], work, enough=1))
    assert [(one["job_id"], one["outcome"]) for one in heard[0]] == [(ids[0], "failed")]


def test_waits_as_long_as_the_server_asks_for(journal: Sandbox) -> None:
    journal.set_faults(
        [{"method": "GET", "path": "/demo/job", "do": "status", "status": 429, "headers": {"Retry-After": "30"}}]
    )
    asyncio.run(told([trigger()], lambda: None, settle=1))
    assert journal.journal()["requests"][LIST] == 1


def test_deleted_record_is_judged_by_its_row(journal: Sandbox) -> None:
    """Retention may be faster than we are."""
    ids = []

    def work() -> None:
        journal.set_faults(
            [{"method": "GET", "path": "/demo/job/*", "do": "status", "status": 404, "body": "job not found"}]
        )
        ids.append(start(journal, "broken"))
        time.sleep(3)

    heard = asyncio.run(told([trigger(Store(), theeye_task_id=journal.task_id("broken"))], work, enough=1))
    assert [(one["job_id"], one["outcome"]) for one in heard[0]] == [(ids[0], "succeeded")]


def test_document_that_cannot_be_read_keeps_no_later_event_back(journal: Sandbox) -> None:
    ids = []
    fault = {"method": "GET", "do": "status", "status": 500}

    def work() -> None:
        journal.set_faults([{**fault, "path": "/demo/job/*"}])
        ids.append(start(journal, "broken"))
        time.sleep(1)
        journal.set_faults([{**fault, "path": f"/demo/job/{ids[0]}"}])
        ids.append(start(journal, "broken"))

    heard = asyncio.run(told([trigger(Store(), theeye_task_id=journal.task_id("broken"))], work, enough=2))
    # The list knows no exit code.
    assert [(one["job_id"], one["outcome"]) for one in heard[0]] == [(ids[0], "succeeded"), (ids[1], "failed")]


def test_shared_stream_of_airflow(sandbox: Sandbox) -> None:
    """Airflow 3.3 opens the stream once and gives what it brings to each trigger."""
    triggers = [trigger(), trigger(theeye_task_id=sandbox.task_id("hello")), trigger(poll_interval=9)]
    keys = [one.shared_stream_key() for one in triggers]
    assert keys[0] == keys[1] != keys[2]
    ids: list[str] = []

    async def scenario() -> list[str]:
        queue: asyncio.Queue[Any] = asyncio.Queue()

        async def pump() -> None:
            async for batch in TheEyeJobEventTrigger.open_shared_stream(triggers[0].serialize()[1]):
                await queue.put(batch)

        async def stream() -> AsyncIterator[Any]:
            while True:
                yield await queue.get()

        pumping = asyncio.create_task(pump())
        async with aclosing(triggers[1].filter_shared_stream(stream())) as told:  # type: ignore[type-var]
            await asyncio.sleep(1)
            ids.append(await asyncio.to_thread(start, sandbox, "hello"))
            event = await asyncio.wait_for(anext(told), 10)
        pumping.cancel()
        await asyncio.gather(pumping, return_exceptions=True)
        return [event.payload["job_id"]]

    assert asyncio.run(scenario()) == ids


def test_the_loop_is_never_blocked(journal: Sandbox) -> None:
    """TheEye takes a second for each answer; whoever waits for it on the loop would be late by that."""
    journal.set_faults([{"method": "GET", "path": "/demo/job*", "do": "delay", "seconds": 1.0}])
    late: list[float] = []

    async def heartbeat() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.01)
            late.append(time.perf_counter() - began - 0.01)

    async def scenario() -> None:
        import airflow_provider_theeye.triggers.ended  # noqa: F401 - the first import is not what is measured

        beat = asyncio.create_task(heartbeat())
        heard = await told([trigger(Store()) for _ in range(5)], lambda: start(journal, "hello"), settle=0, enough=5)
        beat.cancel()
        assert all(heard)

    asyncio.run(scenario())
    assert max(late) < 0.5


class StoreOfARemovedAsset(Store):
    """Airflow logs an error of its own for each attempt."""

    def __init__(self) -> None:
        super().__init__()
        self.attempts = 0

    async def aset(self, key: str, value: Any) -> None:
        self.attempts += 1
        raise RuntimeError(f"Asset not found, request {self.attempts}")


def test_a_store_that_is_gone_is_said_once_and_seldom_asked(
    journal: Sandbox, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    store = StoreOfARemovedAsset()
    made = trigger(store, theeye_task_id=journal.task_id("greet"))
    (heard,) = asyncio.run(told([made], lambda: start(journal, "greet", "still"), settle=4.0, enough=1))
    assert [event["outcome"] for event in heard] == ["succeeded"]
    # Some forty looks were made.
    assert 2 <= store.attempts <= 7
    said = capsys.readouterr().out + caplog.text
    assert said.count("is not kept yet") <= 2, "once, in one or two places"


def test_it_follows_its_connection_to_another_server(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old server takes the token no longer, and the connection leads to another one."""
    from tests.conftest import WORLD

    monkeypatch.setattr(shared_client, "RENEWAL_PAUSE", 0.0)
    point = partial(monkeypatch.setenv, "AIRFLOW_CONN_THEEYE_DEFAULT")
    with Sandbox(WORLD) as elsewhere:
        refused = [{"path": "/demo/job", "do": "status", "status": 401, "body": "Unauthorized"}]
        jobs: list[str] = []

        def moves() -> None:
            point(json.dumps(elsewhere.airflow_connection()))
            sandbox.set_faults(refused)
            time.sleep(3)
            jobs.append(start(elsewhere, "greet", "there"))

        try:
            (heard,) = asyncio.run(told([trigger()], moves, enough=1))
        finally:
            sandbox.clear_faults()
        assert [event["job_id"] for event in heard] == jobs
