"""What triggers do about their jobs when users kill their tasks, with the part of Airflow's triggerer that tells them.

Which ends count as a kill before Airflow 3.3 is tested with real Airflows in tests/system.
"""

from __future__ import annotations

import asyncio
import re

import pytest

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.triggers import cancelling, killed
from airflow_provider_theeye.triggers.task_states import MAX_NAMES, Instance, questions
from airflow_provider_theeye.triggers.watcher import JobWatcher
from airflow_provider_theeye.version_compat import AIRFLOW_3
from tests.triggers.triggerer import Airflow, Triggerer

pytestmark = [
    pytest.mark.usefixtures("connection"),
    pytest.mark.skipif(not AIRFLOW_3, reason="in Airflow 2 triggers ask the database"),
]
CONNECTION = "theeye_default"


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Airflow:
    from airflow.sdk.execution_time import task_runner

    answering = Airflow()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", answering, raising=False)
    return answering


def start(sandbox: Sandbox, count: int) -> list[str]:
    hook = TheEyeHook()
    return [hook.run(calls.create_job(sandbox.task_id("endless"), [])).id for _ in range(count)]


def lifecycles(job_ids: list[str]) -> set[str]:
    hook = TheEyeHook()
    return {hook.get_job(one).lifecycle for one in job_ids}


def killed_after_a_look(triggerer: Triggerer, sandbox: Sandbox, *faults: dict[str, object]) -> None:
    """All triggers wait; then come the faults, and a user who fails the run."""

    async def scenario() -> None:
        await triggerer.start()
        if faults:
            await asyncio.to_thread(sandbox.set_faults, list(faults))
        await triggerer.kill()

    try:
        asyncio.run(scenario())
    finally:
        sandbox.clear_faults()


@pytest.mark.parametrize("seconds", [0, 2.5])
def test_a_failed_run_leaves_nothing_running(seconds: float, journal: Sandbox, airflow: Airflow) -> None:
    """Each answer takes longer than Airflow waits before it cancels the trigger again."""
    jobs = start(journal, 40)
    triggerer = Triggerer(CONNECTION, jobs)
    delay = {"path": "/*", "do": "delay", "seconds": seconds}
    killed_after_a_look(triggerer, journal, *([delay] if seconds else []))
    assert lifecycles(jobs) <= {"terminated", "canceled"}
    assert len(airflow.asked) <= 3
    for number, job_id in triggerer.job_ids.items():
        said = " ".join(triggerer.log.of(number, "info"))
        assert re.search(rf"killed: cancelling TheEye job {job_id} TheEye job {job_id} is (terminated|canceled)", said)
    assert not [line for line in triggerer.log.lines if line[0] != "info" or line[2] is None]


def test_an_answer_that_takes_long_holds_up_nobody_twice(journal: Sandbox, airflow: Airflow) -> None:
    airflow.seconds = 4.0
    jobs = start(journal, 10)
    killed_after_a_look(Triggerer(CONNECTION, jobs), journal)
    assert lifecycles(jobs) <= {"terminated", "canceled"}
    assert len(airflow.asked) <= 2


def test_a_task_that_still_waits_keeps_its_job(journal: Sandbox, airflow: Airflow) -> None:
    """A triggerer that was out of reach for a while is told the same as for a kill."""
    airflow.state = "deferred"
    jobs = start(journal, 2)
    triggerer = Triggerer(CONNECTION, jobs)
    killed_after_a_look(triggerer, journal)
    assert lifecycles(jobs) <= {"ready", "assigned"}
    assert "still waits" in triggerer.log.of(1, "info")[-1]


