"""Which job a search picks, and what a look that finds none means."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_theeye.api.errors import Forbidden, Unavailable
from airflow_provider_theeye.api.models import Job
from airflow_provider_theeye.jobs.clocks import Instant, now
from airflow_provider_theeye.jobs.procedures import drive
from airflow_provider_theeye.jobs.searching import JobSearch, look_for
from airflow_provider_theeye.jobs.waiting import End, JobWatch, WaitRules

from .documents import at

TASK, WORKFLOW, OTHER = "a" * 24, "b" * 24, "c" * 24
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
SINCE = "2026-01-01T00:01:00.000Z"


def job(number: int, second: int, **fields: str) -> Job:
    created = (START + timedelta(seconds=second)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    known = {"kind": "ScriptJob", "lifecycle": "ready", "task_id": TASK, **fields}
    return Job(id=f"{number:024x}", created=created, **known)  # type: ignore[arg-type]


def test_last_and_first_of_those_since() -> None:
    rows = [job(1, 59), job(2, 60), job(3, 75), job(4, 90), job(5, 99, task_id=OTHER)]
    search = JobSearch(TASK, False, SINCE)
    assert search.choose(rows) == rows[3]
    assert replace(search, pick="first").choose(rows) == rows[1]
    assert search.choose(rows[:1]) is None


def test_held_jobs_do_not_count() -> None:
    rows = [job(1, 70, lifecycle="syncing"), job(2, 71), job(3, 72, lifecycle="syncing")]
    assert JobSearch(TASK, False, SINCE, "first").choose(rows) == rows[1]
    assert JobSearch(TASK, False, SINCE, "last").choose(rows) == rows[1]


def test_steps_of_a_workflow_are_not_its_jobs() -> None:
    run = job(1, 70, kind="WorkflowJob", workflow_id=WORKFLOW, task_id=OTHER)
    step = job(2, 71, workflow_id=WORKFLOW, workflow_job_id=run.id)
    assert JobSearch(WORKFLOW, True, SINCE).choose([run, step]) == run
    assert JobSearch(TASK, False, SINCE).choose([run, step]) == step


def test_job_whose_creation_cannot_be_read_is_left_to_the_server() -> None:
    assert JobSearch(TASK, False, SINCE).choose([replace(job(1, 0), created="yesterday")]) is not None


@given(st.lists(st.tuples(st.integers(0, 120), st.sampled_from(["ready", "syncing", "finished"])), max_size=8))
def test_the_order_of_the_rows_does_not_matter(seconds: list[tuple[int, str]]) -> None:
    rows = [job(n, second, lifecycle=lifecycle) for n, (second, lifecycle) in enumerate(seconds)]
    for pick, extreme in (("last", max), ("first", min)):
        search = JobSearch(TASK, False, SINCE, pick)
        found = search.choose(rows)
        assert found == search.choose(rows[::-1])
        fitting = [(row.created, row.id) for row in rows if not row.is_held and (row.created or "") >= SINCE]
        assert (found and (found.created, found.id)) == (extreme(fitting) if fitting else None)


def test_what_a_look_means() -> None:
    search, watch = JobSearch(TASK, False, SINCE), JobWatch("x", WaitRules(deadline=100.0, failure_seconds=0.0))
    found = job(1, 70)

    def refuse(call: object) -> list[Job]:
        raise Forbidden("no")

    def fail(call: object) -> list[Job]:
        raise Unavailable("down")

    assert drive(look_for(search, watch, lambda: at(50.0)), lambda call: []) == (None, None)
    assert drive(look_for(search, watch, lambda: at(100.0)), lambda call: []) == (None, End.DEADLINE)
    assert drive(look_for(search, watch, lambda: at(50.0)), fail) == (None, None)
    assert drive(look_for(search, watch, lambda: at(50.0)), refuse) == (None, None)
    assert drive(look_for(search, watch, lambda: Instant(50.0, 200.0)), refuse) == (None, End.REFUSED)
    assert watch.job_id == "x"
    assert drive(look_for(search, watch, lambda: at(50.0)), lambda call: [found]) == (found, None)
    assert watch.job_id == found.id


class Rows:
    """Answers a search with the newest or oldest rows that fit into its limit."""

    def __init__(self, rows: list[Job]) -> None:
        self.rows = rows
        self.limits: list[int] = []

    def run(self, call: Any) -> list[Job]:
        query = dict(call.query)
        self.limits.append(int(query["limit"]))
        newest_first = query["sort[creation_date]"] == "-1"
        return sorted(self.rows, key=lambda row: row.created or "", reverse=newest_first)[: self.limits[-1]]


@pytest.mark.parametrize(("pick", "expected"), [("last", 99), ("first", 60)])
def test_few_rows_are_enough_as_a_rule(pick: str, expected: int) -> None:
    server = Rows([job(second, second) for second in range(60, 100)])
    found, _ = drive(look_for(JobSearch(TASK, False, SINCE, pick), JobWatch("x", WaitRules()), now), server.run)
    assert (found and found.id, server.limits) == (job(expected, 0).id, [20])


@pytest.mark.parametrize("in_the_way", [{"lifecycle": "syncing"}, {"workflow_job_id": OTHER}])
def test_more_rows_if_the_few_are_not_those_that_count(in_the_way: dict[str, str]) -> None:
    run = job(1, 60, kind="WorkflowJob", workflow_id=WORKFLOW)
    steps = [job(2 + n, 61 + n, workflow_id=WORKFLOW, **in_the_way) for n in range(30)]
    server = Rows([run, *steps])
    search, watch = JobSearch(WORKFLOW, True, SINCE), JobWatch("x", WaitRules())
    assert drive(look_for(search, watch, now), server.run) == (run, None)
    assert server.limits == [20, 1000]
    server.rows.remove(run)
    assert drive(look_for(search, watch, now), server.run) == (None, None)
    server.rows[5:] = []
    assert drive(look_for(search, watch, now), server.run) == (None, None)
    assert server.limits == [20, 1000, 20, 1000, 20]
