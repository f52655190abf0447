"""What a new try does about an earlier one's job, and that the work is started once whatever happens between them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from airflow_provider_theeye.api.errors import NoAnswer, TheEyeError
from airflow_provider_theeye.api.models import Job
from airflow_provider_theeye.jobs.cancelling import cancel
from airflow_provider_theeye.jobs.outcome import Outcome, Verdict
from airflow_provider_theeye.jobs.reading import Ended, read_whole
from airflow_provider_theeye.jobs.resume import Next, Record, decide
from airflow_provider_theeye.jobs.submission import NothingStarted, Order, release, submit
from airflow_provider_theeye.jobs.verdict import Strictness, judge_whole

from .documents import ident, job, run
from .fake_server import TASK, WORKFLOW, FakeServer

GOOD, BAD = Verdict(Outcome.SUCCEEDED, "it succeeded"), Verdict(Outcome.FAILED, "it failed")


@pytest.mark.parametrize(
    ("generation", "now", "verdict", "step"),
    [
        ("1", job(1, "syncing"), None, Next.RELEASE),
        ("1", run(1, "syncing"), None, Next.RELEASE),
        ("1", job(1, "ready"), None, Next.WAIT),
        ("1", job(1, "assigned"), None, Next.WAIT),
        ("1", job(1, "onhold"), None, Next.WAIT),
        ("1", run(1, "onhold"), None, Next.RELEASE),  # behind an earlier run; only its first step tells
        ("1", run(1, "started"), None, Next.WAIT),
        ("1", job(1, "finished"), GOOD, Next.TAKE_RESULT),
        ("1", job(1, "finished"), BAD, Next.SUBMIT),
        ("1", job(1, "canceled"), Verdict(Outcome.CANCELLED, "by a user"), Next.SUBMIT),
        ("1", None, None, Next.UNKNOWN),
        ("2", job(1, "finished"), GOOD, Next.SUBMIT),
        ("2", job(1, "finished"), BAD, Next.SUBMIT),
        ("2", None, None, Next.SUBMIT),
        ("2", job(1, "syncing"), None, Next.CANCEL_THEN_SUBMIT),
        ("2", job(1, "assigned"), None, Next.CANCEL_THEN_SUBMIT),
        ("0", run(1, "started"), None, Next.CANCEL_THEN_SUBMIT),
        ("2", run(1, "canceled"), None, Next.CANCEL_THEN_SUBMIT),  # a branch of it is live
    ],
)
def test_decisions(generation: str, now: Job | None, verdict: Verdict | None, step: Next) -> None:
    assert decide(Record(ident(1), "1", 0.0), generation, now, verdict) is step


def test_a_record_is_remembered_as_it_was() -> None:
    for record in (Record(ident(1), "3 2", 12.5, True), Record(ident(2), "0 0", 7)):
        assert Record.parse(record.to_json()) == record


@pytest.mark.parametrize(
    "data",
    [
        None,
        "text",
        [],
        {},
        {"job_id": "short", "gen": "1", "submitted": 1.0},
        {"job_id": ident(1), "gen": 1, "submitted": 1.0},
        {"job_id": ident(1), "gen": "1"},
        {"job_id": None, "gen": "1", "submitted": 1.0},
    ],
)
def test_what_is_no_record_of_ours_is_ignored(data: Any) -> None:
    assert Record.parse(data) is None


# --- once -------------------------------------------------------------------------------------------------------------


class Crash(BaseException):
    """The process is gone, whatever it was about to do."""


class Chain:
    """The tries of one task instance, against a server whose answers get lost and beside others who tidy.

    What happens is drawn from ``fates``, one for each request; when they run out nothing goes wrong any more.
    """

    def __init__(self, order: Order, fates: list[str]) -> None:
        self.order = order
        self.fates = fates
        self.server = FakeServer()
        self.memory: Record | None = None
        self.generation = 0
        self.server.fault = self._fate

    def _fate(self, name: str) -> BaseException | None:
        assert sum(self.server.starts.values()) <= 1, "started twice"
        fate = self.fates.pop(0) if self.fates else "fine"
        if fate == "crash":
            raise Crash
        if fate == "lost before":
            raise NoAnswer("the connection was closed")
        if fate == "hosts take":
            self.server.take()
        if fate == "scripts end":
            self.server.report()
        if fate == "tidied":
            self._tidied()
        after: dict[str, BaseException] = {"lost after": NoAnswer("the answer did not come"), "crash after": Crash()}
        return after.get(fate)

    def _tidied(self) -> None:
        """Another run gives up whatever is held."""
        for row in [*self.server.rows.values()]:
            if row["lifecycle"] == "syncing" and row["_type"] != "WorkflowJob":
                row["lifecycle"] = "onhold"
                self.server._cancel(row)

    def _remember(self, job: Job) -> bool:
        self.memory = Record(job.id, str(self.generation), 0.0, job.is_workflow)
        return True

    def _read(self, job_id: str) -> tuple[Ended | None, Verdict | None]:
        ended: Ended | None = self.server.carry_out(read_whole(job_id))
        over = ended is not None and ended.job.is_over
        return ended, judge_whole(ended, Strictness()).verdict if ended is not None and over else None

    def _attached(self) -> str | None:
        """The way an operator takes a job up, in as few words as possible."""
        if self.memory is None:
            return None
        ended, verdict = self._read(self.memory.job_id)
        step = decide(self.memory, str(self.generation), ended.job if ended else None, verdict)
        if step is Next.CANCEL_THEN_SUBMIT and ended is not None:
            self.server.carry_out(cancel(ended.job.id, is_workflow=ended.job.is_workflow))
        if step is Next.RELEASE and ended is not None and not self.server.carry_out(release(ended.job)):
            return None
        return None if step in (Next.SUBMIT, Next.CANCEL_THEN_SUBMIT) else self.memory.job_id

    def one_try(self) -> bool:
        """Whether this try succeeded."""
        try:
            job_id = self._attached() or self.server.carry_out(submit(self.order, self._remember)).id
            for _ in range(20):
                self.server.take()
                self.server.report()
                verdict = self._read(job_id)[1]
                if verdict is not None:
                    return verdict.good
        except (Crash, TheEyeError, NothingStarted):
            pass
        return False

    def until_it_succeeds(self) -> int:
        for number in range(1, 200):
            if self.one_try():
                return number
        raise AssertionError("never succeeded")


FATES = st.lists(
    st.sampled_from(
        ["fine", "fine", "lost before", "lost after", "crash", "crash after", "hosts take", "scripts end", "tidied"]
    ),
    max_size=60,
)


@pytest.mark.parametrize(
    "order", [Order(TASK, ["a"]), Order(WORKFLOW, ["a"], is_workflow=True)], ids=["task", "workflow"]
)
@settings(max_examples=400, deadline=None)
@given(fates=FATES)
def test_the_work_is_started_exactly_once(order: Order, fates: list[str]) -> None:
    chain = Chain(order, [*fates])
    tries = chain.until_it_succeeds()
    event(f"tries: {min(tries, 9)}")
    assert sum(chain.server.starts.values()) == 1
    held_or_over = {row["lifecycle"] for row in chain.server.rows.values()}
    assert held_or_over <= {"syncing", "canceled", "finished"}


@settings(max_examples=100, deadline=None)
@given(fates=FATES, more=FATES)
def test_a_clear_runs_it_once_more_and_never_beside_the_old_one(fates: list[str], more: list[str]) -> None:
    chain = Chain(Order(TASK, ["a"]), [*fates])
    chain.until_it_succeeds()
    before = dict(chain.server.starts)
    chain.server.starts.clear()
    chain.generation += 1
    chain.fates = [*more]
    chain.until_it_succeeds()
    assert sum(chain.server.starts.values()) == 1
    assert not before.keys() & chain.server.starts.keys()


def test_a_clear_stops_what_still_runs() -> None:
    chain = Chain(Order(TASK, ["a"]), [])
    chain.server.carry_out(submit(chain.order, chain._remember))
    chain.server.take()
    first = chain.memory.job_id if chain.memory else ""
    chain.server.starts.clear()
    chain.generation += 1
    assert chain.one_try()
    assert chain.server.rows[first]["state"] == "canceled"
    assert sum(chain.server.starts.values()) == 1
