"""The example in which Airflow asks a person and passes the decision on to TheEye."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.sandbox import Sandbox
from example_dags import example_theeye_approval as example
from tools.airflow_env import PrivateAirflow, connection_settings, last_lines, sandbox_connection

pytestmark = pytest.mark.usefixtures("connection")

needs_airflow_3_1 = pytest.mark.skipif(
    example.ApprovalOperator is None, reason="Airflow asks people since 3.1, with apache-airflow-providers-standard"
)


@pytest.mark.parametrize(("approved", "state"), [(True, "success"), (False, "failure")])
def test_the_decision_is_passed_on(journal: Sandbox, approved: bool, state: str) -> None:
    hook = TheEyeHook()
    job = hook.start_task(journal.task_id("approve"))
    assert job.lifecycle == "onhold"
    example.forward_decision(job.id, approved=approved)
    decided = hook.get_job(job.id)
    assert (decided.lifecycle, decided.state) == ("finished", state)


def test_the_file_imports_on_every_airflow() -> None:
    assert example.in_theeye.dag_id == "example_theeye_approval"


@needs_airflow_3_1
def test_a_no_skips_approve_alone_so_that_reject_runs() -> None:
    """ApprovalOperator skips what comes directly after it; everything else hangs on trigger rules."""
    tasks: dict[str, Any] = example.in_airflow.task_dict
    assert tasks["decision"].downstream_task_ids == {"approve"}
    assert tasks["approve"].downstream_task_ids == {"reject", "decided"}
    assert tasks["reject"].upstream_task_ids == {"approve"}
    assert tasks["reject"].trigger_rule == "all_skipped"
    assert tasks["decided"].trigger_rule == "none_failed_min_one_success"


@needs_airflow_3_1
@pytest.mark.parametrize(
    ("answer", "run_state", "states"),
    [
        ("Approve", "success", {"approve": "success", "reject": "skipped", "decided": "success"}),
        ("Reject", "failed", {"approve": "skipped", "reject": "success", "decided": "failed"}),
    ],
)
def test_each_answer_takes_its_way(
    sandbox: Sandbox, tmp_path: Path, answer: str, run_state: str, states: dict[str, str]
) -> None:
    airflow = PrivateAirflow(home=tmp_path / "home", settings=connection_settings(sandbox_connection(sandbox)))
    results, log = tmp_path / "results.jsonl", tmp_path / "airflow.log"
    airflow.migrate(log)
    command = ["-m", "tests.examples.answered", answer, "--results", str(results)]
    airflow.python(*command, "example_theeye_asks_in_airflow", log=log, timeout=300)
    assert results.is_file(), last_lines(log)
    run = json.loads(results.read_text())
    found = {task["task_id"]: task["state"] for task in run["tasks"]}
    assert (run["state"], {task_id: found[task_id] for task_id in states}) == (run_state, states), last_lines(log)
