"""Short jobs of deferrable tasks: they end in the worker, or come back from the triggerer late enough for Airflow."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseOperator, TaskDeferred

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.exceptions import JobDeadlineExceeded, JobFailed, JobNotTaken
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.jobs import deferral
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator, TheEyeWorkflowOperator
from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sensors.theeye import TheEyeJobSensor
from airflow_provider_theeye.triggers.theeye import TheEyeJobTrigger
from tests.running import FakeTaskInstance, context, first_event

pytestmark = pytest.mark.usefixtures("connection")
task = partial(TheEyeTaskOperator, task_id="task", deferrable=True, poll_interval=0.2)
#: What a busy machine needs for a job of a second.
LONG = 60.0


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets how long the worker waits for a new job."""
    return lambda seconds: monkeypatch.setattr(deferral, "PATIENCE", seconds)


def start(sandbox: Sandbox, key: str) -> str:
    return TheEyeHook().run(calls.create_job(sandbox.task_id(key), [])).id


def test_a_short_job_is_not_deferred(patience: Callable[[float], None], sandbox: Sandbox) -> None:
    patience(LONG)
    value = task(theeye_task_id=sandbox.task_id("slow")).execute(context())
    assert (value["lifecycle"], value["outcome"]) == ("finished", "succeeded")


def test_a_short_workflow_job_is_not_deferred(patience: Callable[[float], None], sandbox: Sandbox) -> None:
    patience(LONG)
    operator = TheEyeWorkflowOperator(
        task_id="task",
        theeye_workflow_id=sandbox.workflow_id("chain"),
        task_arguments=["s"],
        deferrable=True,
        poll_interval=0.2,
    )
    assert operator.execute(context())["output"] == ["s-1-2-3"]


def test_a_short_job_that_fails_is_judged_in_the_worker(patience: Callable[[float], None], sandbox: Sandbox) -> None:
    patience(LONG)
    with pytest.raises(JobFailed, match="ValueError: bad"):
        task(theeye_task_id=sandbox.task_id("broken")).execute(context())


def test_a_job_that_goes_on_is_deferred_when_patience_ends(patience: Callable[[float], None], journal: Sandbox) -> None:
    patience(1.0)
    began = time.monotonic()
    operator = task(theeye_task_id=journal.task_id("endless"), poll_interval=60)
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context())
    assert time.monotonic() - began >= 0.9
    assert operator.running is None
    TheEyeHook().cancel(deferred.value.trigger.job_id)


def test_deadlines_hold_before_the_deferral(patience: Callable[[float], None], sandbox: Sandbox) -> None:
    patience(LONG)
    with pytest.raises(JobDeadlineExceeded):
        task(theeye_task_id=sandbox.task_id("endless"), timeout=0.5).execute(context())
    task(theeye_task_id=sandbox.task_id("single"), wait_for_completion=False).execute(context())
    with pytest.raises(JobNotTaken):
        task(theeye_task_id=sandbox.task_id("single"), queue_timeout=0.4).execute(context())


def test_a_task_killed_before_the_deferral_cancels_its_job(patience: Callable[[float], None], journal: Sandbox) -> None:
    patience(LONG)
    operator = task(theeye_task_id=journal.task_id("endless"))

    def execute() -> None:
        with pytest.raises(Exception, match="cancel"):
            operator.execute(context())

    running = threading.Thread(target=execute, daemon=True)
    running.start()
    job_id = journal.wait(lambda: next((i for i, one in journal.journal()["jobs"].items() if one["started"]), None))
    operator.on_kill()
    running.join(LONG)
    assert TheEyeHook().get_job(job_id).is_over


def test_a_sensor_does_not_defer_for_a_short_job(patience: Callable[[float], None], sandbox: Sandbox) -> None:
    patience(LONG)
    sensor = TheEyeJobSensor(task_id="s", job_id=start(sandbox, "slow"), deferrable=True, poll_interval=0.2)
    assert sensor.execute(context())["outcome"] == "succeeded"


def test_a_sensor_does_not_wait_in_the_worker_for_a_job_that_is_not_there(
    patience: Callable[[float], None], sandbox: Sandbox
) -> None:
    patience(LONG)
    sensor = TheEyeJobSensor(task_id="s", theeye_task_name="Greet", since="2100-01-01", deferrable=True)
    began = time.monotonic()
    with pytest.raises(TaskDeferred):
        sensor.execute(context())
    assert time.monotonic() - began < LONG


