"""``TheEyeJobSensor`` against the sandbox, in both modes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial, partialmethod
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowSensorTimeout,
    AirflowSkipException,
    PokeReturnValue,
    TaskDeferred,
)

from airflow_provider_theeye.api import calls, exchange
from airflow_provider_theeye.exceptions import (
    JobFailed,
    JobOutcomeUnknown,
    TheEyeRefused,
    TheEyeSettingsError,
    TheEyeUnreachable,
)
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.jobs.waiting import End, WaitRules
from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sensors.theeye import TheEyeJobSensor
from airflow_provider_theeye.triggers.searching import TheEyeUnseenJobTrigger
from airflow_provider_theeye.triggers.theeye import JobEvent
from tests.running import MODES, FakeTaskInstance, context, run

pytestmark = pytest.mark.usefixtures("connection")
both_modes = pytest.mark.parametrize("mode", MODES)
sensor = partial(TheEyeJobSensor, task_id="sensor", poll_interval=0.3)


def start(sandbox: Sandbox, key: str, *arguments: Any) -> str:
    return TheEyeHook().run(calls.create_job(sandbox.task_id(key), arguments)).id


@both_modes
def test_waits_for_a_job_of_somebody_else(mode: str, sandbox: Sandbox) -> None:
    job_id = start(sandbox, "greet", "all")
    ti = FakeTaskInstance()
    value = run(partial(sensor, job_id=job_id), mode, context(ti))
    assert (value["job_id"], value["outcome"], value["output"]) == (job_id, "succeeded", ["Hello, all!"])
    assert ti.xcoms == {"job_id": job_id, "url": value["url"], "output": ["Hello, all!"]}


@both_modes
def test_result_is_not_stored_if_nobody_wants_it(mode: str, sandbox: Sandbox) -> None:
    job_id = start(sandbox, "greet", "none")
    ti = FakeTaskInstance()
    value = run(partial(sensor, job_id=job_id, do_xcom_push=False), mode, context(ti))
    assert ti.xcoms == {"job_id": job_id, "url": value["url"]}


@both_modes
def test_waits_for_a_workflow_job(mode: str, sandbox: Sandbox) -> None:
    call = calls.create_workflow_job(sandbox.workflow_id("chain"), ["s"])
    value = run(partial(sensor, job_id=TheEyeHook().run(call).id), mode)
    assert (value["output"], len(value["steps"])) == (["s-1-2-3"], 3)


@both_modes
def test_workflow_of_an_old_version(mode: str, sandbox: Sandbox) -> None:
    call = calls.create_workflow_job(sandbox.workflow_id("old"), [])
    assert run(partial(sensor, job_id=TheEyeHook().run(call).id), mode)["output"] == ["old"]


@both_modes
@pytest.mark.parametrize("failing", ["/demo/job", "/workflows/????????????????????????"])
def test_trouble_with_the_first_look_at_such_a_workflow(mode: str, failing: str, journal: Sandbox) -> None:
    job_id = TheEyeHook().run(calls.create_workflow_job(journal.workflow_id("old"), [])).id
    # More often than the client tries by itself.
    journal.set_faults([{"method": "GET", "path": failing, "do": "status", "status": 503, "times": 6}])
    assert run(partial(sensor, job_id=job_id, timeout=60), mode)["output"] == ["old"]
    assert journal.faults()[0]["fired"] == 6


@pytest.mark.usefixtures("impatient")
def test_a_workflow_that_cannot_be_read_ends_the_wait_as_any_trouble_does(
    journal: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = TheEyeHook().run(calls.create_workflow_job(journal.workflow_id("old"), [])).id
    journal.set_faults([{"method": "GET", "path": f"*/{journal.workflow_id('old')}", "do": "status", "status": 503}])
    make = partial(sensor, job_id=job_id, poll_interval=0.05, poll_failure_tolerance=0)
    with pytest.raises(TheEyeUnreachable, match="lost touch with TheEye while waiting for job"):
        run(make, "sync")
    journal.set_faults([{"method": "GET", "path": f"*/{journal.workflow_id('old')}", "do": "status", "status": 403}])
    for mode in MODES:
        with pytest.raises(TheEyeRefused, match="lost touch with TheEye while waiting for job"):
            run(make, mode)


@both_modes
def test_failed_job_fails_the_sensor(mode: str, sandbox: Sandbox) -> None:
    with pytest.raises(JobFailed, match="disk is full"):
        run(partial(sensor, job_id=start(sandbox, "failing")), mode)


@both_modes
def test_soft_fail_skips(mode: str, sandbox: Sandbox) -> None:
    with pytest.raises(AirflowSkipException):
        run(partial(sensor, job_id="f" * 24, soft_fail=True, timeout=5), mode)
    with pytest.raises(AirflowSkipException, match="disk is full"):
        run(partial(sensor, job_id=start(sandbox, "failing"), soft_fail=True), mode)


@both_modes
def test_timeout_leaves_the_job_alone(mode: str, sandbox: Sandbox) -> None:
    job_id = start(sandbox, "endless")
    with pytest.raises(AirflowSensorTimeout):
        run(partial(sensor, job_id=job_id, timeout=1), mode)
    hook = TheEyeHook()
    assert hook.get_job(job_id).lifecycle == "assigned"
    hook.cancel(job_id)


@both_modes
def test_target_is_enough(mode: str, sandbox: Sandbox) -> None:
    job_id = start(sandbox, "endless")
    ti = FakeTaskInstance()
    value = run(partial(sensor, job_id=job_id, target=["assigned"]), mode, context(ti))
    assert (value["lifecycle"], value["outcome"]) == ("assigned", None)
    assert ti.xcoms == {"job_id": job_id, "url": value["url"]}
    TheEyeHook().cancel(job_id)


@both_modes
def test_target_is_enough_although_the_first_look_fails(mode: str, journal: Sandbox) -> None:
    job_id = TheEyeHook().run(calls.create_workflow_job(journal.workflow_id("slow-chain"), [])).id
    journal.wait(lambda: TheEyeHook().get_job(job_id).lifecycle == "started")
    journal.set_faults([{"method": "GET", "path": "/demo/job", "do": "status", "status": 503, "times": 1}])
    value = run(partial(sensor, job_id=job_id, target=["started"], timeout=60), mode)
    assert (value["lifecycle"], value["outcome"]) == ("started", None)
    TheEyeHook().cancel(job_id)


@both_modes
def test_a_long_log_is_told_whole(
    mode: str, sandbox: Sandbox, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """It does not fit into a trigger's event."""
    job_id = start(sandbox, "chatty")
    with caplog.at_level("INFO"):
        run(partial(sensor, job_id=job_id), mode)
    told = capsys.readouterr().out + caplog.text
    assert "[theeye] line 1 ...." in told
    assert "[theeye] line 9000 ...." in told


