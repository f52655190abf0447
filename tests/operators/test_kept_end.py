"""An end that one try saw is there for the next one, although TheEye has deleted the job's record meanwhile."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from airflow_provider_theeye.exceptions import JobFailed, JobOutcomeUnknown
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator, TheEyeWorkflowOperator
from airflow_provider_theeye.sandbox import Sandbox
from tests.running import MODES, FakeStore, FakeTaskInstance, context, run

pytestmark = pytest.mark.usefixtures("connection")
both_modes = pytest.mark.parametrize("mode", MODES)
task = partial(TheEyeTaskOperator, task_id="task", poll_interval=0.3)
workflow = partial(TheEyeWorkflowOperator, task_id="workflow", poll_interval=0.3)


class RefusedPush(RuntimeError):
    """As Airflow's SDK raises for an answer of 404."""


class RefusingTaskInstance(FakeTaskInstance):
    """Airflow takes no result from it."""

    def xcom_push(self, key: str, value: Any) -> None:
        if key == "output":
            raise RefusedPush("404 Not Found")
        super().xcom_push(key, value)


class RefusingStore(FakeStore):
    """Takes nothing more once the job was remembered."""

    def set(self, key: str, value: Any, **options: Any) -> None:
        if self.values:
            raise RefusedPush("404 Not Found")
        super().set(key, value, **options)


def forget_all(journal: Sandbox) -> list[str]:
    """What retention does when others start enough jobs of the same task."""
    jobs = list(journal.journal()["jobs"])
    for job_id in jobs:
        journal.forget_job(job_id)
    return jobs


@both_modes
def test_a_result_that_airflow_did_not_take(mode: str, journal: Sandbox) -> None:
    make = partial(task, theeye_task_id=journal.task_id("greet"), task_arguments=["once"])
    store = FakeStore()
    with pytest.raises(RefusedPush):
        run(make, mode, context(RefusingTaskInstance(1, 1), store))
    jobs = forget_all(journal)
    ti = FakeTaskInstance(2, 1)
    value = run(make, mode, context(ti, store))
    assert ([value["job_id"]], value["output"], value["outcome"]) == (jobs, ["Hello, once!"], "succeeded")
    assert ti.xcoms["output"] == ["Hello, once!"]
    assert list(journal.journal()["jobs"]) == jobs


@both_modes
@pytest.mark.parametrize("key", ["chain", "old"])
def test_a_workflows_result_that_was_lost_on_its_last_way(mode: str, key: str, journal: Sandbox) -> None:
    """Airflow's own task runner pushes the return value, after the operator is through."""
    make = partial(
        workflow, theeye_workflow_id=journal.workflow_id(key), task_arguments=["s"] if key == "chain" else []
    )
    store = FakeStore()
    first = run(make, mode, context(FakeTaskInstance(1, 1), store))
    jobs = forget_all(journal)
    assert run(make, mode, context(FakeTaskInstance(2, 1), store)) == first
    assert list(journal.journal()["jobs"]) == jobs


@both_modes
def test_a_failed_job_is_replaced_although_its_record_is_gone(mode: str, journal: Sandbox) -> None:
    make = partial(task, theeye_task_id=journal.task_id("failing"))
    store = FakeStore()
    with pytest.raises(JobFailed) as first:
        run(make, mode, context(FakeTaskInstance(1, 1), store))
    forget_all(journal)
    with pytest.raises(JobFailed) as second:
        run(make, mode, context(FakeTaskInstance(2, 1), store))
    assert second.value.job_id != first.value.job_id


@both_modes
def test_a_result_that_nobody_wants_is_not_stored_here_either(mode: str, journal: Sandbox) -> None:
    make = partial(task, theeye_task_id=journal.task_id("greet"), task_arguments=["quietly"], do_xcom_push=False)
    store = FakeStore()
    run(make, mode, context(FakeTaskInstance(1, 1), store))
    assert "quietly" not in str(store.values)
    jobs = forget_all(journal)
    assert run(make, mode, context(FakeTaskInstance(2, 1), store))["job_id"] == jobs[0]


@both_modes
def test_clear_starts_a_new_job_nevertheless(mode: str, journal: Sandbox) -> None:
    make = partial(task, theeye_task_id=journal.task_id("hello"))
    store = FakeStore()
    first = run(make, mode, context(FakeTaskInstance(1, 1), store))
    forget_all(journal)
    assert run(make, mode, context(FakeTaskInstance(2, 2), store))["job_id"] != first["job_id"]


@both_modes
def test_nothing_is_kept_without_a_retry(mode: str, journal: Sandbox) -> None:
    store = FakeStore()
    run(partial(task, theeye_task_id=journal.task_id("hello")), mode, context(FakeTaskInstance(1, 0), store))
    assert list(store.values) == ["theeye_job"]


@both_modes
def test_a_large_result_is_not_kept(mode: str, journal: Sandbox) -> None:
    make = partial(task, theeye_task_id=journal.task_id("big"))
    store = FakeStore()
    run(make, mode, context(FakeTaskInstance(1, 1), store))
    forget_all(journal)
    with pytest.raises(JobOutcomeUnknown):
        run(make, mode, context(FakeTaskInstance(2, 1), store))


@both_modes
def test_a_task_does_not_fail_because_nothing_could_be_kept(mode: str, journal: Sandbox) -> None:
    make = partial(task, theeye_task_id=journal.task_id("hello"))
    assert run(make, mode, context(FakeTaskInstance(1, 1), RefusingStore()))["outcome"] == "succeeded"
