"""Each call about tasks and jobs, over a real socket, by both clients."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.errors import Forbidden, InvalidRequest, NotFound, Unavailable
from airflow_provider_theeye.api.models import Job
from airflow_provider_theeye.api.settings import ServerSettings
from airflow_provider_theeye.sandbox import Sandbox
from tests.api.drivers import AsyncDriver

MISSING = "0123456789abcdef01234567"
UntilOver = Callable[[Any, str], Job]


# --- tasks --------------------------------------------------------------------------------------------------------


def test_all_tasks(client: Any, sandbox: Sandbox) -> None:
    tasks = {task.id: task for task in client.run(calls.list_tasks())}
    assert sandbox.task_id("foreign") not in tasks
    assert tasks[sandbox.task_id("hello")].name == "Hello World"
    assert tasks[sandbox.task_id("limited")].timeout == 1.0
    assert tasks[sandbox.task_id("hello")].timeout is None
    assert tasks[sandbox.task_id("hello")].hostname == "host-a"
    assert not tasks[sandbox.task_id("single")].multitasking
    assert [a.label for a in tasks[sandbox.task_id("echo")].arguments] == ["first", "second"]
    assert any(task.workflow_id == sandbox.workflow_id("chain") for task in tasks.values())


def test_tasks_by_name_and_host(client: Any, sandbox: Sandbox) -> None:
    named = client.run(calls.list_tasks(name="Get IP Address"))
    assert {task.id for task in named} == {sandbox.task_id("ip-a"), sandbox.task_id("ip-b")}
    host = next(task.host_id for task in named if task.hostname == "host-b")
    assert [t.id for t in client.run(calls.list_tasks(name="Get IP Address", host_id=host))] == [
        sandbox.task_id("ip-b")
    ]
    assert client.run(calls.list_tasks(name="get ip address")) == []


def test_tasks_by_ids_workflow_and_limit(client: Any, sandbox: Sandbox) -> None:
    ids = [sandbox.task_id("hello"), sandbox.task_id("greet"), MISSING]
    assert {task.id for task in client.run(calls.list_tasks(ids=ids))} == set(ids[:2])
    steps = client.run(calls.list_tasks(workflow_id=sandbox.workflow_id("chain")))
    assert {step.workflow_id for step in steps} == {sandbox.workflow_id("chain")}
    assert len(steps) == 3
    assert len(client.run(calls.list_tasks(limit=2))) == 2


def test_one_task(client: Any, sandbox: Sandbox) -> None:
    task = client.run(calls.get_task(sandbox.task_id("fixed")))
    assert [(a.kind, a.is_fixed, a.value) for a in task.arguments] == [("fixed", True, "FIXED"), ("input", False, None)]
    assert client.run(calls.get_task(sandbox.task_id("approve"))).can_be_held is False
    assert client.run(calls.get_task(sandbox.task_id("ask"))).user_inputs is True
    with pytest.raises(NotFound):
        client.run(calls.get_task(sandbox.task_id("foreign")))


# --- jobs: creating and reading -----------------------------------------------------------------------------------


def test_a_job_by_token(client: Any, sandbox: Sandbox, until_over: UntilOver) -> None:
    made = client.run(calls.create_job(sandbox.task_id("greet"), ["World"]))
    assert (made.lifecycle, made.state, made.origin, made.organization) == ("ready", "in_progress", "user", "demo")
    assert made.hostname == "host-a"
    assert made.secret
    job = until_over(client, made.id)
    assert (job.lifecycle, job.state, job.task_id) == ("finished", "success", sandbox.task_id("greet"))
    assert job.output == ["Hello, World!"]
    assert job.arguments == ("World",)
    assert job.result is not None
    assert (job.result.code, job.result.killed, job.result.has_log) == (0, False, True)
    assert "greeting World" in job.result.log
    assert job.seconds is not None


@pytest.mark.parametrize("make", [calls.create_job_by_secret, calls.create_job_by_secret_alone])
def test_a_job_by_secret_needs_no_token(
    connect: Any,
    settings: Callable[..., ServerSettings],
    sandbox: Sandbox,
    client: Any,
    make: Any,
    until_over: UntilOver,
) -> None:
    keyed = connect(settings(token=None))
    made = keyed.run(make(sandbox.task_id("echo"), sandbox.task_secret("echo"), ["a", {"b": 1}]))
    assert (made.origin, made.organization, made.user_id) == ("secret", "demo", None)
    assert until_over(client, made.id).arguments == ("a", '{"b":1}')
    with pytest.raises(Forbidden, match="invalid secret"):
        keyed.run(make(sandbox.task_id("echo"), sandbox.task_secret("hello"), ["a", "b"]))


@pytest.mark.parametrize("way", ["token", "secret", "secret alone"])
def test_a_held_job_waits_for_its_release(
    client: Any, journal: Sandbox, sandbox: Sandbox, way: str, until_over: UntilOver
) -> None:
    task, secret = sandbox.task_id("hello"), sandbox.task_secret("hello")
    call = {
        "token": calls.create_job(task, [], held=True),
        "secret": calls.create_job_by_secret(task, secret, [], held=True),
        "secret alone": calls.create_job_by_secret_alone(task, secret, [], held=True),
    }[way]
    assert call.repeatable
    made = client.run(call)
    assert made.is_held
    client.idle(0.3)
    assert client.run(calls.get_job(made.id)).lifecycle == "syncing"
    assert journal.journal()["jobs"][made.id]["started"] == 0
    assert client.run(calls.release_job(made.id)) is None
    assert until_over(client, made.id).state == "success"
    with pytest.raises(InvalidRequest, match=r"must be syncing\. finished is set"):
        client.run(calls.release_job(made.id))


def test_a_job_that_could_not_be_built_comes_back_dead(client: Any, sandbox: Sandbox) -> None:
    made = client.run(calls.create_job(sandbox.task_id("fixed"), ["only one"]))
    assert (made.lifecycle, made.state) == ("terminated", "error")


def test_jobs_and_workflow_jobs_and_missing_ones_in_one_list(client: Any, sandbox: Sandbox) -> None:
    job = client.run(calls.create_job(sandbox.task_id("hello"), [], held=True))
    run = client.run(calls.create_workflow_job(sandbox.workflow_id("chain"), ["x"], held=True))
    rows = {row.id: row for row in client.run(calls.get_jobs([job.id, MISSING, run.id]))}
    assert set(rows) == {job.id, run.id}
    assert rows[run.id].is_workflow
    assert not rows[job.id].is_workflow
    assert rows[job.id].result is None
    steps = client.run(calls.get_steps_of([run.id, MISSING]))
    assert [(step.workflow_job_id, step.is_held) for step in steps] == [(run.id, True)]


@pytest.mark.parametrize("call", [calls.get_jobs, calls.get_steps_of])
def test_the_largest_list_fits_into_a_request(client: Any, sandbox: Sandbox, call: Any) -> None:
    job = client.run(calls.create_job(sandbox.task_id("hello"), [], held=True))
    ids = [f"{n:024x}" for n in range(calls.MAX_IDS - 1)]
    assert [row.id for row in client.run(calls.get_jobs([*ids, job.id]))] == [job.id]
    assert client.run(call([*ids, MISSING])) == []


def test_nothing_is_sent_for_a_list_that_the_server_would_choke_on(client: Any, journal: Sandbox) -> None:
    for ids in ([], ["not an id"], [MISSING, "../task"], [MISSING] * (calls.MAX_IDS + 1)):
        with pytest.raises(InvalidRequest):
            client.run(calls.get_jobs(ids))
    with pytest.raises(InvalidRequest, match="at least one filter"):
        client.run(calls.find_jobs(limit=3))
    assert journal.journal()["totals"]["requests"] == 0


def test_finding_jobs(client: Any, sandbox: Sandbox) -> None:
    begin = (datetime.now(timezone.utc) - timedelta(milliseconds=5)).isoformat().replace("+00:00", "Z")
    task = sandbox.task_id("echo")
    one = client.run(calls.create_job(task, ["find", "me"], held=True))
    two = client.run(calls.create_job(task, ["find", "{customer}"], held=True))
    run = client.run(calls.create_workflow_job(sandbox.workflow_id("chain"), ["x"], held=True))

    def found(**filters: Any) -> list[str]:
        return [job.id for job in client.run(calls.find_jobs(**filters))]

    assert found(task_id=task, created_since=begin) == [two.id, one.id]
    assert found(task_id=task, created_since=begin, arguments=["find", "me"]) == [one.id]
    assert found(task_id=task, created_since=begin, arguments=["find", "{customer}"]) == [two.id]
    assert found(task_id=task, created_since=begin, lifecycle="ready") == []
    assert found(task_id=task, user_id=one.user_id, lifecycle="syncing", limit=1) == [two.id]
    assert found(task_id=task, user_id=MISSING) == []
    assert run.id in found(workflow_id=sandbox.workflow_id("chain"), created_since=begin)
    assert found(changed_since="2999-01-01T00:00:00Z") == []
    client.run(calls.release_job(one.id))
    assert found(task_id=task, changed_since=begin, lifecycle="syncing") == [two.id]


# --- jobs: changing -----------------------------------------------------------------------------------------------


def test_cancelling_what_is_ready_or_on_hold(client: Any, sandbox: Sandbox) -> None:
    job = client.run(calls.create_job(sandbox.task_id("hello"), [], held=True))
    assert client.run(calls.cancel_job(job.id)) is None
    assert client.run(calls.get_job(job.id)).lifecycle == "syncing"
    assert client.run(calls.hold_job(job.id)) is None
    assert client.run(calls.get_job(job.id)).lifecycle == "onhold"
    client.run(calls.cancel_job(job.id))
    over = client.run(calls.get_job(job.id))
    assert (over.lifecycle, over.state) == ("canceled", "canceled")
    assert over.result is not None
    assert over.result.user == "integration@demo.example.org"
    assert client.run(calls.cancel_job(job.id)) is None
    with pytest.raises(NotFound):
        client.run(calls.cancel_job(MISSING))


def test_input_for_a_job_on_hold(client: Any, sandbox: Sandbox, until_over: UntilOver) -> None:
    secret = sandbox.task_secret("ask")
    job = client.run(calls.create_job_by_secret(sandbox.task_id("ask"), secret, ["thrown away"]))
    assert job.lifecycle == "onhold"
    assert client.run(calls.submit_input(job.id, ["forty-two"])) is None
    assert until_over(client, job.id).output == ["forty-two"]
    with pytest.raises(InvalidRequest):
        client.run(calls.submit_input(job.id, ["again"]))


@pytest.mark.parametrize(("decide", "state"), [(calls.approve, "success"), (calls.reject, "failure")])
def test_approvals(client: Any, sandbox: Sandbox, connect: Any, settings: Any, decide: Any, state: str) -> None:
    job = client.run(calls.create_job(sandbox.task_id("approve"), []))
    assert (job.kind, job.lifecycle) == ("ApprovalJob", "onhold")
    whole = client.run(calls.get_job(job.id))
    assert len(whole.approvers) == 2
    with pytest.raises(Forbidden, match="unauthorized approver"):
        connect(settings("user")).run(decide(job.id))
    assert client.run(decide(job.id)) is None
    over = client.run(calls.get_job(job.id))
    assert (over.lifecycle, over.state) == ("finished", state)


# --- the long poll ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "state"), [("slow", "success"), ("failing", "failure")])
def test_the_long_poll_gives_the_whole_job(client: Any, sandbox: Sandbox, key: str, state: str) -> None:
    made = client.run(calls.create_job_by_secret(sandbox.task_id(key), sandbox.task_secret(key), []))
    assert made.secret
    job = client.run(calls.await_result_by_secret(made.id, made.secret))
    assert job is not None
    assert (job.id, job.state) == (made.id, state)
    assert job.result is not None
    assert job.result.has_log


def test_the_long_poll_that_is_not_answered_in_time(
    sandbox: Sandbox, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Takes the 10 s that are the shortest time of TheEye, so one client does for both."""
    monkeypatch.setattr(calls, "LONG_POLL_SECONDS", 1)
    client = AsyncDriver(settings())
    made = client.run(calls.create_job(sandbox.task_id("hello"), [], held=True))
    assert client.run(calls.await_result_by_secret(made.id, made.secret or "")) is None
    client.close()


