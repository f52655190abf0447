"""Workflow jobs that people touch while an operator waits: approvals, cancellations, restarted steps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.models import Job
from airflow_provider_theeye.exceptions import JobCancelled, JobRejected
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.jobs.resume import Generation, Record
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator, TheEyeWorkflowOperator
from airflow_provider_theeye.sandbox import Sandbox
from tests.running import MODES, FakeStore, FakeTaskInstance, context, run

pytestmark = pytest.mark.usefixtures("connection")
both_modes = pytest.mark.parametrize("mode", MODES)


def workflow(sandbox: Sandbox, key: str, **kwargs: Any) -> partial[TheEyeWorkflowOperator]:
    options = {"poll_interval": 0.3, "timeout": 60, **kwargs}
    return partial(TheEyeWorkflowOperator, task_id="w", theeye_workflow_id=sandbox.workflow_id(key), **options)


@contextmanager
def somebody(does: Callable[[TheEyeHook], Any]) -> Iterator[None]:
    """Does something in TheEye meanwhile, with a client of its own."""
    failures: list[BaseException] = []

    def work() -> None:
        try:
            does(TheEyeHook())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()
    assert not failures, failures


def newest(hook: TheEyeHook, **where: str) -> Job | None:
    jobs = hook.run(calls.find_jobs(**where, limit=20))  # type: ignore[arg-type]
    return next((job for job in jobs if job.is_workflow or "task_id" in where), None)


def waiting_step(sandbox: Sandbox, hook: TheEyeHook, key: str, lifecycle: str) -> Job:
    """The newest run's step that is in a lifecycle."""

    def find() -> Job | None:
        job = newest(hook, workflow_id=sandbox.workflow_id(key))
        steps = hook.run(calls.get_steps_of([job.id])) if job is not None and not job.is_over else []
        return next((step for step in steps if step.lifecycle == lifecycle), None)

    found: Job = sandbox.wait(find)
    return found


@both_modes
@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_gate(mode: str, decision: str, sandbox: Sandbox) -> None:
    def decide(hook: TheEyeHook) -> None:
        getattr(hook, decision)(waiting_step(sandbox, hook, "gate", "onhold").id)

    with somebody(decide):
        if decision == "approve":
            assert [step["outcome"] for step in run(workflow(sandbox, "gate"), mode)["steps"]] == ["succeeded"] * 3
        else:
            with pytest.raises(JobRejected, match="it was rejected by"):
                run(workflow(sandbox, "gate"), mode)


@both_modes
def test_approval_as_a_task(mode: str, sandbox: Sandbox) -> None:
    before = newest(TheEyeHook(), task_id=sandbox.task_id("approve"))  # what another test left on hold

    def reject(hook: TheEyeHook) -> None:
        def find() -> Job | None:
            job = newest(hook, task_id=sandbox.task_id("approve"))
            return job if job is not None and (before is None or job.id != before.id) else None

        hook.reject(sandbox.wait(find, 30).id)

    what = {"theeye_task_id": sandbox.task_id("approve"), "poll_interval": 0.3, "timeout": 60}
    make = partial(TheEyeTaskOperator, task_id="t", **what)
    with somebody(reject), pytest.raises(JobRejected, match="it was rejected by"):
        run(make, mode)


@both_modes
@pytest.mark.parametrize("key", ["endless-chain", "endless-fork"])
def test_somebody_cancels_the_steps(mode: str, key: str, sandbox: Sandbox) -> None:
    def cancel(hook: TheEyeHook) -> None:
        step = waiting_step(sandbox, hook, key, "assigned")
        hook.cancel(step.workflow_job_id or "")

    with somebody(cancel), pytest.raises(JobCancelled, match="cancelled by"):
        run(workflow(sandbox, key), mode)


@both_modes
def test_somebody_cancels_a_queued_run(mode: str, sandbox: Sandbox) -> None:
    first = TheEyeHook().start_workflow(sandbox.workflow_id("queued-long"))

    def cancel(hook: TheEyeHook) -> None:
        def second() -> Job | None:
            job = newest(hook, workflow_id=sandbox.workflow_id("queued-long"))
            return job if job is not None and job.id != first.id and not job.is_over else None

        hook.cancel(sandbox.wait(second).id)

    with somebody(cancel), pytest.raises(JobCancelled):
        run(workflow(sandbox, "queued-long"), mode)
    TheEyeHook().cancel(first.id)


@both_modes
def test_a_step_that_was_started_again_is_waited_for(mode: str, sandbox: Sandbox) -> None:
    """A run that failed is open again when a person restarts its step; a retry takes it up as it is then."""
    hook = TheEyeHook()
    job = hook.start_workflow(sandbox.workflow_id("second-time"))
    sandbox.wait(lambda: hook.get_job(job.id).is_over)
    (step,) = hook.run(calls.get_steps_of([job.id]))
    assert hook.get_job(job.id).state == "failure"
    sandbox.request("PUT", f"/demo/job/{step.id}/restart?access_token={sandbox.token()}", {"task_arguments": []})
    store = FakeStore()
    store.values["theeye_job"] = [Record(job.id, time.time(), Generation(1, 0), is_workflow=True).to_json()]
    value = run(workflow(sandbox, "second-time"), mode, context(FakeTaskInstance(2, 1), store))
    assert (value["job_id"], value["outcome"], len(value["steps"])) == (job.id, "succeeded", 2)
