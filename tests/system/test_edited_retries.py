"""That an author edits ``retries`` between two tries is no Clear; and a Clear beside it still is one."""

from __future__ import annotations

import pytest

from tests.system.stage import STARTED_ONCE, TASK, Stage

pytestmark = [pytest.mark.system, pytest.mark.slow]


@pytest.mark.parametrize("retries", [1, 4])
def test_retries_that_are_edited_are_no_clear(stage: Stage, retries: int) -> None:
    stage.set_retries(2)
    run = stage.start("edited_task_sync").wait_until_waiting()
    jobs = run.at_the_gate()
    stage.set_retries(retries)
    run.kill_process()
    run.wait_until_waiting(2)
    assert run.at_the_gate() == jobs, run.log()
    run.open_gate()
    assert run.wait_for_end() == "success", run.log()
    assert (run.starts(), run.cancellations()) == (STARTED_ONCE["task"], 0)


def test_a_clear_that_leaves_as_many_tries_as_before_runs_again(stage: Stage) -> None:
    """One retry was taken from it, and it is cleared after its first try: Airflow's ``max_tries`` stays the same."""
    stage.set_retries(1)
    run = stage.start("edited_task_sync").wait_until_waiting()
    run.open_gate()
    assert run.wait_for_end() == "success", run.log()
    first, before = run.result()["job_id"], run.task()["max_tries"]
    stage.set_retries(0)
    clear = {"dry_run": False, "task_ids": [TASK], "dag_run_id": run.run_id, "only_failed": False}
    path = f"dags/{run.dag_id}/clearTaskInstances"
    stage.insist(lambda: stage.airflow.api.call("POST", path, json={**clear, "run_on_latest_version": True}))
    assert run.wait_for_end() == "success", run.log()
    assert (run.task()["max_tries"], run.task()["try_number"]) == (before, 2)
    assert run.result()["job_id"] != first, run.log()
    assert run.starts() == {"Gated": 2}