@both_modes
def test_unknown_job(mode: str, sandbox: Sandbox) -> None:
    with pytest.raises(JobOutcomeUnknown, match="either there never was such a job, or it was deleted"):
        run(partial(sensor, job_id="f" * 24), mode)


@both_modes
def test_unknown_target(mode: str, sandbox: Sandbox) -> None:
    """Known only when it is rendered."""

    def late(**kwargs: Any) -> TheEyeJobSensor:
        made = sensor(job_id="f" * 24, target="{{ params.target }}", **kwargs)
        made.target = ["asigned"]
        return made

    with pytest.raises(TheEyeSettingsError, match="target 'asigned' is no lifecycle of a job; known are"):
        run(late, mode)


@both_modes
def test_needs_a_token(mode: str, secret_connection: str) -> None:
    with pytest.raises(TheEyeSettingsError, match="has no integration token"):
        run(partial(sensor, job_id="f" * 24, theeye_conn_id=secret_connection), mode)


@both_modes
def test_server_down_when_the_job_is_to_be_read(mode: str, journal: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_theeye.api import exchange

    monkeypatch.setattr(exchange, "LONGEST_WAIT", 0.05)
    job_id = start(journal, "endless")
    journal.set_faults([{"method": "GET", "path": "*/job/*", "do": "status", "status": 503}])
    with pytest.raises(TheEyeUnreachable, match="503"):
        run(partial(sensor, job_id=job_id, target=["assigned"]), mode)
    journal.clear_faults()
    TheEyeHook().cancel(job_id)


def test_job_that_could_not_be_looked_at_is_stored_as_plain_values(journal: Sandbox) -> None:
    journal.set_faults([{"method": "GET", "path": "/demo/job", "do": "status", "status": 503, "times": 1}])
    operator = sensor(job_id="f" * 24, deferrable=True, target=["assigned"], timeout=60)
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context())  # type: ignore[arg-type]
    path, kwargs = deferred.value.trigger.serialize()
    assert path == "airflow_provider_theeye.triggers.searching.TheEyeUnseenJobTrigger"
    assert (kwargs["job_id"], kwargs["targets"]) == ("f" * 24, ["assigned"])
    assert TheEyeUnseenJobTrigger(**json.loads(json.dumps(kwargs))).serialize() == (path, kwargs)


