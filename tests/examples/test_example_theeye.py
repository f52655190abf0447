"""The DAGs of example_dags/example_theeye.py do what they say, waiting in the worker and deferred alike."""

from __future__ import annotations

from typing import Any

import pytest

SYNC = "example_theeye_sync"
DEFERRABLE = "example_theeye_deferrable"
# TheEye's tasks, with the names they have in the sandbox and the output of their jobs.
OUTPUTS: dict[tuple[str, int], tuple[str, list[Any]]] = {
    ("two_numbers", -1): ("Two Numbers", [2, 40]),
    ("add_up", -1): ("Sum", [42]),
    ("list_colours", -1): ("Make List", ["red", "green", "blue"]),
    ("greet", 0): ("Greet", ["Hello, red!"]),
    ("greet", 1): ("Greet", ["Hello, green!"]),
    ("greet", 2): ("Greet", ["Hello, blue!"]),
    ("hello_by_secret", -1): ("Hello World", []),
    ("wait_for_slow_job", -1): ("Slow", []),
}
# A job each, and three for the steps of the workflow.
TASK_JOBS_PER_RUN = len(OUTPUTS) + 3

both = pytest.mark.parametrize("dag_id", [SYNC, DEFERRABLE])


@both
def test_every_task_succeeds(example_runs: Any, dag_id: str) -> None:
    run = example_runs.runs[dag_id]
    assert {(task["task_id"], task["state"]) for task in run["tasks"] if task["state"] != "success"} == set()
    assert run["state"] == "success"


@both
@pytest.mark.parametrize(("task_id", "map_index"), list(OUTPUTS))
def test_the_result_is_on_xcom(example_runs: Any, dag_id: str, task_id: str, map_index: int) -> None:
    name, output = OUTPUTS[task_id, map_index]
    task = example_runs.task(dag_id, task_id, map_index)
    value = task["xcoms"]["return_value"]
    assert (value["name"], value["output"]) == (name, output)
    assert (value["outcome"], value["lifecycle"], value["state"]) == ("succeeded", "finished", "success")
    assert value["exit_code"] == 0
    assert task["xcoms"]["job_id"] == value["job_id"]
    assert task["xcoms"]["output"] == output


@both
def test_the_workflow_tells_its_steps(example_runs: Any, dag_id: str) -> None:
    value = example_runs.value(dag_id, "weather_report")
    assert value["output"] == ["It is 69 degrees Fahrenheit in Buenos Aires"]
    assert [(step["name"], step["outcome"], step["output"]) for step in value["steps"]] == [
        ("Weather Report / collect", "succeeded", ["Buenos Aires", 21]),
        ("Weather Report / convert", "succeeded", ["Buenos Aires", 69]),
        ("Weather Report / report", "succeeded", ["It is 69 degrees Fahrenheit in Buenos Aires"]),
    ]


@both
def test_the_sensor_waits_for_the_job_that_the_other_task_created(example_runs: Any, dag_id: str) -> None:
    created = example_runs.value(dag_id, "start_slow_job")
    assert created["outcome"] is None, "it was not waited for"
    assert example_runs.value(dag_id, "wait_for_slow_job")["job_id"] == created["job_id"]


def test_every_job_ran_exactly_once(example_runs: Any) -> None:
    jobs = example_runs.jobs.values()
    assert sum(job["started"] for job in jobs if "task_id" in job) == 2 * TASK_JOBS_PER_RUN
    assert [job for job in jobs if job["created"] != 1 or job["cancelled"]] == []


def test_a_task_is_started_once_and_once_more_if_it_was_deferred(example_runs: Any) -> None:
    in_worker, deferred = example_runs.starts(SYNC), example_runs.starts(DEFERRABLE)
    assert set(in_worker.values()) == {1}
    # These jobs are short: which of them are still waited for when their tasks would defer depends on the machine.
    assert set(deferred.values()) <= {1, 2}
