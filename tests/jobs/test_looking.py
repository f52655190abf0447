"""One look, and reading what has ended: which requests they take, and what a missing record means."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_theeye.api.errors import InvalidRequest, NotFound, RouteNotFound, TheEyeError, Unavailable
from airflow_provider_theeye.api.models import Job
from airflow_provider_theeye.jobs.looking import learn, look, look_by_secret
from airflow_provider_theeye.jobs.procedures import Pause, Procedure
from airflow_provider_theeye.jobs.reading import Ended, read_job, read_whole
from airflow_provider_theeye.jobs.waiting import End, JobWatch, WaitRules

from .documents import at, ident, job, recorded, recorded_steps, run
from .fake_server import WORKFLOW, FakeServer

READ, LIST, STEPS = "GET /{customer}/job/{id}", "GET /{customer}/job", "GET /workflows/{workflow}/job/{id}/jobs"


def seen(server: FakeServer, number: int = 1) -> End | None:
    end: End | None = server.carry_out(look(JobWatch(ident(number), WaitRules()), lambda: at(server.seconds)))
    return end


def test_a_task_costs_one_light_request_and_a_workflow_two() -> None:
    server = FakeServer()
    server.create("assigned")
    assert seen(server) is None
    assert server.asked == [LIST]
    server = FakeServer()
    server.create("started", _type="WorkflowJob")
    server.create("assigned", workflow_job_id=ident(1))
    assert seen(server) is None
    assert server.asked == [LIST, LIST]


def test_a_job_that_is_over_is_seen_at_once() -> None:
    server = FakeServer()
    server.create("finished")
    assert seen(server) is End.OVER


def test_a_live_branch_keeps_a_run_alive() -> None:
    server = FakeServer()
    server.create("terminated", _type="WorkflowJob", state="canceled")
    server.create("assigned", workflow_job_id=ident(1))
    assert seen(server) is None


def test_a_job_that_is_missing_from_the_list_is_asked_for() -> None:
    server = FakeServer()
    assert seen(server) is End.GONE
    assert server.asked == [LIST, READ, READ]


def test_a_job_that_is_found_after_all_is_no_loss() -> None:
    server = FakeServer()

    def late(name: str) -> None:
        if server.asked == [LIST, READ, READ]:
            server.create("assigned")

    server.fault = late
    assert seen(server) is None


@pytest.mark.parametrize("number", [1, 2, 3])
def test_trouble_with_any_request_is_fed_to_the_watch(number: int) -> None:
    server = FakeServer()
    watch = JobWatch(ident(1), WaitRules())

    def fault(name: str) -> None:
        if len(server.asked) >= number:
            raise Unavailable("down", status=503)

    server.fault = fault
    assert server.carry_out(look(watch, lambda: at(0.0))) is None
    assert isinstance(watch.error, Unavailable)


# --- without a token ----------------------------------------------------------------------------------------------


def answered(*answers: Any) -> tuple[End | None, Job | None, list[float]]:
    """Drive a look by secret with what TheEye answers."""
    script, pauses = [*answers], []
    procedure: Procedure[Any] = look_by_secret(JobWatch(ident(1), WaitRules(deadline=100)), "secret", lambda: at(100.0))
    try:
        action = next(procedure)
        while True:
            if isinstance(action, Pause):
                pauses.append(action.seconds)
                action = next(procedure)
                continue
            answer = script.pop(0)
            action = procedure.throw(answer) if isinstance(answer, TheEyeError) else procedure.send(answer)
    except StopIteration as end:
        assert not script
        return (*end.value, pauses)


def test_a_long_poll_brings_the_job_with_its_end() -> None:
    over = job(1, "finished")
    assert answered(over) == (End.OVER, over, [])
    assert answered(None) == (End.DEADLINE, None, [])


def test_without_a_token_too_it_takes_two_looks_to_miss_a_record() -> None:
    missing = NotFound("job not found", status=404)
    over = job(1, "finished")
    assert answered(missing, missing) == (End.GONE, None, [1.0])
    assert answered(missing, over) == (End.OVER, over, [1.0])
    assert answered(missing, Unavailable("down", status=503)) == (End.DEADLINE, None, [1.0])
    assert answered(RouteNotFound("/x does not exist", status=404)) == (End.DEADLINE, None, [])


# --- reading ------------------------------------------------------------------------------------------------------


def test_a_workflow_job_is_read_with_its_steps_in_order() -> None:
    server = FakeServer()
    server.create("finished", _type="WorkflowJob", workflow_id=WORKFLOW)
    later = server.create("finished", workflow_job_id=ident(1), creation_date="2026-02-01T00:00:00.000Z")
    sooner = server.create("finished", workflow_job_id=ident(1))
    ended = server.carry_out(read_whole(ident(1)))
    assert [step.id for step in ended.steps] == [sooner["id"], later["id"]]


@pytest.mark.parametrize("reader", [read_job, read_whole])
def test_gone_means_missing_twice(reader: Any) -> None:
    server = FakeServer()
    assert server.carry_out(reader(ident(1))) is None
    assert server.asked == [READ, READ]
    server = FakeServer(missing=frozenset({"/{customer}/job/{id}"}))
    with pytest.raises(RouteNotFound):
        server.carry_out(reader(ident(1)))


@pytest.mark.parametrize("gone", [True, False])
def test_a_run_that_vanishes_between_itself_and_its_steps_is_gone(gone: bool) -> None:
    server = FakeServer()
    row = server.create("finished", _type="WorkflowJob", workflow_id=WORKFLOW)

    def fault(name: str) -> None:
        if name == STEPS:
            if gone:
                server.rows.clear()
            raise NotFound("job not found", status=404)

    server.fault = fault
    if gone:
        assert server.carry_out(read_whole(row["id"])) is None
    else:
        with pytest.raises(NotFound):
            server.carry_out(read_whole(row["id"]))


def test_a_refusal_of_the_steps_is_an_error() -> None:
    server = FakeServer()
    row = server.create("finished", _type="WorkflowJob", workflow_id=WORKFLOW)

    def fault(name: str) -> None:
        if name == STEPS:
            raise InvalidRequest("workflow job is invalid", status=400)

    server.fault = fault
    with pytest.raises(InvalidRequest):
        server.carry_out(read_whole(row["id"]))


def test_what_the_triggerer_sends_holds_no_secret_and_loses_nothing() -> None:
    secret = job(1, "finished", secret="s3cret", env={"TOKEN": "s3cret"}, output=["a"])
    whole = Ended(recorded("workflow-done"), (*recorded_steps(), recorded("silent-agent"), secret))
    text = json.dumps(whole.document())
    assert "s3cret" not in text
    again = Ended.parse(json.loads(text))
    assert again.document() == whole.document()
    assert [step.result for step in again.steps] == [step.result for step in whole.steps]
    assert [(step.id, step.output, step.seconds) for step in again.steps] == [
        (step.id, step.output, step.seconds) for step in whole.steps
    ]
    assert Ended.parse(Ended(run(1)).document()) == Ended(run(1))


# --- whether a workflow job ends by itself ------------------------------------------------------------------------

WORKFLOW_READ = "GET /workflows/{workflow}"


class OldWorkflow(FakeServer):
    """Its workflow is of version 1."""

    def _answer(self, call: Any) -> Any:
        if call.template == "/workflows/{workflow}":
            return {"id": WORKFLOW, "version": 1}
        return super()._answer(call)


def test_the_workflow_is_asked_for_once_and_only_while_its_job_lives() -> None:
    server = OldWorkflow()
    server.create("started", _type="WorkflowJob", workflow_id=WORKFLOW)
    watch = JobWatch(ident(1), WaitRules(), ends_itself=None)
    for _ in range(2):
        assert server.carry_out(look(watch, lambda: at(0.0))) is None
    assert watch.ends_itself is False
    assert server.asked.count(WORKFLOW_READ) == 1

    server = OldWorkflow()
    server.create("finished", _type="WorkflowJob", workflow_id=WORKFLOW)
    assert server.carry_out(look(JobWatch(ident(1), WaitRules(), ends_itself=None), lambda: at(0.0))) is End.OVER
    server.create("ready")
    assert server.carry_out(look(JobWatch(ident(2), WaitRules(), ends_itself=None), lambda: at(0.0))) is None
    assert WORKFLOW_READ not in server.asked


@pytest.mark.parametrize("seen", [False, True])
def test_a_workflow_that_cannot_be_read_is_trouble_like_any_other(seen: bool) -> None:
    server = OldWorkflow()
    server.create("started", _type="WorkflowJob", workflow_id=WORKFLOW)
    watch = JobWatch(ident(1), WaitRules(max_failures=2, failure_seconds=0.0), ends_itself=None)
    if seen:
        watch.workflow_id = WORKFLOW

    def fault(name: str) -> None:
        if name == WORKFLOW_READ:
            raise Unavailable("down", status=503)

    def once_more(now: float) -> End | None:
        end: End | None = server.carry_out((learn if seen else look)(watch, lambda: at(now)))
        return end

    server.fault = fault
    assert [once_more(now) for now in (0.0, 1.0, 2.0)] == [None, None, End.UNREACHABLE]
    server.fault = lambda name: None
    assert once_more(3.0) is None
    assert (watch.ends_itself, watch.error) == (False, None)
