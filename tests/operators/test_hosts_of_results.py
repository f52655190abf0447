"""The result names the host that a job ran on: the same on every way that a result can come."""

from __future__ import annotations

from functools import partial

import pytest

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator, TheEyeWorkflowOperator
from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sensors.theeye import TheEyeJobSensor
from tests.running import MODES, FakeStore, FakeTaskInstance, context, run

pytestmark = pytest.mark.usefixtures("connection")
both_modes = pytest.mark.parametrize("mode", MODES)
task = partial(TheEyeTaskOperator, task_id="task", poll_interval=0.3)
sensor = partial(TheEyeJobSensor, task_id="sensor", poll_interval=0.3)


@both_modes
@pytest.mark.parametrize("host", ["host-a", "host-b"])
def test_one_task_on_two_hosts(mode: str, host: str, sandbox: Sandbox) -> None:
    make = partial(task, theeye_task_name="Get IP Address", theeye_host=host)
    store = FakeStore()
    value = run(make, mode, context(FakeTaskInstance(1, 1), store))
    assert value["host"] == host
    again = run(make, mode, context(FakeTaskInstance(2, 1), store))
    assert again == value, "taken up by a retry"
    assert run(partial(sensor, job_id=value["job_id"]), mode)["host"] == host
    reached = run(partial(sensor, job_id=value["job_id"], target=["assigned"]), mode)
    assert reached["host"] == host


@both_modes
def test_by_id_and_without_waiting(mode: str, sandbox: Sandbox) -> None:
    make = partial(task, theeye_task_id=sandbox.task_id("ip-b"))
    assert run(make, mode)["host"] == "host-b"
    assert run(partial(make, wait_for_completion=False), mode)["host"] == "host-b"


@both_modes
def test_each_step_of_a_workflow_job(mode: str, sandbox: Sandbox) -> None:
    make = partial(
        TheEyeWorkflowOperator, task_id="w", poll_interval=0.3, theeye_workflow_id=sandbox.workflow_id("fork")
    )
    value = run(make, mode)
    hosts = {step["name"].rpartition(" ")[2]: step["host"] for step in value["steps"]}
    assert hosts == {"t1": "host-a", "t2": "host-a", "t3": "host-b"}
    assert value["host"] == "host-b"
    assert run(partial(sensor, job_id=value["job_id"]), mode) == value


@both_modes
def test_what_has_no_host_names_none(mode: str, sandbox: Sandbox) -> None:
    hook = TheEyeHook()
    job = hook.run(calls.create_job(sandbox.task_id("approve"), []))
    hook.approve(job.id)
    assert run(partial(sensor, job_id=job.id), mode)["host"] is None


@both_modes
def test_without_a_token_the_host_is_not_known(mode: str, sandbox: Sandbox, secret_connection: str) -> None:
    make = partial(task, theeye_task_id=sandbox.task_id("hello"), theeye_conn_id=secret_connection)
    assert run(make, mode)["host"] is None


@both_modes
def test_a_host_that_cannot_be_looked_up_fails_nothing(mode: str, journal: Sandbox) -> None:
    job = TheEyeHook().run(calls.create_job(journal.task_id("hello"), []))
    journal.set_faults([{"method": "GET", "path": "*/task*", "do": "status", "status": 503}])
    value = run(partial(sensor, job_id=job.id), mode)
    assert (value["outcome"], value["host"]) == ("succeeded", None)
    requests = journal.journal()["requests"]
    assert sum(number for route, number in requests.items() if "/task" in route) <= 1, "asked for once"
