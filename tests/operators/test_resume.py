"""What a new try does about the job of an earlier one, with a store that outlives the tries."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.call import CUSTOMER_PLACEHOLDER, Call
from airflow_provider_theeye.exceptions import (
    JobDeadlineExceeded,
    JobFailed,
    JobNeverStarted,
    JobOutcomeUnknown,
    JobStuck,
    TheEyeJobError,
    TheEyeRefused,
    TheEyeSubmissionUnclear,
    TheEyeUnreachable,
)
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.jobs.resume import Generation, Record, Records
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator, TheEyeWorkflowOperator
from airflow_provider_theeye.sandbox import Sandbox
from tests.running import MODES, FakeStore, FakeTaskInstance, context, run

pytestmark = pytest.mark.usefixtures("connection")
both_modes = pytest.mark.parametrize("mode", MODES)
task = partial(TheEyeTaskOperator, task_id="task", poll_interval=0.3)
workflow = partial(TheEyeWorkflowOperator, task_id="workflow", poll_interval=0.3)


FIRST = Generation(1, 0)


def remembered(job_id: str, *, generation: Generation = FIRST, is_workflow: bool = False) -> FakeStore:
    """A store as an earlier try left it."""
    store = FakeStore()
    store.values["theeye_job"] = Records((Record(job_id, 1e9, generation, is_workflow),)).to_json()
    return store


def second_try(store: FakeStore, max_tries: int = 1) -> dict[str, Any]:
    return context(FakeTaskInstance(2, max_tries), store)


@both_modes
def test_a_live_job_is_waited_for(mode: str, journal: Sandbox) -> None:
    job_id = TheEyeHook().start_task(journal.task_id("slow")).id
    value = run(partial(task, theeye_task_id=journal.task_id("slow")), mode, second_try(remembered(job_id)))
    assert value["job_id"] == job_id
    assert journal.journal()["totals"]["created"] == 1


@both_modes
def test_a_finished_job_gives_its_result(mode: str, journal: Sandbox) -> None:
    hook = TheEyeHook()
    job_id = hook.start_task(journal.task_id("greet"), ["once"]).id
    journal.wait(lambda: hook.get_job(job_id).is_over)
    make = partial(task, theeye_task_id=journal.task_id("greet"), task_arguments=["once"])
    ctx = second_try(remembered(job_id))
    assert run(make, mode, ctx)["output"] == ["Hello, once!"]
    assert ctx["ti"].xcoms["job_id"] == job_id
    assert journal.journal()["totals"]["created"] == 1


@both_modes
def test_a_held_job_is_released(mode: str, journal: Sandbox) -> None:
    job_id = TheEyeHook().run(calls.create_job(journal.task_id("hello"), [], held=True)).id
    value = run(partial(task, theeye_task_id=journal.task_id("hello")), mode, second_try(remembered(job_id)))
    assert value["job_id"] == job_id
    assert journal.journal()["jobs"][job_id]["started"] == 1


@both_modes
def test_a_failed_job_is_replaced(mode: str, journal: Sandbox) -> None:
    store = FakeStore()
    make = partial(task, theeye_task_id=journal.task_id("failing"))
    with pytest.raises(JobFailed) as first:
        run(make, mode, context(FakeTaskInstance(1, 1), store))
    with pytest.raises(JobFailed) as second:
        run(make, mode, second_try(store))
    assert first.value.job_id != second.value.job_id


@both_modes
def test_clear_means_run_again(mode: str, journal: Sandbox) -> None:
    hook = TheEyeHook()
    old = hook.start_task(journal.task_id("endless")).id
    make = partial(task, theeye_task_id=journal.task_id("hello"))
    value = run(make, mode, second_try(remembered(old, generation=Generation(1, 0)), max_tries=2))
    assert value["job_id"] != old
    assert hook.get_job(old).state == "canceled"


@both_modes
@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("max_tries", [1, 2], ids=["retry", "Clear"])
def test_a_healthy_job_is_taken_up_after_touch_was_lost(max_tries: int, mode: str, journal: Sandbox) -> None:
    store = FakeStore()
    make = partial(task, theeye_task_id=journal.task_id("endless"))
    journal.set_faults([{"method": "GET", "path": "/demo/job", "do": "status", "status": 403, "body": "forbidden"}])
    with pytest.raises(TheEyeRefused, match="waits for the same job") as lost:
        run(make, mode, context(FakeTaskInstance(1, 1), store))
    assert not isinstance(lost.value, AirflowFailException)
    journal.clear_faults()
    value = run(partial(make, wait_for_completion=False), "sync", second_try(store, max_tries=max_tries))
    assert (value["job_id"], value["lifecycle"]) == (lost.value.job_id, "assigned")
    # Now it was taken up, and a Clear is a Clear.
    again = run(partial(make, wait_for_completion=False), "sync", context(FakeTaskInstance(3, 9), store))
    assert again["job_id"] != lost.value.job_id
    assert TheEyeHook().get_job(str(lost.value.job_id)).state == "canceled"
    TheEyeHook().cancel(again["job_id"])


def test_clear_is_told_although_the_retries_were_changed_with_it(journal: Sandbox) -> None:
    """Cleared after its first try, a task whose one retry was taken from it may be tried as often as before."""
    job_id = TheEyeHook().start_task(journal.task_id("hello")).id
    journal.wait(lambda: TheEyeHook().get_job(job_id).is_over)
    make = partial(task, theeye_task_id=journal.task_id("hello"), retries=0)
    value = run(make, "sync", second_try(remembered(job_id, generation=Generation(1, 1)), max_tries=1))
    assert value["job_id"] != job_id


@both_modes
def test_without_a_store_a_new_try_starts_a_new_job(mode: str, journal: Sandbox) -> None:
    make = partial(TheEyeTaskOperator, task_id="task", theeye_task_name="Hello World", poll_interval=0.3)
    first, second = (run(make, mode, context(FakeTaskInstance(number, 1))) for number in (1, 2))
    assert first["job_id"] != second["job_id"]
    assert sum(job["started"] for job in journal.journal()["jobs"].values()) == 2


@both_modes
def test_a_record_that_is_gone(mode: str, journal: Sandbox) -> None:
    make = partial(task, theeye_task_id=journal.task_id("hello"))
    with pytest.raises(JobOutcomeUnknown, match="its outcome is unknown") as unknown:
        run(make, mode, second_try(remembered("f" * 24)))
    assert isinstance(unknown.value, AirflowFailException)
    again = run(partial(make, on_missing="resubmit"), mode, second_try(remembered("f" * 24)))
    assert again["outcome"] == "succeeded"


@both_modes
@pytest.mark.parametrize(("key", "error"), [("stuck", JobStuck), ("old-failing", JobFailed)])
def test_a_run_that_never_ends_is_replaced(
    mode: str, key: str, error: type[Exception], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_theeye.jobs import waiting

    monkeypatch.setattr(waiting.WaitRules, "settling", 0.8)
    store = FakeStore()
    make = partial(workflow, theeye_workflow_id=sandbox.workflow_id(key))
    ids = []
    for number in (1, 2):
        with pytest.raises(error) as failure:
            run(make, mode, context(FakeTaskInstance(number, 1), store))
        ids.append(failure.value.job_id)  # type: ignore[attr-defined]
    assert ids[0] != ids[1]


def test_a_cancelled_run_with_a_live_branch_is_waited_for(sandbox: Sandbox) -> None:
    """TheEye says that it is over while a branch goes on: a second run beside it would be one too many."""
    hook = TheEyeHook()
    job = hook.start_workflow(sandbox.workflow_id("endless-fork"))
    sandbox.wait(lambda: len(hook.run(calls.get_steps_of([job.id]))) == 3)
    # TheEye cancels its newest step only.
    ids = {"workflow": sandbox.workflow_id("endless-fork"), "id": job.id}
    query = [("customer", CUSTOMER_PLACEHOLDER)]
    hook.run(Call("PUT", "/workflows/{workflow}/job/{id}/cancel", lambda data: None, ids=ids, query=query))
    make = partial(workflow, theeye_workflow_id=sandbox.workflow_id("endless-fork"), timeout=3e8)
    store = remembered(job.id, is_workflow=True)
    store.values["theeye_job"][0]["submitted"] = 1e9
    with pytest.raises(JobDeadlineExceeded) as late:
        run(make, "sync", second_try(store))
    assert late.value.job_id == job.id
    assert all(step.is_over for step in hook.run(calls.get_steps_of([job.id])))


def test_an_unclear_release_is_not_tried_again(sandbox: Sandbox) -> None:
    hook = TheEyeHook()
    job_id = hook.run(calls.create_job(sandbox.task_id("hello"), [], held=True)).id
    sandbox.set_faults(
        [
            {"method": "PUT", "path": "*/synced", "do": "status", "status": 404, "body": "job not found"},
            {"method": "GET", "path": f"*/job/{job_id}", "skip": 1, "do": "status", "status": 404, "body": "gone"},
        ]
    )
    with pytest.raises(TheEyeSubmissionUnclear, match="may have run"):
        run(partial(task, theeye_task_id=sandbox.task_id("hello")), "sync", second_try(remembered(job_id)))
    sandbox.clear_faults()
    hook.cancel(job_id)


def test_server_down_at_the_deadline(journal: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_theeye.api import exchange

    monkeypatch.setattr(exchange, "LONGEST_WAIT", 0.05)
    hook = TheEyeHook()
    job_id = hook.start_task(journal.task_id("endless")).id
    journal.set_faults([{"method": "GET", "path": "*/job/*", "skip": 1, "do": "status", "status": 503}])
    make = partial(task, theeye_task_id=journal.task_id("endless"), timeout=1)
    ctx = context(FakeTaskInstance(2, 3), remembered(job_id, generation=Generation(3, 0)))
    with pytest.raises(TheEyeUnreachable, match=r"was left alone and may still be running\. The next try") as lost:
        run(make, "sync", ctx)
    assert lost.value.job_id == job_id
    journal.clear_faults()
    assert hook.get_job(job_id).lifecycle == "assigned"
    hook.cancel(job_id)


def test_born_dead_says_that_there_is_no_retry(sandbox: Sandbox, secret_connection: str) -> None:
    make = partial(
        task, theeye_conn_id=secret_connection, secret=sandbox.task_secret("fixed"), task_arguments=["one value"]
    )
    with pytest.raises(JobNeverStarted, match=r"InvalidTaskArguments\. Airflow does not try again"):
        run(partial(make, theeye_task_id=sandbox.task_id("fixed")), "sync", context(FakeTaskInstance(1, 3)))


def test_a_store_that_fails_does_not_double_a_direct_submission(journal: Sandbox) -> None:
    class Broken(FakeStore):
        def set(self, key: str, value: Any, **options: Any) -> None:
            raise OSError("the API server is away")

    make = partial(task, theeye_task_id=journal.task_id("hello"), submission="direct")
    assert run(make, "sync", context(store=Broken()))["outcome"] == "succeeded"
    held: BaseOperator = partial(task, theeye_task_id=journal.task_id("hello"))(deferrable=False)
    with pytest.raises(OSError, match="API server"):
        held.execute(context(store=Broken()))  # type: ignore[arg-type]
    assert journal.journal()["totals"]["started"] == 1


def test_an_approval_says_who_is_waited_for(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with pytest.raises(JobDeadlineExceeded):
        run(partial(task, theeye_task_id=sandbox.task_id("approve"), timeout=1), "sync")
    said = capsys.readouterr().out + caplog.text
    assert "is onhold and waits for one of its approvers (" in said


def test_held_jobs_that_others_cancel_are_no_reason_to_give_up(
    journal: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing ran, so Airflow may try again."""
    release = calls.release_job
    hook = TheEyeHook()

    def release_too_late(job_id: str) -> Any:
        hook.cancel(job_id)
        return release(job_id)

    monkeypatch.setattr(calls, "release_job", release_too_late)
    with pytest.raises(TheEyeJobError, match="none of them ran") as failure:
        run(partial(task, theeye_task_id=journal.task_id("hello")), "sync")
    assert not isinstance(failure.value, AirflowFailException)
    assert journal.journal()["totals"]["started"] == 0


