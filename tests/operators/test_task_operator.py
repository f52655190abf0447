"""``TheEyeTaskOperator`` against the sandbox, in both modes."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_theeye.api.errors import NoAnswer
from airflow_provider_theeye.exceptions import (
    JobCancelled,
    JobDeadlineExceeded,
    JobFailed,
    JobNotTaken,
    JobTimedOut,
    ResultTooLarge,
    TheEyeUnreachable,
)
from airflow_provider_theeye.hooks import orders
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator
from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.triggers.theeye import MAX_EVENT_BYTES, TheEyeJobTrigger
from tests.running import MODES, FakeStore, FakeTaskInstance, context, first_event, run

pytestmark = pytest.mark.usefixtures("connection")
task = partial(TheEyeTaskOperator, task_id="task", poll_interval=0.3)
both_modes = pytest.mark.parametrize("mode", MODES)


@both_modes
def test_result_goes_to_xcom(mode: str, journal: Sandbox) -> None:
    ti = FakeTaskInstance()
    value = run(partial(task, theeye_task_name="Greet", task_arguments=["World"]), mode, context(ti))
    job_id = value["job_id"]
    assert value == {
        "job_id": job_id,
        "name": "Greet",
        "lifecycle": "finished",
        "state": "success",
        "outcome": "succeeded",
        "output": ["Hello, World!"],
        "exit_code": 0,
        "lastline": '{"state":"success","data":["Hello, World!"]}',
        "host": "host-a",
        "server": journal.url,
        "organization": "demo",
        "url": f"{journal.url}/jobs/{job_id}",
    }
    assert ti.xcoms == {"job_id": job_id, "url": value["url"], "output": ["Hello, World!"]}
    assert journal.journal()["jobs"][job_id]["started"] == 1


@both_modes
def test_a_job_takes_few_requests(mode: str, journal: Sandbox) -> None:
    run(partial(task, theeye_task_id=journal.task_id("hello")), mode)
    requests = journal.journal()["requests"]
    polls = requests.pop("GET /{customer}/job")
    assert requests == {
        # A deferred task goes on in another process, which asks for the name of the host.
        "GET /{customer}/task/{id}": 2 if mode == "deferrable" else 1,
        "POST /job": 1,
        "PUT /job/{id}/synced": 1,
        "GET /{customer}/job/{id}": 1,
    }
    assert polls <= 5


@both_modes
@pytest.mark.parametrize("key", ["broken", "failing"])
def test_failed_script_fails_the_task(mode: str, key: str, sandbox: Sandbox) -> None:
    with pytest.raises(JobFailed) as failure:
        run(partial(task, theeye_task_id=sandbox.task_id(key)), mode, context(FakeTaskInstance(1, 2)))
    text = str(failure.value)
    assert failure.value.job_id in text
    assert {"broken": "ValueError: bad", "failing": "disk is full"}[key] in text
    assert "The next try (2 of 3) starts a new job." in text
    assert not isinstance(failure.value, AirflowFailException)


@both_modes
def test_exit_code_may_be_ignored(mode: str, sandbox: Sandbox) -> None:
    value = run(partial(task, theeye_task_id=sandbox.task_id("broken"), fail_on_exit_code=False), mode)
    assert (value["outcome"], value["exit_code"]) == ("succeeded", 3)


@both_modes
def test_limit_of_the_task_is_told_from_ours(mode: str, sandbox: Sandbox) -> None:
    with pytest.raises(JobTimedOut, match="stopped it at the task's time limit"):
        run(partial(task, theeye_task_id=sandbox.task_id("limited")), mode)


@both_modes
def test_script_that_says_canceled(mode: str, sandbox: Sandbox) -> None:
    with pytest.raises(JobCancelled, match="its script said that it is canceled"):
        run(partial(task, theeye_task_id=sandbox.task_id("says-canceled")), mode)


@both_modes
def test_timeout_cancels_the_job(mode: str, sandbox: Sandbox) -> None:
    with pytest.raises(JobDeadlineExceeded, match="It is now terminated/canceled") as failure:
        run(partial(task, theeye_task_id=sandbox.task_id("endless"), timeout=1), mode)
    assert TheEyeHook().get_job(failure.value.job_id).lifecycle == "terminated"


@both_modes
def test_timeout_may_leave_the_job_running(mode: str, sandbox: Sandbox) -> None:
    with pytest.raises(JobDeadlineExceeded, match="left running") as failure:
        run(partial(task, theeye_task_id=sandbox.task_id("endless"), timeout=1, cancel_on_timeout=False), mode)
    hook = TheEyeHook()
    assert hook.get_job(failure.value.job_id).lifecycle == "assigned"
    hook.cancel(failure.value.job_id)


@both_modes
def test_job_that_no_host_takes(mode: str, sandbox: Sandbox) -> None:
    """With multitasking off the second job waits for the first."""
    first = run(partial(task, theeye_task_id=sandbox.task_id("single"), wait_for_completion=False), "sync")
    with pytest.raises(JobNotTaken, match=r"within queue_timeout .* It is now canceled/canceled"):
        run(partial(task, theeye_task_id=sandbox.task_id("single"), queue_timeout=0.4), mode)
    assert first["lifecycle"] == "ready"
    assert first["outcome"] is None


def test_started_without_waiting_is_not_waited_for(sandbox: Sandbox) -> None:
    value = run(partial(task, theeye_task_id=sandbox.task_id("slow"), wait_for_completion=False), "deferrable")
    assert (value["lifecycle"], value["outcome"]) == ("ready", None)


@both_modes
def test_arguments_arrive_as_they_were_given(mode: str, sandbox: Sandbox) -> None:
    given: list[Any] = [{"value": 1, "x": [None, True]}, 0]
    value = run(partial(task, theeye_task_id=sandbox.task_id("echo"), task_arguments=given), mode)
    job = TheEyeHook().get_job(value["job_id"])
    assert job.arguments == ('{"value":1,"x":[null,true]}', "0")


@both_modes
def test_fixed_argument_is_not_given(mode: str, sandbox: Sandbox) -> None:
    value = run(partial(task, theeye_task_id=sandbox.task_id("fixed"), task_arguments=["mine"]), mode)
    assert value["output"] == ["FIXED", "mine"]


@both_modes
def test_dummy_is_over_at_once(mode: str, sandbox: Sandbox) -> None:
    value = run(partial(task, theeye_task_id=sandbox.task_id("form"), task_arguments=["given"]), mode)
    assert (value["outcome"], value["output"]) == ("succeeded", ["given"])


@both_modes
def test_notification_needs_no_host(mode: str, sandbox: Sandbox) -> None:
    value = run(partial(task, theeye_task_id=sandbox.task_id("notify"), task_arguments=["subject", "body"]), mode)
    assert value["outcome"] == "succeeded"


@pytest.mark.parametrize(("map_index", "warned"), [(-1, False), (4, False), (5, True)])
def test_mapped_instances_beyond_the_jobs_that_are_kept(
    map_index: int, warned: bool, sandbox: Sandbox, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    ti = FakeTaskInstance()
    ti.map_index = map_index
    run(partial(task, theeye_task_name="Greet", task_arguments=["World"]), "sync", context(ti))
    said = capsys.readouterr().out + caplog.text
    assert ("keeps only the newest 5 jobs" in said) is warned


@both_modes
def test_large_document_is_fetched_by_the_worker(mode: str, sandbox: Sandbox) -> None:
    value = run(partial(task, theeye_task_id=sandbox.task_id("big")), mode)
    assert len(value["output"][0]) == 400_000


def test_a_long_log_does_not_lose_the_outcome(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """The record may be gone before the worker comes to fetch what did not fit into the event."""
    job = TheEyeHook().start_task(sandbox.task_id("chatty"))
    sandbox.wait(lambda: TheEyeHook().get_job(job.id).is_over)
    event = asyncio.run(first_event(TheEyeJobTrigger("theeye_default", job.id, poll_interval=0.2)))
    assert len(json.dumps(event)) < MAX_EVENT_BYTES
    sandbox.forget_job(job.id)
    made = task(theeye_task_id=sandbox.task_id("chatty"), on_missing="resubmit")
    value = made.execute_complete(context(), event)
    assert (value["job_id"], value["output"]) == (job.id, ["done"])


def test_a_result_that_came_with_the_event_is_not_lost_with_a_look_up(
    journal: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: Any
) -> None:
    from airflow_provider_theeye.api import exchange

    monkeypatch.setattr(exchange, "LONGEST_WAIT", 0.05)
    job = TheEyeHook().start_task(journal.task_id("chatty"))
    journal.wait(lambda: TheEyeHook().get_job(job.id).is_over)
    event = asyncio.run(first_event(TheEyeJobTrigger("theeye_default", job.id, poll_interval=0.2)))
    journal.set_faults([{"method": "GET", "path": "*", "do": "status", "status": 503}])
    value = task(theeye_task_id=journal.task_id("chatty")).execute_complete(context(), event)
    assert (value["job_id"], value["output"]) == (job.id, ["done"])
    assert "its log is not whole" in capsys.readouterr().out + caplog.text


@both_modes
def test_output_that_is_too_large_is_refused_not_cut(mode: str, sandbox: Sandbox) -> None:
    with pytest.raises(ResultTooLarge, match="max_xcom_bytes is 1000"):
        run(partial(task, theeye_task_id=sandbox.task_id("big"), max_xcom_bytes=1000), mode)


@both_modes
def test_result_that_nobody_wants_may_be_of_any_size(mode: str, sandbox: Sandbox) -> None:
    ti = FakeTaskInstance()
    options = {"do_xcom_push": False, "max_xcom_bytes": 1000}
    value = run(partial(task, theeye_task_id=sandbox.task_id("big"), **options), mode, context(ti))
    assert ti.xcoms == {"job_id": value["job_id"], "url": value["url"]}


@both_modes
def test_secret_alone_starts_and_waits(
    mode: str, sandbox: Sandbox, secret_connection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_secret = partial(task, theeye_conn_id=secret_connection)
    value = run(partial(by_secret, theeye_task_id=sandbox.task_id("greet"), task_arguments=["you"]), mode)
    assert value["output"] == ["Hello, you!"]
    with pytest.raises(JobFailed, match="ValueError: bad"):
        run(partial(by_secret, theeye_task_id=sandbox.task_id("broken")), mode)


@both_modes
def test_secret_alone_and_a_document_that_is_too_large_for_an_event(
    mode: str, sandbox: Sandbox, secret_connection: str
) -> None:
    value = run(partial(task, theeye_conn_id=secret_connection, theeye_task_id=sandbox.task_id("big")), mode)
    assert len(value["output"][0]) == 400000


@both_modes
def test_secret_alone_and_a_timeout(mode: str, sandbox: Sandbox, secret_connection: str) -> None:
    make = partial(task, theeye_conn_id=secret_connection, theeye_task_id=sandbox.task_id("endless"), timeout=1)
    with pytest.raises(JobDeadlineExceeded, match="left running: cancelling needs an integration token") as caught:
        run(make, mode)
    TheEyeHook().cancel(caught.value.job_id or "")


@both_modes
def test_trouble_while_the_workflow_is_looked_up_leaves_its_job_alone(
    mode: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(operator: Any) -> dict[str, Any]:
        raise NoAnswer("the server is away")

    monkeypatch.setattr(TheEyeTaskOperator, "watch_options", unreachable)
    with pytest.raises(TheEyeUnreachable, match=r"the server is away.*The job was left alone") as caught:
        run(partial(task, theeye_task_id=sandbox.task_id("slow")), mode)
    assert not TheEyeHook().get_job(caught.value.job_id or "").is_over


def test_the_link_is_there_although_the_release_fails(sandbox: Sandbox) -> None:
    ti = FakeTaskInstance()
    sandbox.set_faults([{"method": "PUT", "path": "*/synced", "do": "status", "status": 403}])
    with pytest.raises(AirflowFailException):
        run(partial(task, theeye_task_id=sandbox.task_id("hello")), "sync", context(ti))
    sandbox.clear_faults()
    assert ti.xcoms["url"].endswith(f"/jobs/{ti.xcoms['job_id']}")


def test_secret_with_a_token_is_held_and_released(journal: Sandbox) -> None:
    value = run(partial(task, theeye_task_id=journal.task_id("hello"), auth="secret"), "sync")
    requests = journal.journal()["requests"]
    assert value["outcome"] == "succeeded"
    assert requests["POST /task/{id}/secret/{secret}/job"] == 1
    assert requests["PUT /job/{id}/synced"] == 1


def test_secret_given_to_the_operator(sandbox: Sandbox) -> None:
    secret = sandbox.task_secret("greet")
    make = partial(task, theeye_task_id=sandbox.task_id("greet"), task_arguments=["x"], secret=secret)
    assert run(make, "sync")["output"] == ["Hello, x!"]


def test_secret_given_to_the_operator_is_masked(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    masked: list[str] = []
    monkeypatch.setattr(orders, "mask_secret", masked.append)
    secret = sandbox.task_secret("hello")
    run(partial(task, theeye_task_id=sandbox.task_id("hello"), secret=secret), "sync")
    assert masked == [secret]


def test_a_job_that_runs_is_not_lost_with_its_link(journal: Sandbox) -> None:
    """Started directly, it runs before its id is known; a retry would start another one beside it."""

    class Deaf(FakeTaskInstance):
        def xcom_push(self, key: str, value: Any) -> None:
            if key == "job_id":
                raise ConnectionError("Airflow does not listen")

    make = partial(task, theeye_task_id=journal.task_id("hello"))
    assert run(partial(make, submission="direct"), "sync", context(Deaf()))["outcome"] == "succeeded"
    with pytest.raises(ConnectionError):
        run(make, "sync", context(Deaf()))
    assert journal.journal()["totals"]["started"] == 1


@pytest.mark.parametrize("remembers", [True, False])
def test_what_is_said_of_the_next_try_is_what_it_will_do(remembers: bool, sandbox: Sandbox) -> None:
    make = partial(task, theeye_task_id=sandbox.task_id("endless"), timeout=1, cancel_on_timeout=False)
    expected = "starts a new job if this one is over by then" if remembers else "starts a new job, whatever became of"
    with pytest.raises(JobDeadlineExceeded, match=expected) as late:
        run(make, "sync", context(FakeTaskInstance(1, 1), FakeStore() if remembers else None))
    TheEyeHook().cancel(late.value.job_id or "")
