"""Nothing is left running, and what could not be stopped is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_theeye.api.errors import Conflict, Forbidden, NoAnswer, NotFound, RouteNotFound, TheEyeError
from airflow_provider_theeye.jobs.cancelling import cancel

from .documents import ident
from .fake_server import WORKFLOW, FakeServer, lost

CANCEL, HOLD = "PUT /{customer}/job/{id}/cancel", "PUT /job/{id}/hold"


def cancelled(server: FakeServer, row: dict[str, Any]) -> Any:
    return server.carry_out(cancel(row["id"], is_workflow=row["_type"] == "WorkflowJob"))


def with_steps(server: FakeServer, *lifecycles: str, run: str = "started") -> dict[str, Any]:
    row = server.create(run, _type="WorkflowJob", workflow_id=WORKFLOW)
    for lifecycle in lifecycles:
        server.create(lifecycle, workflow_job_id=row["id"], workflow_id=WORKFLOW)
    return row


def on(name: str, do: Callable[[], None]) -> Callable[[str], TheEyeError | None]:
    """Do something just before the first request of this name."""
    pending = [do]

    def fault(asked: str) -> None:
        if asked == name and pending:
            pending.pop()()

    return fault


@pytest.mark.parametrize(
    ("lifecycle", "after", "asked"),
    [
        ("ready", "canceled", [CANCEL]),
        ("onhold", "canceled", [CANCEL]),
        ("assigned", "terminated", [CANCEL]),
        ("syncing", "canceled", [HOLD, CANCEL]),
        ("finished", "finished", []),
        ("terminated", "terminated", []),
        ("canceled", "canceled", []),
    ],
)
def test_a_job_is_cancelled_from_each_lifecycle(lifecycle: str, after: str, asked: list[str]) -> None:
    server = FakeServer()
    job = cancelled(server, server.create(lifecycle))
    assert (job.lifecycle, job.is_over) == (after, True)
    assert [name for name in server.asked if name.startswith("PUT")] == asked


def test_a_refused_cancel_is_seen_although_it_was_answered_well() -> None:
    server = FakeServer()
    job = cancelled(server, server.create("locked"))
    assert not job.is_over


def test_a_job_that_is_released_meanwhile_is_cancelled_all_the_same() -> None:
    server = FakeServer()
    row = server.create("assigned")
    server.fault = on(CANCEL, lambda: row.update(lifecycle="syncing"))
    assert cancelled(server, row).lifecycle == "canceled"


@pytest.mark.parametrize("effect", [False, True])
def test_lost_answers_are_asked_again(effect: bool) -> None:
    server = FakeServer()
    server.fault = lost(name="/cancel", effect=effect)
    assert cancelled(server, server.create("assigned")).lifecycle == "terminated"


def test_a_record_that_is_missing_twice_is_gone() -> None:
    server = FakeServer()
    row = server.create()
    server.rows.clear()
    assert cancelled(server, row) is None
    assert server.asked == ["GET /{customer}/job/{id}"] * 2
    assert server.seconds >= 1


def test_a_record_that_is_missing_once_is_cancelled() -> None:
    server = FakeServer()
    missing = [NotFound("404 page not found", status=404)]

    def fault(name: str) -> None:
        if missing:
            raise missing.pop()

    server.fault = fault
    assert cancelled(server, server.create("assigned")).lifecycle == "terminated"


def test_a_record_that_goes_while_it_is_cancelled_is_gone() -> None:
    server = FakeServer()
    row = server.create("assigned")
    server.fault = on(CANCEL, server.rows.clear)
    assert cancelled(server, row) is None


def test_a_server_without_the_route_is_an_error() -> None:
    server = FakeServer(missing=frozenset({"/{customer}/job/{id}/cancel"}))
    with pytest.raises(RouteNotFound):
        cancelled(server, server.create())
    server = FakeServer(missing=frozenset({"/{customer}/job/{id}"}))
    with pytest.raises(RouteNotFound):
        cancelled(server, server.create())


# --- workflow jobs ------------------------------------------------------------------------------------------------


def test_all_live_branches_are_cancelled_by_the_route_of_jobs() -> None:
    server = FakeServer()
    run = with_steps(server, "finished", "assigned", "ready", "syncing", "onhold")
    job = cancelled(server, run)
    assert (job.id, job.is_over, job.state) == (run["id"], True, "canceled")
    assert server.live() == []
    assert not any(name.startswith("PUT /workflows") for name in server.asked)
    assert server.asked.count(CANCEL) == 4


def test_a_held_workflow_job_is_cancelled_through_its_step() -> None:
    server = FakeServer()
    assert cancelled(server, with_steps(server, "syncing", run="syncing")).lifecycle == "canceled"
    assert [name for name in server.asked if name.startswith("PUT")] == [HOLD, CANCEL]


def test_a_step_that_appears_meanwhile_is_cancelled_too() -> None:
    server = FakeServer()
    server.following = {ident(500): (ident(501), ident(501))}
    run = with_steps(server, "assigned")
    server.fault = on(CANCEL, server.report)
    assert cancelled(server, run).is_over
    assert [row["lifecycle"] for row in server.steps(run["id"])] == ["finished", "canceled", "canceled"]


def test_a_moment_between_two_steps_is_not_taken_for_the_end() -> None:
    server = FakeServer()
    run = with_steps(server, "finished")
    looks: list[str] = []

    def fault(name: str) -> None:
        looks.append(name)
        if len(looks) == 2:
            server.create("ready", workflow_job_id=run["id"], workflow_id=WORKFLOW)

    server.fault = fault
    assert cancelled(server, run).lifecycle == "canceled"
    assert server.live() == []


@pytest.mark.parametrize("which", [0, 1, 2])
def test_one_branch_that_fails_to_be_cancelled_keeps_no_other_alive(which: int) -> None:
    server = FakeServer()
    run = with_steps(server, "assigned", "assigned", "assigned")
    refused = server.steps(run["id"])[which]
    cancel_row = server._cancel

    def guarded(row: dict[str, Any]) -> None:
        if row is refused:
            raise Forbidden("forbidden", status=403)
        cancel_row(row)

    server._cancel = guarded  # type: ignore[method-assign]
    with pytest.raises(Forbidden):
        cancelled(server, run)
    assert server.live() == [run["id"], refused["id"]]


def test_a_step_that_cannot_be_stopped_is_not_hidden_by_its_run() -> None:
    server = FakeServer()
    run = with_steps(server, "locked", run="terminated")
    with pytest.raises(Conflict, match=r"step 'job 2' .* is still locked"):
        cancelled(server, run)


def test_a_stuck_run_is_left_as_it_is() -> None:
    server = FakeServer()
    run = with_steps(server, "finished", "terminated")
    assert cancelled(server, run).lifecycle == "started"
    assert CANCEL not in server.asked


def test_a_run_whose_record_is_gone() -> None:
    server = FakeServer()
    run = with_steps(server, "finished")
    server.rows.clear()
    assert cancelled(server, run) is None


def test_losing_touch_is_no_confirmation() -> None:
    server = FakeServer()
    run = with_steps(server, "assigned")
    server.fault = lost(name="GET /{customer}/job", times=100)
    with pytest.raises(NoAnswer):
        cancelled(server, run)