def test_not_in_time_is_told_from_a_proxy_that_gave_up(client: Any, journal: Sandbox) -> None:
    made = client.run(calls.create_job(journal.task_id("hello"), [], held=True))
    rule = {"path": "/job/*/result", "do": "status", "status": 408, "body": "Request Timeout"}
    journal.set_faults([rule])
    assert client.run(calls.await_result_by_secret(made.id, made.secret), attempts=1) is None
    journal.set_faults([rule | {"do": "html"}])
    with pytest.raises(Unavailable, match="no JSON"):
        client.run(calls.await_result_by_secret(made.id, made.secret), attempts=1)


def test_a_long_poll_tells_a_failed_job_from_a_failing_server(client: Any, journal: Sandbox) -> None:
    made = client.run(calls.create_job(journal.task_id("hello"), [], held=True))
    with pytest.raises(Forbidden):
        client.run(calls.await_result_by_secret(made.id, "f" * 64))
    gateway_down = {"code": "Internal", "message": "Error: connect ECONNREFUSED"}
    bodies: tuple[Any, ...] = ("Internal Server Error", gateway_down, [], None)
    for body in bodies:
        journal.set_faults([{"path": "/job/*/result", "do": "status", "status": 500, "body": body}])
        with pytest.raises(Unavailable) as caught:
            client.run(calls.await_result_by_secret(made.id, made.secret), attempts=1)
        assert caught.value.status == 500
