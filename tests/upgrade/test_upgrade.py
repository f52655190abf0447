"""A task that was deferred by an older release goes on with this one.

``tests/data/deferred/`` holds what each release left in Airflow's database: the trigger's class and arguments, its
event, and what the release itself made of that.
"""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from airflow_provider_theeye import __version__
from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.models import Job
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator, TheEyeWorkflowOperator
from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sealing import seal
from airflow_provider_theeye.sensors.theeye import TheEyeJobSensor
from tests.running import context, first_event
from tests.upgrade.record import DATA

pytestmark = pytest.mark.usefixtures("connection", "secret_connection")

RECORDED = [
    pytest.param(entry, id=f"{file.stem}-{entry['name']}")
    for file in sorted(DATA.glob("*.json"))
    for entry in json.loads(file.read_text())
]
WITH_EVENT = [one for one in RECORDED if "event" in one.values[0]]
A_MINUTE = 60.0
# What the sensor calls a failure that it did not cause, where an operator has a name of its own.
SENSORS_WORD = {"JobDeadlineExceeded": "AirflowSensorTimeout"}


def rebuilt(entry: dict[str, Any], **changed: Any) -> Any:
    """The trigger as Airflow makes it from its database; only what cannot be the same in another run is changed."""
    module, name = entry["trigger"].rsplit(".", 1)
    known = {key: value for key, value in changed.items() if entry["kwargs"].get(key) is not None}
    return getattr(importlib.import_module(module), name)(**entry["kwargs"] | known)


def a_job_like(entry: dict[str, Any], sandbox: Sandbox) -> Job:
    hook = TheEyeHook()
    if entry["kwargs"].get("is_workflow"):
        return hook.run(calls.create_workflow_job(sandbox.workflow_id("chain"), ["7"]))
    return hook.run(calls.create_job(sandbox.task_id("slow"), []))


def test_this_release_is_recorded() -> None:
    assert (DATA / f"{__version__}.json").is_file()


@pytest.mark.parametrize("entry", WITH_EVENT)
def test_a_trigger_of_before_waits_to_the_end(entry: dict[str, Any], sandbox: Sandbox) -> None:
    job = a_job_like(entry, sandbox)
    trigger = rebuilt(
        entry,
        job_id=job.id,
        sealed_secret=seal(job.secret or ""),
        deadline=4e9,
        queue_deadline=4e9,
        theeye_id=sandbox.task_id("slow"),
    )
    event = asyncio.run(asyncio.wait_for(first_event(trigger), A_MINUTE))
    assert event["end"] == "over"
    assert event.keys() >= entry["event"].keys()


@pytest.mark.parametrize("entry", [one for one in WITH_EVENT if one.values[0]["kwargs"]["deadline"] is not None])
def test_a_deadline_of_before_still_counts(entry: dict[str, Any], live_job: str) -> None:
    event = asyncio.run(asyncio.wait_for(first_event(rebuilt(entry, job_id=live_job, deadline=1e9)), A_MINUTE))
    assert event["end"] == "deadline"


@pytest.fixture
def live_job(sandbox: Sandbox) -> Iterator[str]:
    """Stands in for a job that was not over when its event was written: that one is long gone."""
    hook = TheEyeHook()
    job = hook.run(calls.create_job(sandbox.task_id("endless"), []))
    yield job.id
    hook.cancel(job.id)


@pytest.mark.parametrize("entry", WITH_EVENT)
def test_an_operator_makes_of_the_event_what_that_release_did(entry: dict[str, Any], live_job: str) -> None:
    is_workflow = entry["kwargs"].get("is_workflow")
    operator = (
        TheEyeWorkflowOperator(task_id="t", theeye_workflow_id="0" * 24)
        if is_workflow
        else TheEyeTaskOperator(task_id="t", theeye_task_id="0" * 24)
    )
    wanted = expected(entry)
    assert known_then(made_of(operator, entry, live_job), wanted) == wanted


@pytest.mark.parametrize("entry", WITH_EVENT)
def test_the_sensor_makes_of_the_event_what_an_operator_does(entry: dict[str, Any], live_job: str) -> None:
    wanted = expected(entry)
    made = made_of(TheEyeJobSensor(task_id="t", job_id="0" * 24), entry, live_job)
    assert known_then(made, wanted) == (SENSORS_WORD[wanted] if isinstance(wanted, str) else wanted)


def made_of(resumed: Any, entry: dict[str, Any], live_job: str) -> Any:
    event = entry["event"] if entry["event"]["ended"] else entry["event"] | {"job_id": live_job}
    try:
        return without_address(resumed.execute_complete(context(), event=event))
    except Exception as error:
        return type(error).__name__


def expected(entry: dict[str, Any]) -> Any:
    return entry["error"] if "error" in entry else without_address(entry["result"])


def known_then(made: Any, wanted: Any) -> Any:
    """What is made of an event, without what only later releases tell."""
    if isinstance(wanted, dict) and isinstance(made, dict):
        return {key: known_then(value, wanted[key]) for key, value in made.items() if key in wanted}
    if isinstance(wanted, list) and isinstance(made, list) and len(wanted) == len(made):
        return [known_then(*pair) for pair in zip(made, wanted, strict=True)]
    return made


def without_address(result: dict[str, Any]) -> dict[str, Any]:
    """The result without what is made from the connection, which is another one in each run."""
    steps = [{key: value for key, value in step.items() if key != "url"} for step in result.get("steps", [])]
    return {key: value for key, value in result.items() if key not in {"url", "steps"}} | {"steps": steps}


@pytest.mark.parametrize("entry", [one for one in RECORDED if one not in WITH_EVENT])
def test_an_asset_watcher_of_before_still_watches(entry: dict[str, Any], sandbox: Sandbox) -> None:
    async def told() -> Any:
        events: AsyncIterator[Any] = rebuilt(entry, theeye_task_id=sandbox.task_id("slow")).run()
        waiting = asyncio.ensure_future(anext(events))
        # It tells of what ends after its start.
        await asyncio.sleep(2)
        job = await asyncio.to_thread(TheEyeHook().run, calls.create_job(sandbox.task_id("slow"), []))
        event = await asyncio.wait_for(waiting, A_MINUTE)
        return job.id, event.payload

    job_id, payload = asyncio.run(told())
    assert (payload["job_id"], payload["outcome"]) == (job_id, "succeeded")
