"""One Airflow task that orders several jobs, by an operator's subclass or by operators that a function executes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_theeye.api.settings import ServerSettings
from airflow_provider_theeye.exceptions import JobCancelled, TheEyeConnectionChanged, TheEyeRefused
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator, TheEyeWorkflowOperator
from airflow_provider_theeye.sandbox import Sandbox
from tests.running import MODES, FakeStore, FakeTaskInstance, context, run

pytestmark = pytest.mark.usefixtures("connection")
greet = partial(TheEyeTaskOperator, task_id="task", theeye_task_name="Greet", poll_interval=0.2)
endless = partial(TheEyeTaskOperator, task_id="task", theeye_task_name="Endless", poll_interval=0.2)


class Lost(Exception):
    """The worker is gone."""


class ForEach(TheEyeTaskOperator):
    """One job after the other, for each row; the worker is lost before the row ``lost_at``."""

    def __init__(self, *, rows: list[str], lost_at: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rows, self.lost_at = rows, lost_at

    def execute(self, context: Any) -> list[Any]:
        got = []
        for number, row in enumerate(self.rows):
            if number == self.lost_at:
                raise Lost
            self.task_arguments = [row]
            got.append(super().execute(context)["output"][0])
        return got


each = partial(ForEach, task_id="task", theeye_task_name="Greet", poll_interval=0.2)


def tries(number: int = 5) -> Iterator[dict[str, Any]]:
    """The contexts of a task's tries, which share one store."""
    store = FakeStore()
    return (context(FakeTaskInstance(one, number), store) for one in range(1, number + 1))


def started(journal: Sandbox) -> int:
    return journal.journal()["totals"]["started"]


def live(context: dict[str, Any], operator: TheEyeTaskOperator) -> str:
    """Start a job as a try does whose worker is lost right after."""
    operator.wait_for_completion = False
    job_id: str = operator.execute(context)["job_id"]  # type: ignore[arg-type]
    return job_id


def test_a_loop_runs_one_job_for_each_row(journal: Sandbox) -> None:
    (ctx,) = tries(1)
    assert each(rows=["a", "b", "a"]).execute(ctx) == ["Hello, a!", "Hello, b!", "Hello, a!"]
    assert started(journal) == 3


def test_operators_in_one_task_run_one_job_each(journal: Sandbox) -> None:
    (ctx,) = tries(1)
    chain = TheEyeWorkflowOperator(task_id="w", theeye_workflow_name="Chain", task_arguments=["7"], poll_interval=0.2)
    values = [
        greet(task_arguments=["a"]).execute(ctx),
        greet(task_arguments=["b"]).execute(ctx),
        TheEyeTaskOperator(task_id="x", theeye_task_name="Hello World", poll_interval=0.2).execute(ctx),
        chain.execute(ctx),
    ]
    assert [value["output"] for value in values[:2]] == [["Hello, a!"], ["Hello, b!"]]
    assert values[2]["name"] == "Hello World"
    assert len({value["job_id"] for value in values}) == 4


def test_a_retry_finds_each_orders_job_in_order(journal: Sandbox) -> None:
    rows = ["a", "b", "a", "c"]
    first, second, third = tries(3)
    with pytest.raises(Lost):
        each(rows=rows, lost_at=3).execute(first)
    assert started(journal) == 3
    made = [*journal.journal()["jobs"]]
    took: list[str] = []
    operator = each(rows=rows)
    second["ti"].xcom_push = lambda key, value: took.append(value) if key == "job_id" else None
    assert operator.execute(second) == ["Hello, a!", "Hello, b!", "Hello, a!", "Hello, c!"]
    assert took[:3] == made
    assert started(journal) == 4
    # And once more, for instance after a lost answer to Airflow.
    assert len(each(rows=rows).execute(third)) == 4
    assert started(journal) == 4


@pytest.mark.parametrize("mode", MODES)
def test_a_try_that_never_began_leaves_its_id_to_the_next(mode: str, journal: Sandbox) -> None:
    """Airflow gives a new id only after a try that ran: not if a deferred task's second process cannot start."""
    first, second = tries(2)
    second["ti"].id = first["ti"].id
    job = live(first, greet(task_arguments=["x"]))
    assert run(partial(greet, task_arguments=["x"]), mode, second)["job_id"] == job
    assert started(journal) == 1


