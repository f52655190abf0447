"""A job that failed need not fail the task: the same in both modes, for tasks and workflows, and for the sensor."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowSkipException

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.decorators.theeye import theeye_task
from airflow_provider_theeye.exceptions import (
    JobDeadlineExceeded,
    JobFailed,
    JobNeverStarted,
    JobOutcomeUnknown,
    JobStuck,
)
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.jobs.resume import Generation, Record, Records
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator, TheEyeWorkflowOperator
from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sensors.theeye import TheEyeJobSensor
from tests.running import MODES, FakeStore, FakeTaskInstance, context, run

pytestmark = pytest.mark.usefixtures("connection")
both_modes = pytest.mark.parametrize("mode", MODES)
task = partial(TheEyeTaskOperator, task_id="task", poll_interval=0.3)
workflow = partial(TheEyeWorkflowOperator, task_id="workflow", poll_interval=0.3)
sensor = partial(TheEyeJobSensor, task_id="sensor", poll_interval=0.3)


def ended(sandbox: Sandbox, key: str) -> str:
    """A job that somebody else started, and that is over."""
    hook = TheEyeHook()
    job_id = hook.run(calls.create_job(sandbox.task_id(key), [])).id
    sandbox.wait(lambda: hook.get_job(job_id).is_over)
    return job_id


@both_modes
@pytest.mark.parametrize(
    ("key", "outcome", "code"), [("broken", "failed", 3), ("failing", "failed", 1), ("says-canceled", "cancelled", 0)]
)
def test_the_result_of_a_failed_job_is_returned(
    mode: str, key: str, outcome: str, code: int, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    ti = FakeTaskInstance()
    value = run(partial(task, theeye_task_id=sandbox.task_id(key), on_failed_job="return"), mode, context(ti))
    assert (value["outcome"], value["exit_code"], value["lifecycle"] in ("finished", "terminated")) == (
        outcome,
        code,
        True,
    )
    assert ti.xcoms == {"job_id": value["job_id"], "url": value["url"], "output": value["output"]}
    by_sensor = run(partial(sensor, job_id=value["job_id"], on_failed_job="return"), mode)
    assert by_sensor == value


@both_modes
def test_a_failed_job_skips_the_task(mode: str, sandbox: Sandbox) -> None:
    make = partial(task, theeye_task_id=sandbox.task_id("failing"), on_failed_job="skip")
    with pytest.raises(AirflowSkipException, match=r"TheEye job \w{24} .* failed .*: its script reported a failure"):
        run(make, mode)
    with pytest.raises(AirflowSkipException, match=r"The task is skipped \(on_failed_job='skip'\)"):
        run(partial(sensor, job_id=ended(sandbox, "failing"), on_failed_job="skip"), mode)


@both_modes
@pytest.mark.parametrize("codes", [3, [3], (0, 3), {1, 3}, range(1, 4)])
@pytest.mark.parametrize("otherwise", ["fail", "return"])
def test_an_exit_code_skips_the_task(mode: str, codes: Any, otherwise: str, sandbox: Sandbox) -> None:
    options = {"skip_on_exit_code": codes, "on_failed_job": otherwise}
    with pytest.raises(AirflowSkipException, match=r"exit code 3\. The task is skipped \(skip_on_exit_code\)"):
        run(partial(task, theeye_task_id=sandbox.task_id("broken"), **options), mode)


@both_modes
def test_another_exit_code_does_not(mode: str, sandbox: Sandbox) -> None:
    with pytest.raises(JobFailed):
        run(partial(task, theeye_task_id=sandbox.task_id("broken"), skip_on_exit_code=[2, 99]), mode)
    job_id = ended(sandbox, "broken")
    with pytest.raises(JobFailed):
        run(partial(sensor, job_id=job_id, skip_on_exit_code=[2, 99]), mode)
    with pytest.raises(AirflowSkipException):
        run(partial(sensor, job_id=job_id, skip_on_exit_code=3), mode)


@both_modes
def test_a_failed_workflow_job(mode: str, sandbox: Sandbox) -> None:
    make = partial(workflow, theeye_workflow_id=sandbox.workflow_id("exit-code-chain"))
    value = run(partial(make, on_failed_job="return"), mode)
    assert (value["outcome"], value["exit_code"], value["lastline"]) == ("failed", 3, "no disk left")
    assert [step["outcome"] for step in value["steps"]] == ["succeeded", "failed", "succeeded"]
    with pytest.raises(AirflowSkipException):
        run(partial(make, on_failed_job="skip"), mode)
    with pytest.raises(AirflowSkipException):
        run(partial(make, skip_on_exit_code=3), mode)
    with pytest.raises(JobFailed):
        run(partial(make, skip_on_exit_code=4), mode)


@both_modes
@pytest.mark.parametrize("wanted", ["skip", "return"])
def test_what_is_no_failure_of_a_job_fails_all_the_same(mode: str, wanted: str, sandbox: Sandbox) -> None:
    make = partial(task, on_failed_job=wanted)
    with pytest.raises(JobDeadlineExceeded):
        run(partial(make, theeye_task_id=sandbox.task_id("endless"), timeout=1), mode)
    with pytest.raises(JobStuck):
        run(partial(workflow, theeye_workflow_id=sandbox.workflow_id("stuck"), on_failed_job=wanted), mode)
    with pytest.raises(JobOutcomeUnknown):
        run(partial(sensor, job_id="0" * 24, on_failed_job=wanted), mode)
    dead = TheEyeHook().run(calls.create_job(sandbox.task_id("fixed"), ["x"])).id
    with pytest.raises(JobNeverStarted, match="the sensor starts no job"):
        run(partial(sensor, job_id=dead, on_failed_job=wanted), mode)


@both_modes
def test_what_is_not_known_may_be_skipped_by_soft_fail(mode: str, sandbox: Sandbox) -> None:
    soft = partial(sensor, soft_fail=True, on_failed_job="return")
    with pytest.raises(AirflowSkipException, match=r"skipped instead of failed|soft_fail"):
        run(partial(soft, job_id="0" * 24), mode)
    assert run(partial(soft, job_id=ended(sandbox, "broken")), mode)["outcome"] == "failed"


@both_modes
@pytest.mark.parametrize(
    ("options", "skipped"),
    [({"on_failed_job": "return"}, False), ({"on_failed_job": "skip"}, True), ({"skip_on_exit_code": 3}, True)],
)
def test_a_retry_takes_the_end_that_a_lost_worker_did_not_see(
    mode: str, options: dict[str, Any], skipped: bool, journal: Sandbox
) -> None:
    job_id = ended(journal, "broken")
    store = FakeStore()
    store.values["theeye_job"] = Records((Record(job_id, 1e9, Generation(1, 0)),)).to_json()
    make = partial(task, theeye_task_id=journal.task_id("broken"), **options)
    if skipped:
        with pytest.raises(AirflowSkipException, match=job_id):
            run(make, mode, context(FakeTaskInstance(2, 1), store))
    else:
        assert run(make, mode, context(FakeTaskInstance(2, 1), store))["job_id"] == job_id
    assert journal.journal()["totals"]["created"] == 1


def test_the_decorator_knows_both(sandbox: Sandbox) -> None:
    def no_arguments() -> list[Any]:
        return []

    def made(**options: Any) -> Any:
        with DAG("decorated", schedule=None):
            return theeye_task(no_arguments, theeye_task_name="Broken", poll_interval=0.3, **options)().operator

    assert made(on_failed_job="return").execute({**context()})["exit_code"] == 3
    with pytest.raises(AirflowSkipException):
        made(skip_on_exit_code=3).execute({**context()})


@pytest.mark.parametrize("kind", [task, sensor, workflow])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_failed_job": "ignore"}, "on_failed_job must be one of fail, skip, return, not 'ignore'"),
        ({"on_failed_job": None}, "on_failed_job must be one of"),
        ({"skip_on_exit_code": "99"}, "skip_on_exit_code must be an exit code or a collection of them, not '99'"),
        ({"skip_on_exit_code": ["99"]}, "skip_on_exit_code must be"),
        ({"skip_on_exit_code": True}, "skip_on_exit_code must be"),
        ({"skip_on_exit_code": 1.5}, "skip_on_exit_code must be"),
        ({"skip_on_exit_code": [1, None]}, "skip_on_exit_code must be"),
    ],
)
def test_what_cannot_be_is_refused_when_the_dag_is_parsed(kind: Any, options: dict[str, Any], message: str) -> None:
    subject = {
        TheEyeTaskOperator: "theeye_task_id",
        TheEyeJobSensor: "job_id",
        TheEyeWorkflowOperator: "theeye_workflow_id",
    }[kind.func]
    with pytest.raises(ValueError, match=re.escape(message)):
        kind(**{subject: "0" * 24}, **options)


@both_modes
@pytest.mark.parametrize(
    ("subject", "try_number", "says"),
    [
        ("id", 1, r"The next try \(2 of 2\) looks at the same job again"),
        ("id", 2, r"No retry is left \(try 2 of 2\); clearing the task looks at the same job again"),
        ("name", 2, r"clearing the task looks for the last job of task 'Broken' again"),
    ],
)
def test_a_failed_sensor_promises_no_new_job(
    mode: str, subject: str, try_number: int, says: str, sandbox: Sandbox
) -> None:
    job_id = ended(sandbox, "broken")
    since = TheEyeHook().get_job(job_id).created
    which = {"job_id": job_id} if subject == "id" else {"theeye_task_name": "Broken", "since": since}
    with pytest.raises(JobFailed, match=says) as failure:
        run(partial(sensor, **which), mode, context(FakeTaskInstance(try_number, 1)))
    assert "starts a new job" not in str(failure.value)
