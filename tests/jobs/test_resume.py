"""What a new try does about the jobs of earlier ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_theeye.api.models import Job
from airflow_provider_theeye.api.settings import Place
from airflow_provider_theeye.jobs.resume import (
    Finding,
    Generation,
    Next,
    Record,
    Records,
    Wanted,
    decide,
    fingerprint,
    was_cleared,
)

from .documents import ident, job, run


@pytest.mark.parametrize(
    ("now", "accepted", "step"),
    [
        (job(1, "syncing"), None, Next.RELEASE),
        (run(1, "syncing"), None, Next.RELEASE),
        (job(1, "ready"), None, Next.WAIT),
        (job(1, "assigned"), None, Next.WAIT),
        (job(1, "onhold"), None, Next.WAIT),
        (run(1, "onhold"), None, Next.RELEASE),  # behind an earlier run; only its first step tells
        (run(1, "started"), None, Next.WAIT),
        (job(1, "finished"), True, Next.TAKE_RESULT),
        (job(1, "finished"), False, Next.SUBMIT),
        (job(1, "canceled"), False, Next.SUBMIT),
        (None, None, Next.UNKNOWN),
    ],
)
def test_decisions(now: Job | None, accepted: bool | None, step: Next) -> None:
    assert decide(now, accepted) is step


@pytest.mark.parametrize(
    ("then", "now", "cleared"),
    [
        # An automatic retry changes nothing.
        (Generation(1, 1, 1, 0), Generation(1, 1, 2, 0), False),
        (Generation(3, 3, 1, 0), Generation(3, 3, 4, 0), False),
        # Somebody else's task of the run was cleared meanwhile.
        (Generation(1, 1, 1, 0), Generation(1, 1, 2, 1), False),
        # A Clear after the first, second try; with none left; twice.
        (Generation(1, 1, 1, 0), Generation(2, 1, 2, 1), True),
        (Generation(1, 1, 2, 0), Generation(3, 1, 3, 1), True),
        (Generation(0, 0, 1, 0), Generation(1, 0, 2, 1), True),
        (Generation(2, 1, 2, 1), Generation(3, 1, 3, 2), True),
        # The retries were edited, and nothing was cleared.
        (Generation(1, 1, 1, 0), Generation(1, 2, 2, 0), False),
        (Generation(1, 1, 1, 0), Generation(1, 0, 2, 0), False),
        (Generation(3, 3, 1, 0), Generation(3, 1, 2, 0), False),
        # The same, and another task of the run was cleared: more retries, or a try that has not been yet, say no.
        (Generation(1, 1, 1, 0), Generation(1, 5, 2, 1), False),
        (Generation(5, 5, 1, 0), Generation(5, 1, 2, 1), False),
        (Generation(5, 5, 3, 0), Generation(5, 3, 4, 1), False),
        # One retry was taken from it, and it was cleared after its first try: as many tries are left as before.
        (Generation(1, 1, 1, 0), Generation(1, 0, 2, 1), True),
        (Generation(2, 2, 1, 4), Generation(2, 0, 3, 5), True),
        # An older release did not store the rest; it took this for a Clear, too.
        (Generation(1, 1), Generation(1, 0, 2, 1), True),
        (Generation(1, 1), Generation(1, 2, 2, 1), False),
    ],
)
def test_a_clear_is_told_from_a_retry(then: Generation, now: Generation, cleared: bool) -> None:
    assert was_cleared(then, now) is cleared


class Airflow:
    """What Airflow does to a task instance's numbers (``clear_task_instances``), as ``Generation`` sees them."""

    def __init__(self, retries: int) -> None:
        self.retries = self.max_tries = retries
        self.try_number, self.clears = 1, 0

    def now(self) -> Generation:
        return Generation(self.max_tries, self.retries, self.try_number, self.clears)

    def do(self, what: str) -> None:
        if what == "retry":
            self.try_number += 1
        elif what == "clear":
            self.max_tries = self.try_number + self.retries
            self.clears += 1
            self.try_number += 1
        elif what == "clear another task":
            self.clears += 1
        else:
            self.retries = int(what)