def test_jobs_that_nobody_waits_for_stand_in_nobodys_way(sandbox: Sandbox) -> None:
    first, second = tries(2)
    jobs = [live(first, endless()) for _ in range(2)]
    assert len({*jobs}) == 2
    assert [live(second, endless()) for _ in range(2)] == jobs
    hook = TheEyeHook()
    assert not any(hook.get_job(job).is_over for job in jobs)
    for job in jobs:
        hook.cancel(job)


@pytest.mark.parametrize("mode", MODES)
def test_a_retry_with_another_order_stops_the_job_of_the_first(
    mode: str, journal: Sandbox, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    first, second, third = tries(3)
    old = live(first, endless())
    value = run(partial(greet, task_arguments=["x"]), mode, second)
    assert (value["output"], TheEyeHook().get_job(old).state) == (["Hello, x!"], "canceled")
    said = capsys.readouterr().out + caplog.text
    assert f"TheEye job {old}, started by an earlier try with another task or other arguments, is still" in said
    # The first order again: its job was cancelled, so there is a new one.
    again = live(third, endless())
    assert again != old
    TheEyeHook().cancel(again)


def test_a_job_that_cannot_be_stopped_is_not_joined_by_another(sandbox: Sandbox) -> None:
    first, second = tries(2)
    old = live(first, endless())
    sandbox.set_faults([{"method": "PUT", "path": "*/cancel", "do": "status", "status": 204, "body": None}])
    try:
        with pytest.raises(TheEyeRefused, match="could not be cancelled: it is still"):
            greet(task_arguments=["x"]).execute(second)
    finally:
        sandbox.clear_faults()
        TheEyeHook().cancel(old)


def test_equal_orders_of_one_task_side_by_side_in_threads(journal: Sandbox) -> None:
    from concurrent.futures import ThreadPoolExecutor

    first, second = tries(2)
    rows = ["a", "a", "b", "c"]
    for ctx in (first, second):
        with ThreadPoolExecutor(4) as pool:
            values = [*pool.map(lambda row, ctx=ctx: greet(task_arguments=[row]).execute(ctx), rows)]
        assert [value["output"] for value in values] == [[f"Hello, {row}!"] for row in rows]
        assert len({value["job_id"] for value in values}) == 4
    assert started(journal) == 4


def test_operators_that_a_task_executes_are_killed_with_it(sandbox: Sandbox) -> None:
    """Airflow calls ``on_kill`` of the task that it runs, and knows of no other operator."""
    from concurrent.futures import ThreadPoolExecutor

    (ctx,) = tries(1)
    killed: list[str] = []

    class Outer(BaseOperator):
        def on_kill(self) -> None:
            killed.append("outer")

    ctx["task"] = task = Outer(task_id="outer")
    inner = [endless(), endless()]
    hook = TheEyeHook()
    with ThreadPoolExecutor(2) as pool:
        waits = [pool.submit(one.execute, ctx) for one in inner]
        sandbox.wait(lambda: all(one.running and hook.get_job(one.running.id).lifecycle == "assigned" for one in inner))
        jobs = [one.running.id for one in inner]
        task.on_kill()
        for wait in waits:
            with pytest.raises(JobCancelled):
                wait.result()
    assert {hook.get_job(job).state for job in jobs} == {"canceled"}
    assert killed == ["outer"]
    assert "on_kill" not in vars(task)


def test_a_resumed_task_may_order_another_job(journal: Sandbox) -> None:
    """In the process after the deferral, still in the same try."""

    class Twice(TheEyeTaskOperator):
        def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
            first = super().execute_complete(context, event)
            self.deferrable = False
            return [first, super().execute(context)]

    (ctx,) = tries(1)
    make = partial(Twice, task_id="t", theeye_task_name="Greet", task_arguments=["a"], poll_interval=0.2)
    values = run(make, "deferrable", ctx)
    assert values[0]["job_id"] != values[1]["job_id"]
    assert started(journal) == 2


# --- where the job lives ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Sandbox]:
    with Sandbox("tests/world.yaml") as running:
        yield running


def point(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, conn_id: str = "theeye_default", **changed: Any) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(sandbox.airflow_connection() | changed))


