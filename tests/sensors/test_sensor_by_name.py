"""``TheEyeJobSensor`` finds the job that it waits for, in both modes."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from datetime import datetime, timedelta, timezone
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout, TaskDeferred

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.models import Job
from airflow_provider_theeye.exceptions import JobFailed, TheEyeRefused, TheEyeSettingsError, TheEyeUnreachable
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sensors.theeye import TheEyeJobSensor
from airflow_provider_theeye.triggers.searching import TheEyeJobSearchTrigger
from tests.running import MODES, FakeTaskInstance, context, first_event, run

pytestmark = pytest.mark.usefixtures("connection")
both_modes = pytest.mark.parametrize("mode", MODES)
sensor = partial(TheEyeJobSensor, task_id="sensor", poll_interval=0.3)


def start(sandbox: Sandbox, key: str, *arguments: Any, **options: Any) -> Job:
    return TheEyeHook().run(calls.create_job(sandbox.task_id(key), arguments, **options))


def just_before(job: Job) -> str:
    """A time at which that job and its successors count, and older ones of other tests do not."""
    return job.created or ""


def since_now() -> dict[str, Any]:
    """The context of a run whose data interval begins now."""
    return {**context(), "data_interval_start": datetime.now(timezone.utc)}


@both_modes
@pytest.mark.parametrize(("pick", "expected"), [("last", "Hello, three!"), ("first", "Hello, two!")])
def test_picks_among_the_jobs_since(mode: str, pick: str, expected: str, sandbox: Sandbox) -> None:
    start(sandbox, "greet", "one")
    time.sleep(0.01)
    second = start(sandbox, "greet", "two")
    time.sleep(0.01)
    start(sandbox, "greet", "three")
    make = partial(sensor, theeye_task_id=sandbox.task_id("greet"), since=just_before(second), pick=pick)
    assert run(make, mode)["output"] == [expected]


@both_modes
def test_waits_until_there_is_a_job(mode: str, sandbox: Sandbox) -> None:
    started: list[Job] = []
    later = threading.Timer(1.2, lambda: started.append(start(sandbox, "greet", "late")))
    later.start()
    ti = FakeTaskInstance()
    make = partial(sensor, theeye_task_name="Greet", timeout=20)
    value = run(make, mode, {**since_now(), "ti": ti})
    later.join()
    assert (value["job_id"], value["output"]) == (started[0].id, ["Hello, late!"])
    assert ti.xcoms["job_id"] == started[0].id


def test_document_that_is_too_large_for_an_event(sandbox: Sandbox) -> None:
    """The worker fetches it, which takes the id of the job that the triggerer found."""
    later = threading.Timer(1.0, lambda: start(sandbox, "big"))
    later.start()
    value = run(partial(sensor, theeye_task_name="Big Output", timeout=30), "deferrable", since_now())
    later.join()
    assert len(value["output"][0]) == 400_000


@both_modes
def test_workflow_by_name(mode: str, sandbox: Sandbox) -> None:
    job = TheEyeHook().run(calls.create_workflow_job(sandbox.workflow_id("chain"), ["n"]))
    value = run(partial(sensor, theeye_workflow_name="Chain", since=just_before(job)), mode)
    assert (value["job_id"], value["output"], len(value["steps"])) == (job.id, ["n-1-2-3"], 3)


@both_modes
def test_workflow_of_an_old_version_that_starts_later(mode: str, sandbox: Sandbox) -> None:
    """Its workflow job never ends by itself; whoever waits must know before there is one."""
    create = calls.create_workflow_job(sandbox.workflow_id("old"), [])
    later = threading.Timer(0.8, lambda: TheEyeHook().run(create))
    later.start()
    value = run(partial(sensor, theeye_workflow_id=sandbox.workflow_id("old"), timeout=30), mode, since_now())
    later.join()
    assert value["output"] == ["old"]


@both_modes
def test_name_and_host(mode: str, sandbox: Sandbox) -> None:
    job = start(sandbox, "ip-b")
    make = partial(sensor, theeye_task_name="Get IP Address", theeye_host="host-b", since=just_before(job))
    assert run(make, mode)["output"] == ["127.0.0.2"]
    with pytest.raises(TheEyeSettingsError, match="2 tasks fit the name"):
        run(partial(sensor, theeye_task_name="Get IP Address", since=just_before(job)), mode)


@both_modes
def test_held_job_is_not_waited_for(mode: str, sandbox: Sandbox) -> None:
    job = start(sandbox, "greet", "held")
    time.sleep(0.01)
    held = start(sandbox, "greet", "never", held=True)
    assert run(partial(sensor, theeye_task_name="Greet", since=just_before(job)), mode)["job_id"] == job.id
    TheEyeHook().cancel(held.id)


@both_modes
def test_no_job_in_time(mode: str, sandbox: Sandbox) -> None:
    with pytest.raises(AirflowSensorTimeout, match=r"there was no job of task 'Greet'|timed out"):
        run(partial(sensor, theeye_task_name="Greet", timeout=1), mode, since_now())


@both_modes
def test_failed_job_fails_the_sensor(mode: str, sandbox: Sandbox) -> None:
    job = start(sandbox, "failing")
    with pytest.raises(JobFailed, match="disk is full"):
        run(partial(sensor, theeye_task_name="Failing", since=just_before(job)), mode)


@both_modes
def test_default_is_the_data_interval_then_the_dag_run(mode: str, sandbox: Sandbox) -> None:
    old = start(sandbox, "greet", "old")
    moment = datetime.fromisoformat((old.created or "").replace("Z", "+00:00"))
    make = partial(sensor, theeye_task_name="Greet", timeout=1)
    dag_run = SimpleNamespace(start_date=moment - timedelta(milliseconds=1))
    after = moment + timedelta(milliseconds=1)
    assert run(make, mode, {**context(), "dag_run": dag_run})["job_id"] == old.id
    with pytest.raises(AirflowSensorTimeout):
        run(make, mode, {**context(), "dag_run": dag_run, "data_interval_start": after})
    with pytest.raises(TheEyeSettingsError, match="since must be a time"):
        run(make, mode)


@both_modes
@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"theeye_task_id": "{{ wrong }}"}, "theeye_task_id must be an id of TheEye"),
        ({"theeye_workflow_id": "{{ wrong }}"}, "theeye_workflow_id must be an id of TheEye"),
        ({"theeye_task_name": "Greet", "since": "{{ wrong }}"}, "since must be a time in ISO 8601"),
        ({"theeye_task_name": "Nobody"}, "has no task with the name 'Nobody'"),
        ({"theeye_workflow_name": "Nobody"}, "has no workflow with the name 'Nobody' that this token may see"),
    ],
)
def test_what_is_wrong_is_said_at_once(mode: str, kwargs: dict[str, Any], message: str, sandbox: Sandbox) -> None:
    with pytest.raises(TheEyeSettingsError, match=message):
        run(partial(sensor, **kwargs), mode, since_now())


@both_modes
@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [(403, TheEyeRefused, "GET /demo/task"), (503, TheEyeUnreachable, "GET /demo/task")],
)
def test_look_up_that_fails(mode: str, status: int, kind: type[Exception], message: str, journal: Sandbox) -> None:
    journal.set_faults([{"method": "GET", "path": "*/task", "do": "status", "status": status}])
    with pytest.raises(kind, match=message):
        run(partial(sensor, theeye_task_name="Greet"), mode, since_now())


@both_modes
@pytest.mark.usefixtures("impatient")
def test_search_survives_an_outage(mode: str, journal: Sandbox) -> None:
    job = start(journal, "greet", "through")
    journal.set_faults([{"method": "GET", "path": "*/job", "do": "status", "status": 503, "times": 2}])
    assert run(partial(sensor, theeye_task_name="Greet", since=just_before(job)), mode)["job_id"] == job.id
    journal.set_faults([{"method": "GET", "path": "*/job", "do": "status", "status": 403}])
    with pytest.raises(TheEyeRefused, match="lost touch with TheEye while waiting for job of task 'Greet'"):
        run(partial(sensor, theeye_task_name="Greet", since=just_before(job)), mode)


def test_trigger_is_stored_as_plain_values(sandbox: Sandbox) -> None:
    operator = sensor(theeye_task_name="Greet", deferrable=True, since="2100-01-01", target=["assigned"], timeout=60)
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context())  # type: ignore[arg-type]
    path, kwargs = deferred.value.trigger.serialize()
    assert path == "airflow_provider_theeye.triggers.searching.TheEyeJobSearchTrigger"
    assert kwargs == {
        "theeye_conn_id": "theeye_default",
        "server": sandbox.url,
        "organization": "demo",
        "theeye_id": sandbox.task_id("greet"),
        "is_workflow": False,
        "since": "2100-01-01T00:00:00.000Z",
        "pick": "last",
        "poll_interval": 0.3,
        "deadline": kwargs["deadline"],
        "not_before": kwargs["not_before"],
        "failure_seconds": 600.0,
        "targets": ["assigned"],
        "ends_itself": True,
    }
    assert kwargs["deadline"] == pytest.approx(time.time() + 60, abs=5)
    assert TheEyeJobSearchTrigger(**json.loads(json.dumps(kwargs))).serialize() == (path, kwargs)


def test_version_of_a_workflow_is_left_to_the_triggerer(sandbox: Sandbox) -> None:
    operator = sensor(theeye_workflow_id=sandbox.workflow_id("old"), deferrable=True, since="2100-01-01")
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context())  # type: ignore[arg-type]
    path, kwargs = deferred.value.trigger.serialize()
    assert kwargs["ends_itself"] is None
    assert TheEyeJobSearchTrigger(**json.loads(json.dumps(kwargs))).serialize() == (path, kwargs)


def test_deadline_counts_for_search_and_wait_together(sandbox: Sandbox) -> None:
    job = start(sandbox, "endless")
    began = time.time()
    event = asyncio.run(
        first_event(
            TheEyeJobSearchTrigger(
                "theeye_default", job.task_id or "", False, just_before(job), "last", 0.3, deadline=began + 1.5
            )
        )
    )
    assert (event["end"], event["job_id"]) == ("deadline", job.id)
    assert time.time() - began < 4
    TheEyeHook().cancel(job.id)
