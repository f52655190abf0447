"""Where holding is impossible: one request, never repeated, and a careful look for what it did."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_theeye.api.errors import (
    InvalidRequest,
    NoAnswer,
    RateLimited,
    TheEyeError,
    Unavailable,
)
from airflow_provider_theeye.jobs.submission import (
    Order,
    SubmissionUnclear,
    submit,
)

from .documents import ident
from .fake_server import TASK, WORKFLOW, FakeServer, Try, lost

RUN = Order(WORKFLOW, ["a"], is_workflow=True)
DIRECT = Order(TASK, ["a"], held=False)


def test_direct_submission_is_one_request() -> None:
    server = FakeServer()
    assert Try(server, DIRECT).job.lifecycle == "ready"
    assert server.asked == ["GET /{customer}/job", "POST /job"]
    without_token = FakeServer()
    Try(without_token, replace(DIRECT, secret="s", may_search=False))
    assert without_token.asked == ["POST /task/{id}/secret/{secret}/job"]


@pytest.mark.parametrize("order", [DIRECT, replace(RUN, held=False), replace(DIRECT, arguments=[1, None])])
@pytest.mark.parametrize("before", [0, 1, 40])
def test_a_job_made_by_a_lost_request_is_found(order: Order, before: int) -> None:
    server = FakeServer()
    for _ in range(before):
        server.once(_create(order))
    server.finish()
    earlier = set(server.rows)
    server.starts.clear()
    server.fault = lost(name="/job", effect=True)
    made = Try(server, order)
    assert made.job.id not in earlier
    assert [job.id for job in made.remembered] == [made.job.id]
    assert server.finish() == 1


def test_a_job_with_other_arguments_is_not_taken_for_ours() -> None:
    """Of a sibling that started the same task in the same moment, while our request was lost before its effect."""
    order = replace(DIRECT, arguments=["A", None])
    server = FakeServer()

    def lost_beside_a_sibling(asked: str) -> TheEyeError | None:
        if asked != "POST /job":
            return None
        server.create(task_arguments_values=["B", None])
        raise NoAnswer("the connection was closed")

    server.fault = lost_beside_a_sibling
    with pytest.raises(SubmissionUnclear):
        Try(server, order)


def _create(order: Order) -> Any:
    return next(call for call in submit(replace(order, may_search=False, held=False), lambda job: True))


@pytest.mark.parametrize("old", [0, 1, 5, 31])
def test_without_a_candidate_nothing_is_repeated(old: int) -> None:
    """Old jobs with the same arguments, beyond the newest ones, are none."""
    server = FakeServer()
    for number in range(old + 30):
        server.create("finished", task_arguments_values=["a" if number < old else "b"])
        server.seconds += 1
    server.fault = lost(name="POST /job")
    with pytest.raises(SubmissionUnclear, match="may or may not have started"):
        Try(server, DIRECT)
    assert server.finish() == 0
    assert server.asked.count("POST /job") == 1


@pytest.mark.parametrize(
    ("others", "found"),
    [
        ([{}], False),
        ([{"task_arguments_values": ["b"]}], True),
        ([{"origin": "secret"}], True),
        ([{"_type": "WorkflowJob"}], True),
        ([{}, {}], False),
    ],
)
def test_only_a_single_candidate_is_taken(others: list[dict[str, Any]], found: bool) -> None:
    server = FakeServer()
    closed = lost(name="POST /job", effect=True)

    def meanwhile(name: str) -> TheEyeError | None:
        if name == "POST /job":
            for other in others:
                server.create("ready", **{"task_arguments_values": ["a"], **other})
        return closed(name)

    server.fault = meanwhile
    if found:
        assert Try(server, DIRECT).job.id == ident(len(others) + 1)
    else:
        with pytest.raises(SubmissionUnclear):
            Try(server, DIRECT)
    assert server.asked.count("POST /job") == 1


@pytest.mark.parametrize("name", ["GET /{customer}/job", "GET /{customer}/job/{id}"])
def test_a_search_that_fails_leaves_the_question_open(name: str) -> None:
    server = FakeServer()
    closed = lost(name="POST /job", effect=True)

    def down(asked: str) -> TheEyeError | None:
        if asked == name and "POST /job" in server.asked:
            raise Unavailable("bad gateway", status=502)
        return closed(asked)

    server.fault = down
    with pytest.raises(SubmissionUnclear):
        Try(server, DIRECT)


@pytest.mark.parametrize(
    "error",
    [NoAnswer("refused", sent=False), RateLimited("slow down", status=429), InvalidRequest("bad", status=400)],
)
def test_a_request_that_did_nothing_is_an_ordinary_error(error: TheEyeError) -> None:
    server = FakeServer()

    def fault(name: str) -> None:
        if name == "POST /job":
            raise error

    server.fault = fault
    with pytest.raises(type(error)):
        Try(server, DIRECT)


def test_an_older_server_is_asked_on_the_older_route() -> None:
    route = "/task/{id}/secret/{secret}/job"
    server = FakeServer(missing=frozenset({route}))
    Try(server, replace(DIRECT, secret="s", may_search=False))
    assert server.asked == [f"POST {route}", "POST /job/secret/{secret}"]
    assert server.finish() == 1


@pytest.mark.parametrize("effect", [True, False])
def test_the_gateways_trouble_is_a_lost_answer(effect: bool) -> None:
    """The 400 that it comes out as may have been sent after the job was stored."""
    server = FakeServer()
    trouble = InvalidRequest("Invalid members. [bot]", status=400)
    server.fault = lost(name="POST /job", effect=effect, error=trouble)
    if effect:
        assert Try(server, DIRECT).job.lifecycle == "ready"
    else:
        with pytest.raises(SubmissionUnclear, match="may or may not have started"):
            Try(server, DIRECT)
    assert server.finish() == effect
