"""Submitting exactly once: each answer lost, each refusal, each kind of server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.errors import (
    InvalidRequest,
    NoAnswer,
    NotFound,
)
from airflow_provider_theeye.api.models import Job
from airflow_provider_theeye.jobs.submission import (
    HoldingNotSupported,
    NothingStarted,
    Order,
    SubmissionUnclear,
    release,
    submit,
    tidy,
)

from .documents import ident
from .fake_server import ATTEMPTS, TASK, WORKFLOW, FakeServer, Try, into, lost

HELD = Order(TASK, ["a"])
RUN = Order(WORKFLOW, ["a"], is_workflow=True)
RELEASE, HOLD = "/job/{id}/synced", "/job/{id}/hold"


# --- held ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [HELD, RUN, replace(HELD, secret="s"), replace(RUN, secret="s")])
def test_created_held_then_remembered_then_released(order: Order) -> None:
    server = FakeServer()
    lifecycles: list[str] = []

    def remember(job: Job) -> bool:
        lifecycles.append(server.rows[job.id]["lifecycle"])
        return True

    procedure = submit(order, remember)
    job = server.carry_out(procedure)
    assert lifecycles == ["syncing"]
    assert (job.lifecycle, job.is_workflow) == ("ready", order.is_workflow)
    assert [name for name in server.asked if name.startswith("P")][-1] == f"PUT {RELEASE}"
    assert server.finish() == 1
    assert server.live() == []


@pytest.mark.parametrize("order", [HELD, RUN])
@pytest.mark.parametrize("effect", [False, True])
@pytest.mark.parametrize("name", ["/job", RELEASE])
def test_a_lost_answer_is_repeated_without_fear(order: Order, effect: bool, name: str) -> None:
    server = FakeServer()
    server.fault = lost(name=name, effect=effect)
    made = Try(server, order)
    assert server.finish() == 1
    assert server.rows[made.job.id]["lifecycle"] == "finished"
    assert [job.id for job in made.remembered] == [made.job.id]


@pytest.mark.parametrize("lifecycle", ["ready", "assigned", "finished", "terminated"])
def test_a_refused_release_of_a_job_that_runs_or_ran_is_fine(lifecycle: str) -> None:
    server = FakeServer()
    row = server.create("syncing")
    held = Job.parse(row)
    row["lifecycle"] = lifecycle
    assert server.carry_out(release(held))
    assert row["lifecycle"] == lifecycle


@pytest.mark.parametrize("lifecycle", ["onhold", "canceled"])
def test_a_job_that_was_tidied_away_is_given_up_and_replaced(lifecycle: str) -> None:
    server = FakeServer()
    pending = [lifecycle]

    def tidied(name: str) -> None:
        if name.endswith(RELEASE) and pending:
            next(iter(server.rows.values()))["lifecycle"] = pending.pop()

    server.fault = tidied
    made = Try(server, HELD)
    assert [job.id for job in made.remembered] == [ident(1), ident(2)]
    assert made.job.id == ident(2)
    assert server.rows[ident(1)]["lifecycle"] == "canceled"
    assert server.finish() == 1


def test_a_job_that_somebody_let_run_before_it_could_be_given_up_is_not_replaced() -> None:
    server = FakeServer()
    row = server.create("syncing")
    held = Job.parse(row)
    row["lifecycle"] = "onhold"

    def forwarded(name: str) -> None:
        if name == "PUT /{customer}/job/{id}/cancel" and row["lifecycle"] == "onhold":
            row["lifecycle"] = "ready"
            server.take()

    server.fault = forwarded
    assert server.carry_out(release(held))
    assert (row["lifecycle"], row["state"]) == ("terminated", "canceled")


def test_a_job_that_cannot_be_given_up_is_not_replaced() -> None:
    server = FakeServer()
    row = server.create("onhold")
    server._cancel = lambda row: None  # type: ignore[method-assign]
    with pytest.raises(SubmissionUnclear, match="could not be cancelled"):
        server.carry_out(release(Job.parse(row | {"lifecycle": "syncing"})))


def test_a_record_that_is_gone_before_its_release_is_known_may_have_run() -> None:
    server = FakeServer()

    def ran_and_deleted(name: str) -> None:
        if name.endswith(RELEASE):
            server.rows.clear()

    server.fault = ran_and_deleted
    with pytest.raises(SubmissionUnclear, match="it may have run"):
        Try(server, HELD)
    assert server.asked.count("POST /job") == 1


def test_a_job_that_is_found_again_is_judged_by_what_it_is() -> None:
    server = FakeServer()
    row = server.create("syncing")

    def hiding(name: str) -> None:
        if name.endswith(RELEASE):
            raise NotFound("404 page not found", status=404)

    server.fault = hiding
    with pytest.raises(NotFound):
        server.carry_out(release(Job.parse(row)))
    row["lifecycle"] = "assigned"
    assert server.carry_out(release(Job.parse(row | {"lifecycle": "syncing"})))


def test_jobs_taken_away_again_and_again_end_in_an_error() -> None:
    server = FakeServer()

    def tidied(name: str) -> None:
        if name.endswith(RELEASE):
            for row in server.rows.values():
                row["lifecycle"] = "canceled"

    server.fault = tidied
    with pytest.raises(NothingStarted, match="3 held jobs in a row"):
        Try(server, HELD)
    assert server.finish() == 0


@pytest.mark.parametrize("missing", [{RELEASE}, {RELEASE, HOLD}])
def test_a_server_without_the_release_says_so_and_nothing_ran(missing: set[str]) -> None:
    server = FakeServer(missing=frozenset(missing))
    with pytest.raises(HoldingNotSupported):
        Try(server, HELD)
    assert server.finish() == 0
    if HOLD not in missing:
        assert server.live() == []


@pytest.mark.parametrize("order", [HELD, RUN])
def test_a_server_that_ignores_holding_has_started_it_already(order: Order) -> None:
    server = FakeServer(knows_holding=False)
    made = Try(server, order)
    assert [job.id for job in made.remembered] == [made.job.id]
    assert f"PUT {RELEASE}" not in server.asked
    assert server.finish() == 1


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_gateway_out_of_reach_for_a_moment_is_asked_again(times: int) -> None:
    server = FakeServer()
    hiccups = [InvalidRequest("Invalid members. [bot]", status=400) for _ in range(times)]

    def hiccup(name: str) -> None:
        if name == "POST /job" and hiccups:
            raise hiccups.pop()

    server.fault = hiccup
    Try(server, HELD)
    assert server.finish() == 1


def test_a_gateway_that_stays_out_of_reach_has_started_nothing() -> None:
    """So Airflow may try again, unlike after a refusal."""
    server = FakeServer()

    def out_of_reach(name: str) -> None:
        raise InvalidRequest("Invalid members. [bot]", status=400)

    server.fault = out_of_reach
    with pytest.raises(NothingStarted, match=r"gateway is in trouble.*Invalid members"):
        Try(server, HELD)
    assert server.finish() == 0


def test_a_refusal_is_not_asked_again() -> None:
    server = FakeServer()

    def refused(name: str) -> None:
        raise InvalidRequest("Invalid Task Arguments. An array of length 2 is required.", status=400)

    server.fault = refused
    with pytest.raises(InvalidRequest):
        Try(server, HELD)
    assert server.asked == ["POST /job"]


def test_an_unknown_refusal_of_the_release_is_no_success() -> None:
    server = FakeServer()
    row = server.create("syncing")

    def refused(name: str) -> None:
        raise InvalidRequest("job id is invalid", status=400)

    server.fault = refused
    with pytest.raises(InvalidRequest, match="job id is invalid"):
        server.carry_out(release(Job.parse(row)))


def test_a_server_that_stays_away_leaves_a_job_that_the_next_try_finds() -> None:
    server = FakeServer()
    server.fault = lost(name=RELEASE, times=ATTEMPTS)
    remembered: list[Job] = []
    with pytest.raises(NoAnswer):
        server.carry_out(submit(HELD, into(remembered)))
    assert server.finish() == 0
    assert server.carry_out(release(remembered[0]))
    assert server.finish() == 1


def test_a_workflow_job_without_a_first_step_is_no_success() -> None:
    server = FakeServer()
    run = Job.parse(server.create("syncing", _type="WorkflowJob", workflow_id=WORKFLOW))
    with pytest.raises(SubmissionUnclear, match="does not run"):
        server.carry_out(release(run))


def test_a_first_step_that_comes_late_is_waited_for() -> None:
    server = FakeServer()
    run = Job.parse(server.create("syncing", _type="WorkflowJob", workflow_id=WORKFLOW))
    looks = iter(range(3))

    def late(name: str) -> None:
        if name == "GET /{customer}/job" and next(looks, None) == 2:
            server.create("syncing", workflow_job_id=run.id, workflow_id=WORKFLOW)

    server.fault = late
    assert server.carry_out(release(run))
    assert server.finish() == 1


# --- tidying ------------------------------------------------------------------------------------------------------


def tidied(server: FakeServer, order: Order = HELD) -> list[str]:
    job = Try(server, order).job
    gone: list[str] = server.carry_out(tidy(order, job))
    assert server.rows[job.id]["lifecycle"] != "canceled"
    return gone


def test_a_workflow_job_on_hold_has_its_first_step_released() -> None:
    """It stands behind an earlier run, which the server says instead of syncing."""
    server = FakeServer()
    run = server.once(next(submit(RUN, lambda job: True)))
    server.rows[run.id]["lifecycle"] = "onhold"
    server.finish()
    assert server.live() != []
    assert server.carry_out(release(Job.parse(server.rows[run.id])))
    assert server.finish() == 1
    assert server.live() == []


def test_a_workflow_job_on_hold_without_steps_is_left_to_itself() -> None:
    server = FakeServer()
    row = server.create("onhold", _type="WorkflowJob", workflow_id=WORKFLOW)
    assert server.carry_out(release(Job.parse(row)))


def test_a_workflow_job_whose_first_step_was_tidied_away_is_given_up() -> None:
    server = FakeServer()
    run = server.once(next(submit(RUN, lambda job: True)))
    held = Job.parse(server.rows[run.id])
    (step,) = server.steps(run.id)
    step.update(lifecycle="canceled", state="canceled")
    assert not server.carry_out(release(held))


def test_old_held_jobs_of_ours_are_given_up() -> None:
    server = FakeServer()
    orphan = server.create("syncing")
    server.seconds += 700
    assert tidied(server) == [orphan["id"]]
    assert orphan["lifecycle"] == "canceled"
    assert server.finish() == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"user_id": ident(701)},
        {"task_id": ident(501)},
        {"lifecycle": "onhold"},
        {"lifecycle": "ready"},
        {"user_id": None},
    ],
)
def test_what_is_not_ours_or_not_held_is_left_alone(fields: dict[str, Any]) -> None:
    server = FakeServer()
    other = server.create(**{"lifecycle": "syncing", **fields})
    server.seconds += 700
    before = dict(other)
    assert tidied(server) == []
    assert other == before


def test_young_held_jobs_are_left_alone() -> None:
    server = FakeServer()
    young = server.create("syncing")
    server.seconds += 290
    assert tidied(server) == []
    assert young["lifecycle"] == "syncing"


def test_of_a_held_workflow_job_the_step_is_given_up() -> None:
    server = FakeServer()
    server.once(calls.create_workflow_job(WORKFLOW, ["a"], held=True))
    server.seconds += 700
    assert tidied(server, RUN) == [ident(2)]
    assert server.rows[ident(1)]["lifecycle"] == "canceled"


@pytest.mark.parametrize("fields", [{"user_id": None}, {"creation_date": None}, {"creation_date": "yesterday"}])
def test_without_user_or_time_nothing_is_touched(fields: dict[str, Any]) -> None:
    server = FakeServer()
    job = Job.parse(server.create() | fields)
    asked = len(server.asked)
    assert server.carry_out(tidy(HELD, job)) == []
    assert len(server.asked) == asked
