"""A person answers in Airflow, and TheEye's approval job is decided accordingly (Airflow 3.1 and newer)."""

from __future__ import annotations

import pytest

from tools.airflow_api import AirflowApi, wait_until
from tools.standalone import Standalone

DAG_ID = "example_theeye_asks_in_airflow"

pytestmark = pytest.mark.system


def wait_for_a_beat(api: AirflowApi) -> None:
    """Let the scheduler learn from its executor that the task waits: Airflow fails a task that is answered before."""

    def beat() -> str:
        return str(api.call("GET", "monitor/health")["scheduler"]["latest_scheduler_heartbeat"])

    before = beat()
    wait_until(lambda: beat() != before or None, "heartbeat of the scheduler", 60)


@pytest.mark.parametrize(
    ("answer", "run_state", "states"),
    [
        ("Approve", "success", {"approve": "success", "reject": "skipped", "decided": "success"}),
        ("Reject", "failed", {"approve": "skipped", "reject": "success", "decided": "failed"}),
    ],
)
def test_the_answer_reaches_theeye(airflow: Standalone, answer: str, run_state: str, states: dict[str, str]) -> None:
    api = airflow.api
    api.wait_for_dag(DAG_ID)
    run_id = api.trigger(DAG_ID)
    wait_until(
        lambda: api.task_instance(DAG_ID, run_id, "decision")["state"] in ("awaiting_input", "deferred") or None,
        "question to a person",
        120,
    )
    for _ in range(2):
        wait_for_a_beat(api)
    api.call(
        "PATCH",
        f"dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/decision/-1/hitlDetails",
        json={"chosen_options": [answer], "params_input": {}},
    )
    assert api.wait_for_run(DAG_ID, run_id) == run_state
    found = {task["task_id"]: task["state"] for task in api.task_instances(DAG_ID, run_id)}
    assert {task_id: found[task_id] for task_id in states} == states