@pytest.mark.parametrize("on_missing", ["fail", "resubmit"])
def test_a_connection_that_leads_to_another_server(
    on_missing: str, journal: Sandbox, elsewhere: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = tries(3)
    old = live(first, endless())
    point(monkeypatch, elsewhere)
    elsewhere.reset_journal()
    with pytest.raises(TheEyeConnectionChanged, match="leads to another place") as error:
        endless(on_missing=on_missing).execute(second)
    assert error.value.job_id == old
    assert all(sandbox.url in str(error.value) for sandbox in (journal, elsewhere))
    assert elsewhere.journal()["totals"]["created"] == 0
    point(monkeypatch, journal)
    assert TheEyeHook().get_job(old).lifecycle in ("ready", "assigned")
    assert live(third, endless()) == old
    TheEyeHook().cancel(old)


def test_a_connection_that_leads_to_another_organization(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tries(2)
    old = live(first, endless())
    token = sandbox.token("other-integration")
    point(monkeypatch, sandbox, schema="other", password=token)
    with pytest.raises(
        TheEyeConnectionChanged, match=r"in organization 'demo' at .* leads to organization 'other' at "
    ):
        endless().execute(second)
    point(monkeypatch, sandbox)
    TheEyeHook().cancel(old)


def test_a_connection_that_has_lost_its_token(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tries(2)
    operator = endless(theeye_task_name=None, theeye_task_id=sandbox.task_id("endless"))
    old = live(first, operator)
    secrets = {sandbox.task_id("endless"): sandbox.task_secret("endless")}
    point(monkeypatch, sandbox, password="", extra={"secrets": secrets})
    with pytest.raises(TheEyeRefused, match=f"needs an integration token .* job {old} was left alone"):
        endless(theeye_task_name=None, theeye_task_id=sandbox.task_id("endless")).execute(second)
    point(monkeypatch, sandbox)
    TheEyeHook().cancel(old)


def test_a_clear_runs_it_at_the_new_place_and_says_what_it_could_not_cancel(
    journal: Sandbox,
    elsewhere: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = FakeStore()
    old = live(context(FakeTaskInstance(1, 1), store), endless())
    point(monkeypatch, elsewhere)
    value = greet(task_arguments=["x"]).execute(context(FakeTaskInstance(2, 2), store))
    assert value["output"] == ["Hello, x!"]
    said = capsys.readouterr().out + caplog.text
    assert (
        f"TheEye job {old}, started before this task was cleared, lives in organization 'demo' at {journal.url}" in said
    )
    assert [row["job_id"] for row in store.values["theeye_job"]] == [value["job_id"]]
    point(monkeypatch, journal)
    TheEyeHook().cancel(old)


def test_a_task_with_two_connections(journal: Sandbox, elsewhere: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each order is taken up where it was made; one that is in the way is stopped by its own connection."""
    point(monkeypatch, elsewhere, "theeye_b")
    first, second, third, fourth = tries(4)
    jobs = [live(first, endless()), live(first, endless(theeye_conn_id="theeye_b"))]
    assert [live(second, endless(theeye_conn_id="theeye_b")), live(second, endless())] == [*reversed(jobs)]
    assert greet(task_arguments=["x"]).execute(third)["outcome"] == "succeeded"
    hooks = [TheEyeHook(), TheEyeHook("theeye_b")]
    assert [hook.get_job(job).state for hook, job in zip(hooks, jobs, strict=True)] == ["canceled", "canceled"]
    # And if that connection leads elsewhere by then, nothing is started.
    left = live(fourth, endless(theeye_conn_id="theeye_b"))
    point(monkeypatch, journal, "theeye_b")
    fourth["ti"].id = "another try"
    with pytest.raises(TheEyeConnectionChanged, match="connection 'theeye_b' leads to another place"):
        greet(task_arguments=["y"]).execute(fourth)
    point(monkeypatch, elsewhere, "theeye_b")
    TheEyeHook("theeye_b").cancel(left)


def test_a_loop_over_connections(journal: Sandbox, elsewhere: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    point(monkeypatch, elsewhere, "theeye_b")
    elsewhere.reset_journal()
    (ctx,) = tries(1)
    operator = greet(task_arguments=["a"])
    for conn_id in ("theeye_default", "theeye_b"):
        operator.theeye_conn_id = conn_id
        operator.execute(ctx)
    assert [started(one) for one in (journal, elsewhere)] == [1, 1]


def test_a_record_holds_the_place_and_nothing_secret(sandbox: Sandbox) -> None:
    (ctx,) = tries(1)
    value = greet(task_arguments=["hunter2"]).execute(ctx)
    (stored,) = ctx["task_state_store"].values["theeye_job"]
    settings: ServerSettings = TheEyeHook().settings.server
    assert (stored["job_id"], stored["server"], stored["organization"]) == (value["job_id"], settings.url, "demo")
    assert "hunter2" not in json.dumps(stored)
    assert str(settings.token) not in json.dumps(stored)
