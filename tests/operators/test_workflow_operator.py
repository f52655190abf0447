"""``TheEyeWorkflowOperator`` against the sandbox, in both modes: each way that a workflow job can go."""

from __future__ import annotations

from functools import partial

import pytest

from airflow_provider_theeye.exceptions import JobDeadlineExceeded, JobFailed, JobStuck, TheEyeSettingsError
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator, TheEyeWorkflowOperator
from airflow_provider_theeye.sandbox import Sandbox
from tests.running import MODES, run

pytestmark = pytest.mark.usefixtures("connection")
both_modes = pytest.mark.parametrize("mode", MODES)


def workflow(sandbox: Sandbox, key: str, **kwargs: object) -> partial[TheEyeWorkflowOperator]:
    return partial(
        TheEyeWorkflowOperator,
        task_id="workflow",
        theeye_workflow_id=sandbox.workflow_id(key),
        poll_interval=0.3,
        **kwargs,
    )


@both_modes
def test_chain(mode: str, journal: Sandbox) -> None:
    value = run(workflow(journal, "chain", task_arguments=["x"]), mode)
    assert (value["outcome"], value["output"], value["name"]) == ("succeeded", ["x-1-2-3"], "Chain")
    assert [(s["name"], s["outcome"], s["output"]) for s in value["steps"]] == [
        ("Chain / t1", "succeeded", ["x-1"]),
        ("Chain / t2", "succeeded", ["x-1-2"]),
        ("Chain / t3", "succeeded", ["x-1-2-3"]),
    ]
    assert all(step["seconds"] >= 0 and step["exit_code"] == 0 for step in value["steps"])
    started = {job: row["started"] for job, row in journal.journal()["jobs"].items()}
    assert [started[step["job_id"]] for step in value["steps"]] == [1, 1, 1]


@both_modes
def test_failed_step_ends_it(mode: str, sandbox: Sandbox) -> None:
    with pytest.raises(JobFailed, match=r"step 'Failing Chain / t1' .* failed") as failure:
        run(workflow(sandbox, "failing-chain"), mode)
    assert "no such table" in str(failure.value)


@both_modes
def test_handled_failure_is_a_success(mode: str, sandbox: Sandbox) -> None:
    value = run(workflow(sandbox, "handler"), mode)
    assert [step["outcome"] for step in value["steps"]] == ["failed", "succeeded"]


@both_modes
def test_no_edge_for_success_ends_it(mode: str, sandbox: Sandbox) -> None:
    assert len(run(workflow(sandbox, "no-edge"), mode)["steps"]) == 1


@both_modes
def test_custom_event_leads_to_its_step(mode: str, sandbox: Sandbox) -> None:
    assert run(workflow(sandbox, "event"), mode)["output"] == ["ev-special"]


@both_modes
def test_fork_may_hide_a_failure_if_that_is_wanted(mode: str, sandbox: Sandbox) -> None:
    value = run(workflow(sandbox, "fork-hides", fail_on_failed_step=False), mode)
    assert value["outcome"] == "succeeded"
    assert [step["outcome"] for step in value["steps"]].count("failed") == 1


@both_modes
def test_fork_hides_no_failure(mode: str, sandbox: Sandbox) -> None:
    with pytest.raises(JobFailed, match="TheEye calls it a success, but step 'Fork Hides A Failure / t2'"):
        run(workflow(sandbox, "fork-hides"), mode)


@both_modes
def test_an_exit_code_in_the_middle_of_a_chain_fails_it(mode: str, sandbox: Sandbox) -> None:
    with pytest.raises(JobFailed, match=r"step 'Exit Code In The Middle / t2' .* exit code 3") as failure:
        run(workflow(sandbox, "exit-code-chain"), mode)
    assert "no disk left" in str(failure.value)
    for lenient in ("fail_on_failed_step", "fail_on_exit_code"):
        assert run(workflow(sandbox, "exit-code-chain", **{lenient: False}), mode)["outcome"] == "succeeded"


@both_modes
def test_fork_whose_failure_comes_last(mode: str, sandbox: Sandbox) -> None:
    with pytest.raises(JobFailed, match="right is broken"):
        run(workflow(sandbox, "fork-fails-last"), mode)


@both_modes
def test_stuck_workflow_fails_soon_and_not_at_the_timeout(mode: str, sandbox: Sandbox) -> None:
    with pytest.raises(JobStuck, match=r"step 'Step Without Its Arguments / t2' .* cannot run, so it never ends"):
        run(workflow(sandbox, "stuck", timeout=60), mode)


@both_modes
def test_old_version_is_judged_by_its_steps(mode: str, sandbox: Sandbox) -> None:
    value = run(workflow(sandbox, "old"), mode)
    assert (value["lifecycle"], value["outcome"], value["output"]) == ("started", "succeeded", ["old"])
    with pytest.raises(JobFailed, match="old and broken"):
        run(workflow(sandbox, "old-failing"), mode)


@both_modes
def test_queued_runs_follow_each_other(mode: str, sandbox: Sandbox) -> None:
    first = run(workflow(sandbox, "queued", wait_for_completion=False), "sync")
    second = run(workflow(sandbox, "queued"), mode)
    assert second["outcome"] == "succeeded"
    assert TheEyeHook().get_job(first["job_id"]).lifecycle == "finished"


@both_modes
@pytest.mark.parametrize("key", ["endless-chain", "endless-fork"])
def test_timeout_cancels_every_branch(mode: str, key: str, sandbox: Sandbox) -> None:
    with pytest.raises(JobDeadlineExceeded, match="It is now") as failure:
        run(workflow(sandbox, key, timeout=1.5), mode)
    from airflow_provider_theeye.api import calls

    hook = TheEyeHook()
    steps = hook.run(calls.get_steps_of([failure.value.job_id]))
    assert all(step.is_over for step in steps)
    assert hook.get_job(failure.value.job_id).is_over


@both_modes
def test_start_at_another_step(mode: str, sandbox: Sandbox) -> None:
    start = sandbox.seed["workflows"]["chain"]["steps"]["t3"]
    value = run(workflow(sandbox, "chain", theeye_start_task=start, task_arguments=["y"]), mode)
    assert value["output"] == ["y-3"]


def test_start_at_a_step_of_another_workflow(sandbox: Sandbox) -> None:
    start = sandbox.seed["workflows"]["fork"]["steps"]["t1"]
    with pytest.raises(TheEyeSettingsError, match=r"is no step of workflow 'Chain' .* Its steps: .*Chain / t1"):
        run(workflow(sandbox, "chain", theeye_start_task=start, task_arguments=["y"]), "sync")


def test_by_secret_alone(sandbox: Sandbox, secret_connection: str) -> None:
    make = workflow(sandbox, "chain", theeye_conn_id=secret_connection, task_arguments=["z"])
    value = run(make, "sync")
    assert (value["outcome"], value["steps"]) == ("succeeded", [])


def test_step_cannot_be_started_alone(sandbox: Sandbox) -> None:
    step = sandbox.seed["workflows"]["chain"]["steps"]["t1"]
    with pytest.raises(TheEyeSettingsError, match="is a step of workflow"):
        run(partial(TheEyeTaskOperator, task_id="x", theeye_task_id=step, task_arguments=["a"]), "sync")
