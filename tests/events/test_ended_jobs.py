"""Reading the list of ended jobs again and again: none is lost, none comes twice."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_theeye.api.errors import AuthenticationFailed, Forbidden, NoAnswer, TheEyeError, Unavailable
from airflow_provider_theeye.api.models import Edge, Job, JobResult, Workflow
from airflow_provider_theeye.jobs.events import (
    LOOKS,
    Document,
    Mark,
    Wanted,
    mark_key,
    payload,
    read_news,
    start,
    verdict_of,
)
from airflow_provider_theeye.jobs.outcome import Outcome, Verdict
from airflow_provider_theeye.jobs.procedures import drive
from airflow_provider_theeye.jobs.reading import Ended

TASK, WORKFLOW, OTHER = "a" * 24, "b" * 24, "c" * 24
NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


def ended(number: int, milliseconds: int, **fields: Any) -> Job:
    changed = (NOON + timedelta(milliseconds=milliseconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    known = {"kind": "ScriptJob", "lifecycle": "finished", "state": "success", "task_id": TASK, **fields}
    return Job(id=f"{number:024x}", updated=changed, **known)


class Server:
    """Answers the list request as TheEye does, from jobs that become visible in any order."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def run(self, call: Any) -> list[Job]:
        query = dict(call.query)
        since = query.get("where[last_update][$gte]", "")
        rows = sorted((job for job in self.jobs if (job.updated or "") >= since), key=lambda job: job.updated or "")
        if query["sort[last_update]"] == "-1":
            rows.reverse()
        return rows[: int(query["limit"])]


@given(
    st.lists(st.lists(st.integers(0, 4000), max_size=6), max_size=8),
    st.integers(1, 4),
    st.lists(st.booleans(), min_size=8, max_size=8),
)
@settings(max_examples=300)
def test_each_end_comes_exactly_once(rounds: list[list[int]], page: int, restarts: list[bool]) -> None:
    """Jobs of the same millisecond, jobs that become visible late, pages of any size, restarts at any time."""
    server = Server()
    server.jobs = [ended(n, -n) for n in range(3)]
    mark = drive(start(), server.run)
    told: list[str] = []
    expected: list[str] = []
    for moments, restart in zip(rounds, restarts, strict=False):
        for milliseconds in moments:
            job = ended(100 + len(expected), milliseconds)
            server.jobs.append(job)
            expected.append(job.id)
        if restart:
            mark = Mark.parse(json.loads(json.dumps(mark.to_json()))) or Mark()
        news, mark = drive(read_news(mark, page), server.run)
        told += [job.id for job in news]
    assert sorted(told) == sorted(expected)


def test_what_ended_before_the_start_is_no_news() -> None:
    server = Server()
    server.jobs = [ended(1, 0), ended(2, -4000), ended(3, 0)]
    mark = drive(start(), server.run)
    assert drive(read_news(mark), server.run) == ([], mark)


def test_start_with_a_server_where_nothing_has_ended() -> None:
    server = Server()
    mark = drive(start(), server.run)
    assert (mark.time, mark.since) == (None, None)
    server.jobs = [ended(1, 0)]
    news, mark = drive(read_news(mark), server.run)
    assert news == server.jobs
    assert drive(read_news(mark), server.run)[0] == []


def test_job_that_ends_again_is_news_again() -> None:
    mark = Mark().advance([ended(1, 0)])[1]
    again, soon_otherwise = ended(1, 6000), ended(1, 10, state="failure")
    assert mark.advance([again])[0] == [again]
    assert mark.advance([soon_otherwise])[0] == [soon_otherwise]


def test_ended_job_that_is_touched_again_is_no_news() -> None:
    """TheEye writes to a step once more when its workflow goes on."""
    mark = Mark().advance([ended(1, 0)])[1]
    news, mark = mark.advance([ended(1, 3000)])
    assert news == []
    news, mark = mark.advance([ended(2, 6000), ended(1, 3000)])
    assert [job.id for job in news] == [ended(2, 0).id]
    assert mark.advance([ended(1, 3000)])[0] == []


def test_mark_forgets_what_it_need_not_know() -> None:
    """Else it would grow for ever, and it goes into Airflow's database."""
    mark = Mark()
    for number in range(1000):
        _, mark = mark.advance([ended(number, 1000 * number)])
    assert len(mark.seen) == 6
    assert len(json.dumps(mark.to_json())) < 700


def test_rows_that_say_nothing_are_no_news() -> None:
    """Whatever a server sends that did not understand the filter."""
    live = ended(1, 0, lifecycle="assigned", state="in_progress")
    timeless = Job(id="d" * 24, lifecycle="finished")
    mark = Mark().advance([ended(2, 0)])[1]
    assert mark.advance([live, timeless, ended(3, -6000)]) == ([], mark)


@pytest.mark.parametrize(
    "stored", [None, "text", [], {"time": "x"}, {"time": "x", "seen": []}, {"time": "x", "seen": {"a": 3}}]
)
def test_mark_of_another_version_is_not_trusted(stored: Any) -> None:
    assert Mark.parse(stored) is None