STEPS = st.sampled_from(["retry", "retry", "clear", "clear another task", "0", "1", "2", "5"])


@settings(max_examples=500)
@given(retries=st.integers(0, 4), before=st.lists(STEPS, max_size=5), after=st.lists(STEPS, max_size=5))
def test_a_history_without_clear_is_never_taken_for_one(retries: int, before: list[str], after: list[str]) -> None:
    airflow = Airflow(retries)
    for step in before:
        airflow.do(step)
    then = airflow.now()
    for step in (one for one in after if one not in ("clear", "clear another task")):
        airflow.do(step)
    assert not was_cleared(then, airflow.now())


@settings(max_examples=500)
@given(retries=st.integers(0, 4), before=st.lists(STEPS, max_size=5), after=st.lists(STEPS, max_size=3))
def test_a_clear_is_always_seen_while_the_retries_are_edited_at_most_before_it(
    retries: int, before: list[str], after: list[str]
) -> None:
    airflow = Airflow(retries)
    for step in before:
        airflow.do(step)
    then = airflow.now()
    edited = [one for one in after if one.isdigit()][:1]
    for step in [*edited, "clear", *(one for one in after if not one.isdigit())]:
        airflow.do(step)
    assert was_cleared(then, airflow.now())


# --- records ----------------------------------------------------------------------------------------------------------

HERE, THERE = Place("http://here", "demo"), Place("http://there", "demo")


def record(number: int, **fields: Any) -> Record:
    known = {"order": "a", "place": HERE, "conn_id": "c", "try_id": "1", "generation": Generation(1, 1, 1, 0)}
    return Record(**{"job_id": ident(number), "submitted": 1.0, **known, **fields})


def wanted(order: str = "a", **fields: Any) -> Wanted:
    known = {"place": HERE, "conn_id": "c", "try_id": "2", "generation": Generation(1, 1, 2, 0)}
    return Wanted(**{"order": order, **known, **fields})


def test_records_are_remembered_as_they_were() -> None:
    old = Record(ident(3), 7.0, Generation(0, 0))
    records = Records((record(1), record(2, is_workflow=True, settled=True), record(4, left_alone=True), old))
    assert Records.parse(json.loads(json.dumps(records.to_json()))) == records


def test_the_record_of_an_older_release() -> None:
    stored = {"job_id": ident(1), "gen": "3 2", "submitted": 12.5, "workflow": True}
    assert Records.parse(stored).all == (Record(ident(1), 12.5, Generation(3, 2), is_workflow=True),)
    found = Records.parse(stored).find(wanted(generation=Generation(3, 2, 2, 0)))
    assert found.record is not None
    assert found.record.job_id == ident(1)


@pytest.mark.parametrize(
    "data",
    [
        None,
        "text",
        [],
        {},
        [None, "text", {}],
        {"job_id": "short", "gen": "1 0", "submitted": 1.0},
        {"job_id": ident(1), "gen": 1, "submitted": 1.0},
        {"job_id": ident(1), "gen": "1", "submitted": 1.0},
        {"job_id": ident(1), "gen": "1 0"},
        {"job_id": ident(1), "max_tries": True, "retries": 1, "submitted": 1.0},
        {"job_id": None, "max_tries": 1, "retries": 1, "submitted": 1.0},
    ],
)
def test_what_is_no_record_of_ours_is_ignored(data: Any) -> None:
    assert Records.parse(data).all == ()