@pytest.mark.parametrize("fails", [True, False])
def test_not_knowing_is_no_reason_to_cancel(
    fails: bool, journal: Sandbox, airflow: Airflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(killed, "ASK_SECONDS", 2.0)
    airflow.fails, airflow.seconds = fails, 0.1 if fails else 6.0
    jobs = start(journal, 2)
    triggerer = Triggerer(CONNECTION, jobs)
    killed_after_a_look(triggerer, journal)
    assert lifecycles(jobs) <= {"ready", "assigned"}
    for number, job_id in triggerer.job_ids.items():
        (warning,) = triggerer.log.of(number, "warning")
        assert f"TheEye job {job_id} is left alone" in warning
        assert "next try" in warning
        assert ("out of reach" in warning) is fails


def test_a_task_that_was_removed_is_killed(journal: Sandbox, airflow: Airflow) -> None:
    airflow.removed = True
    jobs = start(journal, 1)
    killed_after_a_look(Triggerer(CONNECTION, jobs), journal)
    assert lifecycles(jobs) <= {"terminated", "canceled"}


@pytest.mark.parametrize("status", [403, 404, 409, 429, 500, 503])
def test_theeye_refuses_for_a_moment(status: int, journal: Sandbox, airflow: Airflow) -> None:
    jobs = start(journal, 2)
    triggerer = Triggerer(CONNECTION, jobs)
    refusal = {"path": "/demo/job/*", "do": "status", "status": status, "headers": {"Retry-After": "60"}, "times": 4}
    killed_after_a_look(triggerer, journal, refusal)
    assert lifecycles(jobs) <= {"terminated", "canceled"}


@pytest.mark.parametrize("fault", [{"do": "status", "status": 500}, {"do": "hang"}])
def test_what_cannot_be_cancelled_is_an_error_in_the_log_of_its_task(
    fault: dict[str, object], journal: Sandbox, airflow: Airflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cancelling, "KILL_SECONDS", 3.0)
    jobs = start(journal, 2)
    triggerer = Triggerer(CONNECTION, jobs)
    killed_after_a_look(triggerer, journal, {"path": "/demo/job/*", **fault})
    for number, job_id in triggerer.job_ids.items():
        (error,) = triggerer.log.of(number, "error")
        assert f"TheEye job {job_id} could not be cancelled and may still be running" in error
    for one in jobs:
        TheEyeHook().cancel(one)


def test_a_server_that_does_not_do_what_it_says_is_an_error(
    journal: Sandbox, airflow: Airflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TheEye answers well to each cancellation, refused or not."""
    monkeypatch.setattr(cancelling, "KILL_SECONDS", 4.0)
    jobs = start(journal, 1)
    triggerer = Triggerer(CONNECTION, jobs)
    ignored = {"method": "PUT", "path": "/demo/job/*/cancel", "do": "status", "status": 200, "body": "{}"}
    killed_after_a_look(triggerer, journal, ignored)
    (error,) = triggerer.log.of(1, "error")
    assert "it is still assigned" in error
    TheEyeHook().cancel(jobs[0])


def test_the_shared_client_is_closed_once_although_the_closing_is_cancelled(
    journal: Sandbox, airflow: Airflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []
    close = JobWatcher._close

    async def slowly(self: JobWatcher) -> None:
        await asyncio.sleep(1.5)
        await close(self)
        closed.append(self)

    monkeypatch.setattr(JobWatcher, "_close", slowly)
    killed_after_a_look(Triggerer(CONNECTION, start(journal, 3)), journal)
    assert closed
    assert len(closed) == len(set(map(id, closed)))
    assert all(watcher.client._client is None for watcher in closed)


# --- asking Airflow -----------------------------------------------------------------------------------------------


def instance(task_id: str = "task", run_id: str = "run", map_index: int = -1, dag_id: str = "dag") -> Instance:
    return Instance(dag_id, run_id, task_id, map_index)


def test_all_tasks_and_runs_of_a_dag_are_one_question() -> None:
    asked = [instance(task, run, index) for task in "abc" for run in ("x", "y") for index in (0, 1)]
    (question,) = questions(asked)
    assert (question.dag_id, question.task_ids, question.run_ids) == ("dag", ("a", "b", "c"), ("x", "y"))
    assert question.map_index is None
    assert set(question.instances) == set(asked)


def test_one_instance_of_many_is_asked_about_alone() -> None:
    (question,) = questions([instance(map_index=7)])
    assert question.map_index == 7


def test_instances_that_have_one_name_in_the_answer_are_asked_about_apart() -> None:
    apart = [instance("a", map_index=1), instance("a_1"), instance("b")]
    assert [one.name for one in apart] == ["a_1", "a_1", "b"]
    for question in questions(apart):
        assert len({one.name for one in question.instances}) == len(question.instances)


def test_each_instance_is_asked_about_once_and_no_question_is_too_long() -> None:
    asked = [instance(f"task{n % 7}", f"run{n}", dag_id=f"dag{n % 3}") for n in range(5 * MAX_NAMES)]
    made = list(questions(asked))
    assert sorted(map(repr, asked)) == sorted(repr(one) for question in made for one in question.instances)
    assert all(len(question.run_ids) <= MAX_NAMES for question in made)
