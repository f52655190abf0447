"""How tasks, workflows and jobs are shown."""

from __future__ import annotations

import json

import pytest

from airflow_provider_theeye.api.models import Job, Task, Workflow
from airflow_provider_theeye.tables import job_row, sheet, table, task_row, time_limit, workflow_row

TASK = Task.parse(
    {
        "id": "a" * 24,
        "name": "Load Orders",
        "hostname": "host-a",
        "timeout": 90000,
        "task_arguments": [
            {"order": 0, "label": "password", "type": "fixed", "value": "s3cr3t"},
            {"order": 1, "label": "day", "type": "input"},
            {"order": 2, "label": "region", "type": "select", "required": False},
            {"order": 3, "label": "note", "type": "input", "required": False},
        ],
    }
)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "default (10 min)"),
        (1.5, "1.5 s"),
        (90, "90 s"),
        (600, "10 min"),
        (3600, "1 h"),
        (5400, "90 min"),
    ],
)
def test_time_limits(seconds: float | None, shown: str) -> None:
    assert time_limit(seconds) == shown


def test_task_with_its_arguments() -> None:
    lines = table([task_row(TASK)], "").splitlines()
    assert lines[0].split("  ") == ["NAME", *lines[0].split("  ")[1:]]
    assert lines[1].startswith("Load Orders  " + "a" * 24 + "  host-a  90 s")
    assert lines[1].endswith("password (fixed), day, region (select), note (optional)")


def test_columns_stand_under_their_names_and_empty_ones_are_left_out() -> None:
    shown = table([task_row(TASK), task_row(Task("b" * 24, name="X"))], "")
    first, *rows = shown.splitlines()
    assert "WORKFLOW ID" not in first
    assert [row[first.index("TIME LIMIT") :].split("  ")[0] for row in rows] == ["90 s", "default (10 min)"]
    assert table([], "nothing there") == "nothing there"


def test_value_of_a_fixed_argument_is_not_shown() -> None:
    assert "s3cr3t" not in json.dumps(task_row(TASK)) + table([task_row(TASK)], "")


def test_workflow_has_the_arguments_of_its_first_step() -> None:
    row = workflow_row(Workflow("c" * 24, name="Nightly"), TASK)
    assert (row["first_step"], row["arguments"][1]["label"]) == ("Load Orders", "day")
    assert workflow_row(Workflow("c" * 24), None)["arguments"] == []


def test_job_shows_no_secret() -> None:
    job = Job("d" * 24, secret="s3cr3t", lifecycle="ready")
    assert "s3cr3t" not in json.dumps(job_row(job)) + sheet(job_row(job))


def test_sheet_leaves_out_what_says_nothing() -> None:
    assert sheet({"job_id": "x", "state": None, "output": ["a", {"b": 1}], "seconds": 0.0, "name": "two\nlines"}) == (
        'job id:  x\noutput:  a, {"b": 1}\nseconds: 0.0\nname:    two lines'
    )
