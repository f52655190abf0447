"""A change that TheEye must not process twice at once is never under way twice."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.errors import (
    Forbidden,
    InvalidRequest,
    NoAnswer,
    RateLimited,
    TheEyeError,
    Unavailable,
)
from airflow_provider_theeye.jobs.cancelling import cancel
from airflow_provider_theeye.jobs.once import ATTEMPTS, UNDER_WAY, Unanswered, change_once
from airflow_provider_theeye.jobs.submission import Order, give_up, release, submit

from .documents import ident
from .fake_server import TASK, FakeServer, Late, lost

RELEASE, HOLD, READ = "PUT /job/{id}/synced", "PUT /job/{id}/hold", "GET /{customer}/job/{id}"
NO_ANSWER = NoAnswer("no answer came")


def released(server: FakeServer, job_id: str) -> Unanswered | None:
    found: Unanswered | None = server.carry_out(change_once(calls.release_job(job_id), job_id, lambda job: job.is_held))
    return found


def late(name: str, seconds: float, times: int = 1) -> Any:
    """A fault: the client gets no answer, and the server goes on with it."""
    left = [seconds] * times

    def fault(asked: str) -> None:
        if asked == name and left:
            raise Late(left.pop(), NO_ANSWER)

    return fault


def test_the_calls_themselves_are_not_repeatable() -> None:
    """So neither client sends them again by itself."""
    job_id = ident(1)
    for call in (calls.release_job(job_id), calls.hold_job(job_id), calls.submit_input(job_id, [])):
        assert not call.repeatable


def test_an_answer_is_an_answer() -> None:
    server = FakeServer()
    job_id = server.create("syncing")["id"]
    assert released(server, job_id) is None
    assert server.asked == [RELEASE]


@pytest.mark.parametrize("error", [NO_ANSWER, Unavailable("", status=502), Unavailable("", status=500)], ids=repr)
def test_what_had_its_effect_is_not_sent_again(error: TheEyeError) -> None:
    server = FakeServer()
    job_id = server.create("syncing")["id"]
    server.fault = lost(name="synced", effect=True, error=error)
    found = released(server, job_id)
    assert found is not None
    assert found.job is not None
    assert (found.job.lifecycle, found.error) == ("ready", error)
    assert server.asked == [RELEASE, READ]


@pytest.mark.parametrize("seconds", [0.005, 0.5, 4.9])
def test_what_is_under_way_still_is_waited_for(seconds: float) -> None:
    server = FakeServer()
    job_id = server.create("syncing")["id"]
    server.fault = late(RELEASE, seconds)
    found = released(server, job_id)
    assert found is not None
    assert server.asked.count(RELEASE) == 1


def test_what_never_arrived_is_sent_again_after_a_while() -> None:
    server = FakeServer()
    job_id = server.create("syncing")["id"]
    server.fault = lost(name="synced", times=2)
    assert released(server, job_id) is None
    assert server.asked == [RELEASE, READ, READ] * 2 + [RELEASE]
    assert server.seconds > 2 * UNDER_WAY


def test_what_never_gets_an_answer_is_given_up() -> None:
    server = FakeServer()
    job_id = server.create("syncing")["id"]
    server.fault = lost(name="synced", times=99)
    with pytest.raises(NoAnswer):
        released(server, job_id)
    assert server.asked.count(RELEASE) == ATTEMPTS


@pytest.mark.parametrize(
    "error",
    [
        Forbidden("", status=403),
        InvalidRequest("job lifecycle must be syncing. ready is set", status=400),
        NoAnswer("no route to host", sent=False),
        RateLimited("", status=429),
    ],
    ids=repr,
)
def test_what_was_refused_or_never_sent_is_nobodys_guess(error: TheEyeError) -> None:
    server = FakeServer()
    job_id = server.create("syncing")["id"]
    server.fault = lost(name="synced", error=error)
    with pytest.raises(type(error)):
        released(server, job_id)
    assert server.asked == [RELEASE]


def test_without_a_look_at_the_job_nothing_is_repeated() -> None:
    server = FakeServer()
    job_id = server.create("syncing")["id"]

    def fault(asked: str) -> None:
        raise NO_ANSWER

    server.fault = fault
    with pytest.raises(NoAnswer):
        released(server, job_id)
    assert server.asked.count(RELEASE) == 1


# --- the whole way ----------------------------------------------------------------------------------------------------


def test_a_release_that_is_late_is_not_joined_by_another() -> None:
    """Two at once are both obeyed: a host that takes the job between their writes would be handed it again."""
    server = FakeServer()
    server.fault = late(RELEASE, 4.0)
    job = server.carry_out(submit(Order(TASK, ["a"]), lambda job: True))
    assert server.asked.count(RELEASE) == 1
    server.take()
    server.pass_time(60)
    server.take()
    assert server.starts == {job.id: 1}


def test_the_next_try_waits_for_the_release_of_the_one_before() -> None:
    server = FakeServer()
    row = server.create("syncing")
    server.fault = late(RELEASE, 4.0)
    with pytest.raises(NoAnswer):  # the process is gone right after
        server.once(calls.release_job(row["id"]))
    held = server.once(calls.get_job(row["id"]))
    assert server.carry_out(release(held, of_earlier_try=True))
    server.take()
    server.pass_time(60)
    server.take()
    assert (server.asked.count(RELEASE), server.starts) == (1, {row["id"]: 1})


def test_a_held_job_of_an_earlier_try_is_given_up_after_its_release_may_have_come() -> None:
    server = FakeServer()
    row = server.create("syncing")
    server.fault = late(RELEASE, 4.0)
    with pytest.raises(NoAnswer):
        server.once(calls.release_job(row["id"]))
    held = server.once(calls.get_job(row["id"]))
    assert server.carry_out(give_up(held)).is_over
    server.pass_time(60)
    server.take()
    assert (row["state"], server.starts) == ("canceled", {})


def test_a_job_that_was_released_while_it_was_cancelled_is_cancelled_again() -> None:
    """The process was told to end in the midst of its release, and has no time to wait before it cancels."""
    server = FakeServer()
    row = server.create("syncing")
    server.fault = late(RELEASE, 0.045)
    with pytest.raises(NoAnswer):
        server.once(calls.release_job(row["id"]))
    server.fault = lambda name: None
    assert server.carry_out(cancel(row["id"], is_workflow=False)).is_over
    server.pass_time(60)
    server.take()
    assert (row["state"], server.starts) == ("canceled", {})


@pytest.mark.parametrize("seconds", [0.005, 4.0])
def test_a_hold_that_is_late_is_not_joined_by_another(seconds: float) -> None:
    """The second one would be cancelled, and the first one's write would open the job again."""
    server = FakeServer()
    row = server.create("syncing")
    server.fault = late(HOLD, seconds)
    assert server.carry_out(cancel(row["id"], is_workflow=False)).is_over
    server.pass_time(60)
    assert (server.asked.count(HOLD), row["lifecycle"]) == (1, "canceled")