def test_a_fingerprint_tells_orders_apart_and_shows_nothing() -> None:
    orders = [
        (["task", "1", None, None], ["a"]),
        (["workflow", "1", None, None], ["a"]),
        (["task", "2", None, None], ["a"]),
        (["task", None, "1", None], ["a"]),
        (["task", None, "1", "host"], ["a"]),
        (["task", "1", None, None], ["a", None]),
        (["task", "1", None, None], ["1"]),
        (["task", "1", None, None], [1]),
        (["task", "1", None, None], [True]),
        (["task", "1", None, None], [["a"]]),
        (["task", "1", None, None], [{"a": 1}]),
        (["task", "1", None, None], []),
    ]
    prints = [fingerprint(*order) for order in orders]
    assert len(set(prints)) == len(orders)
    assert fingerprint(["task"], [{"a": 1, "b": 2}]) == fingerprint(["task"], [{"b": 2, "a": 1}])
    assert "hunter2" not in fingerprint(["task"], ["hunter2"])


def test_equal_orders_find_their_records_in_order() -> None:
    records = Records((record(1), record(2, order="b"), record(3)))
    for number in (1, 3):
        found = records.find(wanted())
        assert found.record is not None
        assert found.record.job_id == ident(number)
        records = records.taken_up(found.record.job_id, "2")
    assert records.find(wanted()).record is None


def test_what_this_try_made_is_no_answer_to_its_next_order() -> None:
    assert Records((record(1, try_id="2"),)).find(wanted()) == Finding()


def test_another_order_does_not_take_it_and_wants_it_out_of_the_way() -> None:
    left = record(1, order="b")
    assert Records((left,)).find(wanted()) == Finding(in_the_way=(left,))
    settled = Records((left,)).settled(left.job_id)
    assert settled.find(wanted()) == Finding()
    again = settled.find(wanted("b")).record
    assert again is not None
    assert again.job_id == left.job_id


def test_a_record_of_another_place_is_not_taken() -> None:
    left = record(1, place=THERE)
    assert Records((left,)).find(wanted()).elsewhere == left
    # Another connection leads there: the task has several, or was changed.
    other = record(2, place=THERE, conn_id="d")
    assert Records((other,)).find(wanted()) == Finding(in_the_way=(other,))
    # The same place by another connection.
    renamed = record(3, conn_id="d")
    assert Records((renamed,)).find(wanted()).record == renamed


def test_a_clear_makes_all_records_stale() -> None:
    left = (record(1), record(2, order="b"), record(3, place=THERE))
    assert Records(left).find(wanted(generation=Generation(2, 1, 2, 1))) == Finding(stale=left)


def test_a_clear_after_touch_was_lost_takes_the_job_up_if_it_lives() -> None:
    """It would cancel a healthy job otherwise, of which nobody knew how it was."""
    cleared = Generation(2, 1, 2, 1)
    left = Records((record(1), record(2), record(3, order="b"))).left_alone(ident(2)).left_alone(ident(3))
    found = left.find(wanted(generation=cleared))
    assert (found.record, found.after_clear) == (left.all[1], True)
    assert found.stale == (left.all[0], left.all[2])
    taken = left.taken_up(ident(2), "2", cleared)
    again = taken.find(wanted(generation=cleared, try_id="3"))
    assert (again.record, again.after_clear) == (taken.all[1], False)
    # Once it was taken up, a Clear is a Clear.
    assert taken.find(wanted(generation=Generation(3, 1, 3, 2), try_id="3")).record is None
    # In another place it cannot be looked at.
    elsewhere = Records((record(1, place=THERE, left_alone=True),))
    assert elsewhere.find(wanted(generation=cleared)) == Finding(stale=elsewhere.all)


def test_a_clear_never_takes_the_result_of_before() -> None:
    live = job(1, "assigned")
    assert decide(live, None, after_clear=True) is Next.WAIT
    for gone, accepted in ((None, None), (job(1, "finished"), True), (job(1, "finished"), False)):
        assert decide(gone, accepted, after_clear=True) is Next.SUBMIT


def test_a_record_takes_the_place_of_another() -> None:
    records = Records((record(1), record(2)))
    assert records.remembering(record(3), instead_of=ident(1)).all == (record(3), record(2))
    assert records.remembering(record(3)).all == (record(1), record(2), record(3))
    assert records.without(ident(1)).all == (record(2),)
