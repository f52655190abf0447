"""What users do to tasks that wait, and what becomes of their workers: the remote jobs tell whether that was right.

Many waits are disturbed at about the same time, then each test looks at its own: a real Airflow is slow, and most of
these take a heartbeat or a retry until they are through.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.system.stage import KINDS, MODES, PATIENCE, STARTED_ONCE, WAITING, Run, Stage, quiet, without_ids

pytestmark = [pytest.mark.system, pytest.mark.slow]

SYNC = ("waits_task_sync", "waits_workflow_sync")
EVERY = (*SYNC, "waits_task_deferrable", "waits_workflow_deferrable")
HEARTBEAT = 5.0
#: Each task that starts wants seconds of a core.
TOGETHER = 8
#: Instances of the mapped task in tests/system/dags.
MANY = 40

ACTS: dict[str, tuple[Callable[[Run], Any], tuple[str, ...]]] = {
    "process killed": (Run.kill_process, SYNC),
    "worker lost": (Run.kill_process_and_supervisor, SYNC[:1]),
    "worker stopped": (Run.stop_worker, SYNC[:1]),
    "marked failed": (lambda run: run.mark("failed"), EVERY),
    "marked success": (lambda run: run.mark("success"), EVERY),
    "run marked failed": (lambda run: run.mark_run("failed"), ("waits_task_sync", "waits_workflow_deferrable")),
    "cleared": (Run.clear, EVERY),
    "left alone": (Run.open_gate, EVERY),
}
CASES = [(act, dag_id) for act, (_, dag_ids) in ACTS.items() for dag_id in dag_ids]


def cases(*acts: str) -> pytest.MarkDecorator:
    chosen = [case for case in CASES if case[0] in acts]
    return pytest.mark.parametrize(("act", "dag_id"), chosen, ids=["-".join(case).replace(" ", "_") for case in chosen])


@dataclass
class Disturbed:
    """The runs by what was done to them, and the jobs and tries that they had before."""

    limited: dict[str, Run]
    runs: dict[tuple[str, str], Run] = field(default_factory=dict)
    jobs_before: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    tries_before: dict[tuple[str, str], int] = field(default_factory=dict)

    def disturb(self, case: tuple[str, str]) -> None:
        run = self.runs[case].wait_until_waiting()
        self.jobs_before[case] = run.at_the_gate()
        self.tries_before[case] = run.task()["try_number"]
        ACTS[case[0]][0](run)

    def wait_for_next_try(self, act: str, dag_id: str) -> Run:
        return self.runs[act, dag_id].wait_until_waiting(self.tries_before[act, dag_id] + 1)

    def undisturbed(self, kind: str) -> Run:
        return self.runs["left alone", f"waits_{kind}_sync"]


@pytest.fixture(scope="module")
def disturbed(stage: Stage) -> Disturbed:
    limited = {
        mode: stage.start(f"short_{kind}_{mode}") for kind, mode in (("workflow", "sync"), ("task", "deferrable"))
    }
    made = Disturbed(limited)
    for first in range(0, len(CASES), TOGETHER):
        together = CASES[first : first + TOGETHER]
        made.runs.update({case: stage.start(case[1]) for case in together})
        for case in together:
            made.disturb(case)
    return made


@cases("marked failed", "marked success", "run marked failed")
def test_a_marked_task_leaves_nothing_running(disturbed: Disturbed, act: str, dag_id: str) -> None:
    run = disturbed.runs[act, dag_id]
    run.wait_until_nothing_is_live()
    assert {job["name"] for job in run.cancelled()} == set(WAITING[run.kind]), run.log()
    assert run.starts() == STARTED_ONCE[run.kind]
    assert run.task()["state"] == ("success" if act == "marked success" else "failed")


def test_a_run_with_many_deferred_tasks_is_marked_failed(stage: Stage) -> None:
    """Airflow cancels each trigger again about once a second, while all of them cancel their jobs."""
    run = stage.start("many_task_deferrable")
    stage.wait(lambda: len(run.at_the_gate()) == MANY or None, "the scripts to wait", 4 * PATIENCE)
    stage.wait(lambda: run.trigger_log().count("is assigned") == MANY or None, "the triggers to wait", 2 * PATIENCE)
    run.mark_run("failed")
    run.wait_until_nothing_is_live()
    assert len(run.cancelled()) == MANY
    stage.wait(lambda: run.trigger_log().count("is terminated") == MANY or None, "each log to say so")
    assert "could not be cancelled" not in run.trigger_log()


@cases("cleared")
def test_clear_cancels_the_old_job_and_runs_a_new_one(disturbed: Disturbed, act: str, dag_id: str) -> None:
    run, old = disturbed.runs[act, dag_id], disturbed.jobs_before[act, dag_id]
    disturbed.wait_for_next_try(act, dag_id)
    assert {job["id"] for job in run.cancelled()} == set(old), run.log()
    new = run.at_the_gate()
    assert max(run.at(job, "terminated") for job in old) <= min(run.at(job, "assigned") for job in new)
    run.open_gate()
    assert run.wait_for_end() == "success", run.log()
    assert run.starts() == dict.fromkeys(STARTED_ONCE[run.kind], 2)
    newest = run.jobs()[-1]
    assert run.result()["job_id"] == (newest["id"] if run.kind == "task" else newest["workflow_job_id"])


@cases("process killed", "worker lost")
def test_a_retry_takes_up_the_job_of_a_lost_worker(disturbed: Disturbed, act: str, dag_id: str) -> None:
    run = disturbed.wait_for_next_try(act, dag_id)
    assert sorted(run.at_the_gate()) == sorted(disturbed.jobs_before[act, dag_id])
    run.open_gate()
    assert run.wait_for_end() == "success", run.log()
    assert (run.starts(), run.cancellations()) == (STARTED_ONCE[run.kind], 0)
    other = disturbed.undisturbed(run.kind)
    assert without_ids(run.result(), run.gate) == without_ids(other.result(), other.gate)


@cases("worker stopped")
def test_a_worker_that_is_asked_to_stop_cancels(disturbed: Disturbed, act: str, dag_id: str) -> None:
    run = disturbed.wait_for_next_try(act, dag_id)
    assert [job["id"] for job in run.cancelled()] == disturbed.jobs_before[act, dag_id]
    run.open_gate()
    assert run.wait_for_end() == "success", run.log()


@pytest.mark.parametrize("kind", KINDS)
def test_both_modes_bring_the_same_result(disturbed: Disturbed, kind: str) -> None:
    values = []
    for mode in MODES:
        run = disturbed.runs["left alone", f"waits_{kind}_{mode}"]
        assert run.wait_for_end() == "success", run.log()
        assert (run.starts(), run.cancellations()) == (STARTED_ONCE[kind], 0)
        values.append(without_ids(run.result(), run.gate))
    assert values[0] == values[1]
    assert values[0]["output"] == ["GATE"]


def test_execution_timeout_cancels_in_the_worker(disturbed: Disturbed) -> None:
    run = disturbed.limited["sync"]
    assert run.wait_for_end() == "failed"
    run.wait_until_nothing_is_live()
    assert {job["name"] for job in run.cancelled()} == set(WAITING[run.kind])
    log = run.log()
    assert "Process timed out" in log
    assert f"The task was killed: TheEye job {run.workflow_jobs()[0]['id']} is terminated" in log


def test_execution_timeout_does_not_count_the_wait_in_the_triggerer(disturbed: Disturbed) -> None:
    disturbed.limited["sync"].wait_for_end()
    run = disturbed.limited["deferrable"]
    assert run.is_waiting()
    run.open_gate()
    assert run.wait_for_end() == "success", run.log()
    assert run.starts() == STARTED_ONCE[run.kind]


@pytest.mark.parametrize("dag_id", EVERY)
def test_clear_after_success_runs_again(disturbed: Disturbed, dag_id: str) -> None:
    run = disturbed.runs["left alone", dag_id]
    assert run.wait_for_end() == "success", run.log()
    first = run.result()["job_id"]
    run.clear()
    assert run.wait_for_end() == "success", run.log()
    assert run.result()["job_id"] != first
    assert run.starts() == dict.fromkeys(STARTED_ONCE[run.kind], 2)


@pytest.mark.parametrize("dag_id", ["waits_task_deferrable", "waits_workflow_deferrable"])
def test_a_process_killed_between_submission_and_deferral(stage: Stage, dag_id: str) -> None:
    """The answer to the release is late: the job runs, and its task is not deferred yet."""
    stage.sandbox.set_faults(
        [{"method": "PUT", "path": "/job/*/synced", "do": "delay", "when": "after", "seconds": 25, "times": 1}]
    )
    run = stage.start(dag_id)
    stage.wait(lambda: any(job["lifecycle"] == "assigned" for job in run.jobs()) or None, f"a job of {dag_id}")
    next_try = run.task()["try_number"] + 1
    run.kill_process()
    run.wait_until_waiting(next_try)
    run.open_gate()
    assert run.wait_for_end() == "success", run.log()
    assert (run.starts(), run.cancellations()) == (STARTED_ONCE[run.kind], 0)
    stage.sandbox.clear_faults()


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_that_is_replaced_while_tasks_wait(stage: Stage, kind: str) -> None:
    runs = [stage.start(f"rotated_{kind}_{mode}") for mode in MODES]
    for run in runs:
        run.wait_until_waiting()
    old, new = ("before", "after") if kind == "task" else ("after", "before")
    stage.airflow.api.put_connection("theeye_rotated", stage.sandbox.airflow_connection(new))
    stage.sandbox.revoke_token(old)
    quiet(2 * HEARTBEAT)
    stage.sandbox.revoke_token(old, revoked=False)
    for run in runs:
        run.open_gate()
        assert run.wait_for_end() == "success", run.log()
        assert (run.starts(), run.cancellations()) == (STARTED_ONCE[kind], 0)