def test_the_link_is_there_while_the_sensor_is_deferred(sandbox: Sandbox) -> None:
    job_id = start(sandbox, "slow")
    ti = FakeTaskInstance()
    with pytest.raises(TaskDeferred):
        sensor(job_id=job_id, deferrable=True).execute(context(ti))  # type: ignore[arg-type]
    assert ti.xcoms == {"job_id": job_id, "url": f"{sandbox.url}/jobs/{job_id}"}


def rescheduled(make: Callable[[], TheEyeJobSensor]) -> PokeReturnValue:
    """Poke as Airflow does it with ``mode="reschedule"``: each time a new sensor, in a new process."""
    for _ in range(60):
        seen = make().poke(context())  # type: ignore[arg-type]
        if seen.is_done:
            return seen
        time.sleep(0.3)
    raise AssertionError("it never came to an end")


def test_reschedule(sandbox: Sandbox) -> None:
    task_job = start(sandbox, "slow")
    assert rescheduled(lambda: sensor(job_id=task_job, mode="reschedule")).xcom_value["outcome"] == "succeeded"
    old_run = TheEyeHook().run(calls.create_workflow_job(sandbox.workflow_id("old"), [])).id
    assert rescheduled(lambda: sensor(job_id=old_run, mode="reschedule")).xcom_value["output"] == ["old"]


def test_reschedule_looks_once_at_what_runs(journal: Sandbox) -> None:
    job_id = TheEyeHook().run(calls.create_workflow_job(journal.workflow_id("slow-chain"), [])).id
    journal.wait(lambda: TheEyeHook().get_job(job_id).lifecycle == "started")
    journal.reset_journal()
    assert not sensor(job_id=job_id, mode="reschedule").poke(context()).is_done  # type: ignore[arg-type]
    assert journal.journal()["requests"]["GET /{customer}/job"] == 2, "the run, and its steps"
    TheEyeHook().cancel(job_id)


@pytest.mark.usefixtures("impatient")
def test_reschedule_with_a_refused_token(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = start(sandbox, "slow")
    value = {**sandbox.airflow_connection(), "password": "revoked"}
    monkeypatch.setenv("AIRFLOW_CONN_THEEYE_DEFAULT", json.dumps(value))
    with pytest.raises(TheEyeRefused):
        rescheduled(lambda: sensor(job_id=job_id, mode="reschedule"))


@both_modes
def test_a_job_that_the_tokens_user_may_not_see(mode: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """TheEye does not list it, and gives no answer at all when it is asked for it."""
    monkeypatch.setattr(exchange, "SILENCE_SECONDS", 0.3)
    monkeypatch.setattr(WaitRules, "__init__", partialmethod(WaitRules.__init__, refusal_seconds=1.0))
    job_id = start(sandbox, "hidden")
    monkeypatch.setenv("AIRFLOW_CONN_THEEYE_DEFAULT", json.dumps(sandbox.airflow_connection("user", timeout=1.2)))
    with pytest.raises(TheEyeRefused, match=rf"does not list job {job_id}.*may not see it.*access list \(acl\).*role"):
        run(partial(sensor, job_id=job_id), mode, context(FakeTaskInstance()))


def test_reschedule_and_a_refusal_for_a_moment(journal: Sandbox) -> None:
    """Each look is made in a process of its own, so this one must find out whether the refusal lasts."""
    job_id = start(journal, "hello")
    fault = {"method": "GET", "path": "/demo/job", "do": "status", "status": 403, "body": "forbidden", "times": 1}
    journal.set_faults([fault])
    assert rescheduled(lambda: sensor(job_id=job_id, mode="reschedule")).xcom_value["job_id"] == job_id


def test_a_second_look_after_a_cut_event_has_a_deadline(sandbox: Sandbox) -> None:
    """The job was restarted between the triggerer's look and the worker's."""
    job_id = start(sandbox, "endless")
    event = JobEvent(job_id, End.OVER, whole=False).to_json()
    for told in ({"deadline": time.time() + 1.0}, {"deadline": None}, {"deadline": time.time() - 60}):
        made = sensor(job_id=job_id, deferrable=True, timeout=2)
        with pytest.raises(AirflowSensorTimeout, match="was not over within timeout"):
            made.execute_complete(context(), event=event | told)
    TheEyeHook().cancel(job_id)
