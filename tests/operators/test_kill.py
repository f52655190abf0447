"""What a killed task does about its job, and what it may not do any more in its last seconds."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from airflow_provider_theeye.exceptions import TheEyeJobError
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator
from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.version_compat import HAS_TASK_STATE_STORE
from tests.running import FakeStore, FakeTaskInstance, context

pytestmark = pytest.mark.usefixtures("connection")


def task(sandbox: Sandbox, key: str, **options: Any) -> TheEyeTaskOperator:
    return TheEyeTaskOperator(task_id="t", theeye_task_id=sandbox.task_id(key), poll_interval=0.1, **options)


@pytest.mark.parametrize("submission", ["held", "direct"])
def test_a_task_killed_while_it_submits_leaves_nothing_running(submission: str, journal: Sandbox) -> None:
    """The process goes on for some seconds after the signal."""
    operator = task(journal, "endless", submission=submission)

    class Interrupted(FakeStore):
        def set(self, key: str, value: Any, **options: Any) -> None:
            super().set(key, value, **options)
            operator.on_kill()

    with pytest.raises(TheEyeJobError):
        operator.execute(context(FakeTaskInstance(1, 1), Interrupted()))
    hook = TheEyeHook()
    jobs = journal.journal()["jobs"]
    assert [one["started"] for one in jobs.values()].count(1) == (submission == "direct")
    assert all(hook.get_job(one).is_over for one in jobs)


@pytest.mark.parametrize("submission", ["held", "direct"])
def test_a_task_killed_before_its_job_exists_starts_none(submission: str, journal: Sandbox) -> None:
    operator = task(journal, "endless", submission=submission)
    operator.on_kill()
    with pytest.raises(TheEyeJobError, match="was killed"):
        operator.execute(context(FakeTaskInstance(1, 1), FakeStore()))
    assert all(TheEyeHook().get_job(one).is_over for one in journal.journal()["jobs"])


@pytest.mark.skipif(
    not HAS_TASK_STATE_STORE, reason="before Airflow 3.3 nothing tells a replaced try from a killed one"
)
@pytest.mark.parametrize("cleared", [False, True])
def test_the_job_of_a_replaced_try_is_left_to_the_next_one(cleared: bool, journal: Sandbox) -> None:
    """Airflow cuts a try that it has replaced off from the store, and one that a user cleared too."""
    operator = task(journal, "endless")
    store, ti = FakeStore(), FakeTaskInstance(1, 1)
    ended: list[BaseException] = []

    def execute() -> None:
        try:
            operator.execute(context(ti, store))
        except Exception as error:
            ended.append(error)

    running = threading.Thread(target=execute, daemon=True)
    running.start()
    job_id = journal.wait(lambda: next((i for i, one in journal.journal()["jobs"].items() if one["started"]), None))
    hook = TheEyeHook()
    kept, store.values = store.values, {}
    if cleared:
        ti.state = "restarting"
    else:
        operator.on_kill()
        assert not hook.get_job(job_id).is_over
        store.values = kept
    operator.on_kill()
    assert hook.get_job(job_id).state == "canceled"
    running.join(10)
    assert [type(error).__name__ for error in ended] == ["JobCancelled"]
