"""The work is started once for each order of a task, whatever happens between its tries."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from airflow_provider_theeye.api.errors import NoAnswer, TheEyeError
from airflow_provider_theeye.api.models import Job
from airflow_provider_theeye.api.settings import Place
from airflow_provider_theeye.jobs.once import UNDER_WAY
from airflow_provider_theeye.jobs.outcome import Verdict
from airflow_provider_theeye.jobs.reading import Ended, read_whole
from airflow_provider_theeye.jobs.resume import Generation, Next, Record, Records, Wanted, decide, fingerprint
from airflow_provider_theeye.jobs.submission import NothingStarted, Order, give_up, release, submit
from airflow_provider_theeye.jobs.verdict import Strictness, judge_whole

from .fake_server import TASK, WORKFLOW, FakeServer, Late


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
        self.records = Records()
        self.retries = 1000
        self.max_tries = self.retries
        self.try_number = 0
        self.instead_of: str | None = None
        self.server.fault = self._fate

    def _fate(self, name: str) -> BaseException | None:
        self._check()
        fate = self.fates.pop(0) if self.fates else "fine"
        if fate == "crash":
            raise Crash
        if fate == "lost before":
            raise NoAnswer("the connection was closed")
        if fate in ("late", "crash late", "very late"):
            raise Late(0.5 if fate == "late" else 4.0, Crash() if fate == "crash late" else NoAnswer("no answer came"))
        if fate == "hosts take":
            self.server.take()
        if fate == "scripts end":
            self.server.report()
        if fate == "tidied":
            self._tidied()
        after: dict[str, BaseException] = {"lost after": NoAnswer("the answer did not come"), "crash after": Crash()}
        return after.get(fate)

    def _check(self) -> None:
        assert sum(self.server.starts.values()) <= 1, "started twice"

    def _tidied(self) -> None:
        """Another run gives up whatever is held. It would be old by then, and nothing under way for it any more."""
        self.server.pass_time(UNDER_WAY)
        for row in [*self.server.rows.values()]:
            if row["lifecycle"] == "syncing" and row["_type"] != "WorkflowJob":
                row["lifecycle"] = "onhold"
                self.server._cancel(row)

    def _remember(self, job: Job) -> bool:
        self.records = self.records.remembering(Record.of(job, 0.0, self._wanted()), instead_of=self.instead_of)
        self.instead_of = job.id
        return True

    def _wanted(self) -> Wanted:
        return Wanted(
            order=fingerprint([self.order.theeye_id], self.order.arguments),
            place=Place("http://here", "demo"),
            conn_id="c",
            try_id=str(self.try_number),
            generation=Generation(self.max_tries, self.retries, self.try_number, 0),
        )

    def clear(self) -> None:
        self.max_tries = self.try_number + self.retries

    def _read(self, job_id: str) -> tuple[Ended | None, Verdict | None]:
        ended: Ended | None = self.server.carry_out(read_whole(job_id))
        over = ended is not None and ended.job.is_over
        return ended, judge_whole(ended, Strictness()).verdict if ended is not None and over else None

    def _attached(self) -> str | None:
        """The way an operator takes a job up, in as few words as possible."""
        found = self.records.find(self._wanted())
        self.instead_of = None
        for old in found.stale:
            self._stop(old)
            self.records = self.records.without(old.job_id)
        for old in found.in_the_way:
            self._stop(old)
            self.records = self.records.settled(old.job_id)
        if found.record is None:
            return None
        job_id = found.record.job_id
        self.records = self.records.taken_up(job_id, str(self.try_number))
        ended, verdict = self._read(job_id)
        step = decide(ended.job if ended else None, None if verdict is None else verdict.good)
        if step is Next.RELEASE and ended is not None:
            step = step if self.server.carry_out(release(ended.job, of_earlier_try=True)) else Next.SUBMIT
        if step is not Next.SUBMIT:
            return job_id
        self.instead_of = job_id
        return None

    def _stop(self, old: Record) -> None:
        ended, _ = self._read(old.job_id)
        if ended is not None and not (ended.job.is_over and ended.steps_are_over):
            self.server.carry_out(give_up(ended.job))

    def one_try(self) -> bool:
        """Whether this try succeeded."""
        self.try_number += 1
        try:
            return self.one_order()
        except (Crash, TheEyeError, NothingStarted):
            pass
        return False

    def one_order(self) -> bool:
        job_id = self._attached() or self.server.carry_out(submit(self.order, self._remember)).id
        for _ in range(20):
            self.server.take()
            self.server.report()
            verdict = self._read(job_id)[1]
            if verdict is not None:
                assert self.server.rows[job_id]["task_arguments_values"] == self.order.arguments, "another's result"
                return verdict.good
        return False

    def until_it_succeeds(self) -> int:
        for number in range(1, 200):
            if self.one_try():
                return number
        raise AssertionError("never succeeded")


FATES = st.lists(
    st.sampled_from(
        [
            "fine",
            "fine",
            "lost before",
            "lost after",
            "late",
            "very late",
            "crash late",
            "crash",
            "crash after",
            "hosts take",
            "scripts end",
            "tidied",
        ]
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
    chain.clear()
    chain.fates = [*more]
    chain.until_it_succeeds()
    assert sum(chain.server.starts.values()) == 1
    assert not before.keys() & chain.server.starts.keys()


def test_a_clear_stops_what_still_runs() -> None:
    chain = Chain(Order(TASK, ["a"]), [])
    chain.try_number = 1
    chain.server.carry_out(submit(chain.order, chain._remember))
    chain.server.take()
    (first,) = (record.job_id for record in chain.records.all)
    chain.server.starts.clear()
    chain.clear()
    assert chain.one_try()
    assert chain.server.rows[first]["state"] == "canceled"
    assert sum(chain.server.starts.values()) == 1


# --- several orders of one task ---------------------------------------------------------------------------------------


class Several(Chain):
    """One task that orders one job after the other; in each try maybe others.

    :param tries: what is ordered in each try; the last one again and again.
    """

    def __init__(self, tries: list[list[str]], fates: list[str]) -> None:
        super().__init__(Order(TASK, []), fates)
        self.tries = tries

    def _check(self) -> None:
        live = [row for row in self.server.rows.values() if row["lifecycle"] in ("ready", "assigned")]
        assert len(live) <= 1, "two side by side"
        assert all(started == 1 for started in self.server.starts.values()), "started twice"

    def one_order(self) -> bool:
        for argument in self.tries[min(self.try_number, len(self.tries)) - 1]:
            self.order = Order(TASK, [argument])
            if not super().one_order():
                return False
        return True

    def started(self) -> Counter[str]:
        """How often a script was started with each argument."""
        rows = self.server.rows
        return Counter(rows[job_id]["task_arguments_values"][0] for job_id in self.server.starts)


ORDERS = st.lists(st.sampled_from("abc"), min_size=1, max_size=5)


@settings(max_examples=300, deadline=None)
@given(orders=ORDERS, fates=FATES)
def test_each_order_of_a_task_is_started_exactly_once(orders: list[str], fates: list[str]) -> None:
    task = Several([orders], [*fates])
    task.until_it_succeeds()
    assert task.started() == Counter(orders)


@settings(max_examples=300, deadline=None)
@given(tries=st.lists(ORDERS, min_size=1, max_size=5), fates=FATES)
def test_a_try_with_other_orders_gets_no_other_result_and_runs_nothing_beside(
    tries: list[list[str]], fates: list[str]
) -> None:
    task = Several(tries, [*fates])
    tries_made = task.until_it_succeeds()
    last = Counter(tries[min(tries_made, len(tries)) - 1])
    assert last <= task.started()


@settings(max_examples=100, deadline=None)
@given(orders=ORDERS, fates=FATES, more=FATES)
def test_a_clear_runs_all_orders_once_more(orders: list[str], fates: list[str], more: list[str]) -> None:
    task = Several([orders], [*fates])
    task.until_it_succeeds()
    task.clear()
    task.fates = [*more]
    task.until_it_succeeds()
    assert task.started() == Counter(orders) + Counter(orders)