def test_trouble_with_the_job_of_an_earlier_try_names_it(journal: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_theeye.api import exchange

    monkeypatch.setattr(exchange, "LONGEST_WAIT", 0.05)
    make = partial(task, theeye_task_id=journal.task_id("hello"))
    journal.set_faults([{"method": "GET", "path": "*/job/*", "do": "status", "status": 503}])
    with pytest.raises(
        TheEyeUnreachable, match=f"lost touch .* job {'f' * 24} .* clearing the task looks at the same job first"
    ) as lost:
        run(make, "sync", second_try(remembered("f" * 24)))
    assert lost.value.job_id == "f" * 24
    journal.clear_faults()
    journal.set_faults([{"method": "PUT", "path": "*/synced", "do": "status", "status": 503}])
    with pytest.raises(TheEyeUnreachable, match="was started or taken up") as lost:
        run(make, "sync", context(FakeTaskInstance(1, 1), FakeStore()))
    assert lost.value.job_id in str(lost.value)
    journal.clear_faults()
    assert TheEyeHook().cancel(lost.value.job_id) is not None


class Hiccup(FakeStore):
    """Fails at the first reading, as Airflow's store was seen to do on a busy machine."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures

    def get(self, key: str, default: Any = None) -> Any:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("API_SERVER_ERROR: 404 Not Found")
        return super().get(key, default)


def test_a_store_that_cannot_be_read_for_a_moment_fails_no_task(journal: Sandbox) -> None:
    run(
        partial(task, theeye_task_id=journal.task_id("hello")),
        "sync",
        context(FakeTaskInstance(1, 1), Hiccup(failures=1)),
    )
    assert journal.journal()["totals"]["started"] == 1


def test_nothing_is_started_while_the_store_cannot_be_read(journal: Sandbox) -> None:
    with pytest.raises(RuntimeError, match="API_SERVER_ERROR"):
        run(
            partial(task, theeye_task_id=journal.task_id("hello")),
            "sync",
            context(FakeTaskInstance(1, 1), Hiccup(failures=9)),
        )
    assert journal.journal()["totals"]["started"] == 0