def test_a_sensors_timeout_counts_from_its_first_look(patience: Callable[[float], None], sandbox: Sandbox) -> None:
    patience(1.0)
    sensor = TheEyeJobSensor(
        task_id="s", job_id=start(sandbox, "endless"), deferrable=True, poll_interval=0.2, timeout=30
    )
    began = time.time()
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute(context())
    assert time.time() - began >= 0.9
    assert deferred.value.trigger.deadline < began + 30.5


def test_a_sensors_timeout_may_end_its_patience(patience: Callable[[float], None], sandbox: Sandbox) -> None:
    patience(10 * LONG)
    sensor = TheEyeJobSensor(
        task_id="s", job_id=start(sandbox, "endless"), deferrable=True, poll_interval=0.2, timeout=1
    )
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute(context())
    assert deferred.value.trigger.deadline <= time.time()


def subjects(sandbox: Sandbox) -> list[BaseOperator]:
    more: dict[str, Any] = {"deferrable": True, "poll_interval": 0.2}
    return [
        TheEyeTaskOperator(task_id="operator", theeye_task_id=sandbox.task_id("slow"), **more),
        TheEyeJobSensor(task_id="sensor", job_id=start(sandbox, "slow"), **more),
        TheEyeJobSensor(task_id="search", theeye_task_id=sandbox.task_id("slow"), since="2020-01-01", **more),
        TheEyeJobSensor(task_id="future", theeye_task_id=sandbox.task_id("slow"), since="2100-01-01", **more),
    ]


def test_every_deferral_says_when_it_may_end(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's setting for how late a supervisor may see its process's end counts, and how slow this machine is."""
    monkeypatch.setenv("AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL", "7")
    ti = FakeTaskInstance()
    for subject in subjects(sandbox):
        before = time.time()
        ti.start_date = datetime.fromtimestamp(before - 30, tz=timezone.utc)
        with pytest.raises(TaskDeferred) as deferred:
            subject.execute(context(ti))
        now = time.time()
        _, kwargs = deferred.value.trigger.serialize()
        assert before + 37 <= kwargs["not_before"] <= now + 37 + now - before, subject.task_id


def in_a_triggerer(trigger: TheEyeJobTrigger) -> Any:
    """What a trigger says that Airflow has given a number."""
    trigger.trigger_id = 1

    async def first() -> Any:
        async for event in trigger.run():
            return event.payload

    return asyncio.run(first())


def test_an_event_is_held_back_while_the_deferral_is_young(sandbox: Sandbox) -> None:
    job_id, earliest = start(sandbox, "hello"), time.time() + 4
    event = in_a_triggerer(TheEyeJobTrigger("theeye_default", job_id, poll_interval=0.2, not_before=earliest))
    assert time.time() >= earliest
    assert event["ended"]["job"]["state"] == "success"


def test_a_result_is_read_before_its_event_is_held_back(sandbox: Sandbox) -> None:
    """The record may be gone by then."""
    job_id = start(sandbox, "hello")
    trigger = TheEyeJobTrigger("theeye_default", job_id, poll_interval=0.2, not_before=time.time() + 8)
    events: list[Any] = []
    waiting = threading.Thread(target=lambda: events.append(in_a_triggerer(trigger)), daemon=True)
    waiting.start()
    sandbox.wait(lambda: TheEyeHook().get_job(job_id).is_over or None)
    time.sleep(3)  # the trigger looks every 0.2 seconds
    sandbox.forget_job(job_id)
    assert not events
    waiting.join(LONG)
    assert [event["end"] for event in events] == ["over"]


@pytest.mark.parametrize("not_before", [None, 1.0])
def test_an_old_deferral_ends_at_once(not_before: float | None, sandbox: Sandbox) -> None:
    job_id = start(sandbox, "hello")
    event = in_a_triggerer(TheEyeJobTrigger("theeye_default", job_id, poll_interval=0.2, not_before=not_before))
    assert event["end"] == "over"


def test_nothing_is_held_back_without_a_scheduler(sandbox: Sandbox) -> None:
    job_id, earliest = start(sandbox, "hello"), time.time() + LONG
    asyncio.run(first_event(TheEyeJobTrigger("theeye_default", job_id, poll_interval=0.2, not_before=earliest)))
    assert time.time() < earliest