def test_who_wants_what() -> None:
    alone = ended(1, 0)
    step = ended(2, 0, workflow_id=WORKFLOW, workflow_job_id=OTHER)
    run = ended(3, 0, kind="WorkflowJob", workflow_id=WORKFLOW, task_id=None)
    other = ended(4, 0, task_id=OTHER)
    # An agent updates itself, or an agent of another age does something of its own.
    housekeeping = [ended(5, 0, kind="AgentUpdateJob", task_id=None), ended(6, 0, kind="AgentUpdateJob", task_id=OTHER)]
    rows = [alone, step, run, other, *housekeeping, ended(7, 0, task_id=None)]
    assert [job for job in rows if Wanted().fits(job)] == [alone, run, other]
    assert [job for job in rows if Wanted(task_id=TASK).fits(job)] == [alone, step]
    assert [job for job in rows if Wanted(workflow_id=WORKFLOW).fits(job)] == [run]


def verdict(row: Job, whole: Ended | None, graph: TheEyeError | Workflow | None = None) -> Verdict:
    def run(call: Any) -> Any:
        assert graph is not None, "no request is needed"
        if isinstance(graph, TheEyeError):
            raise graph
        return graph

    return drive(verdict_of(row, whole), run)


@pytest.mark.parametrize(
    ("graph", "outcome"),
    [
        (Workflow(WORKFLOW, edges=(Edge(TASK, OTHER, "failure"),)), Outcome.SUCCEEDED),
        (Workflow(WORKFLOW, edges=(Edge(TASK, OTHER, "success"),)), Outcome.FAILED),
        (Forbidden("no"), Outcome.SUCCEEDED),
        (NoAnswer("it hangs"), Outcome.SUCCEEDED),
    ],
)
def test_a_failed_step_counts_as_for_the_operators(graph: TheEyeError | Workflow, outcome: Outcome) -> None:
    failed = ended(2, 0, state="failure", trigger_name="failure", task_id=TASK)
    row = ended(1, 0, kind="WorkflowJob", workflow_id=WORKFLOW)
    assert verdict(row, Ended(row, (failed, ended(3, 1, task_id=OTHER))), graph).outcome is outcome


def test_the_whole_document_decides_if_it_is_there() -> None:
    row = ended(1, 0)
    crashed = ended(1, 0, result=JobResult(code=3, has_log=True))
    assert verdict(row, Ended(crashed)).outcome is Outcome.FAILED
    assert verdict(row, None).outcome is Outcome.SUCCEEDED
    assert verdict(row, Ended(ended(1, 0, lifecycle="ready", state="in_progress"))).outcome is Outcome.SUCCEEDED


def test_a_row_alone_never_says_that_a_host_was_lost() -> None:
    """A row has no result, which in a whole document would mean just that."""
    row = ended(1, 0, lifecycle="terminated", state="canceled")
    assert verdict(row, None).outcome is Outcome.CANCELLED
    assert verdict(row, Ended(row)).outcome is Outcome.HOST_LOST


def test_payload_is_small_and_has_no_secret() -> None:
    row = ended(1, 0, name="Load", secret="s3cr3t", output=["x" * 9999], arguments=("private",), workflow_id=WORKFLOW)
    told = payload(row, verdict(row, None), "https://eye.example.org/jobs/{job_id}")
    assert told == {
        "job_id": row.id,
        "task_id": TASK,
        "workflow_id": WORKFLOW,
        "name": "Load",
        "lifecycle": "finished",
        "state": "success",
        "outcome": "succeeded",
        "url": f"https://eye.example.org/jobs/{row.id}",
    }
    assert type(told["outcome"]) is str


class Documents:
    """Answers requests for one job: its document, and the list."""

    def __init__(self, document: TheEyeError | Job, rows: TheEyeError | list[Job]) -> None:
        self.answers = {"/{customer}/job/{id}": document, "/{customer}/job": rows}

    def run(self, call: Any) -> Any:
        answer = self.answers[call.template]
        if isinstance(answer, TheEyeError):
            raise answer
        return answer


def test_a_document_that_alone_cannot_be_read_is_done_without() -> None:
    row = ended(1, 0)
    server, document = Documents(NoAnswer("it hangs"), [row]), Document(row.id)
    for _ in range(LOOKS - 1):
        with pytest.raises(NoAnswer):
            drive(document.look(), server.run)
    assert document.problem is None
    assert drive(document.look(), server.run) is None
    assert str(document.problem) == "no answer from TheEye: it hangs"


@pytest.mark.parametrize("trouble", [Unavailable("down"), AuthenticationFailed("unknown token")])
def test_trouble_of_the_whole_server_is_waited_out(trouble: TheEyeError) -> None:
    row = ended(1, 0)
    server, document = Documents(trouble, trouble), Document(row.id)
    for _ in range(5 * LOOKS):
        with pytest.raises(type(trouble)):
            drive(document.look(), server.run)
    server.answers["/{customer}/job/{id}"] = row
    assert drive(document.look(), server.run) == Ended(row)


def test_a_document_that_is_refused_is_not_asked_for_again() -> None:
    document = Document(ended(1, 0).id)
    assert drive(document.look(), Documents(Forbidden("no"), Forbidden("no")).run) is None
    assert isinstance(document.problem, Forbidden)


def test_whoever_tells_of_other_jobs_has_a_mark_of_its_own() -> None:
    told = [
        ("c", None, None, None),
        ("d", None, None, None),
        ("c", TASK, None, None),
        ("c", None, WORKFLOW, None),
        ("c", None, None, ["failed"]),
        ("c", None, None, ["failed", "timed_out"]),
    ]
    assert len({mark_key(*one) for one in told}) == len(told)
    assert mark_key("c", None, None, ["timed_out", "failed", "failed"]) == mark_key(*told[-1])
