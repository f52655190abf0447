"""Documents as TheEye's own page of 2019 shows them: older servers still speak like that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_theeye.api.models import Job, JobResult, Task, Workflow, parse_tasks
from airflow_provider_theeye.jobs.outcome import Outcome, judge

SAMPLES = Path(__file__).parent / "samples"
ID = "5cdc367240f0bb000f8e9653"


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))


def test_a_job_just_created() -> None:
    job = Job.parse(sample("job-created"))
    assert (job.id, job.kind, job.name) == ("5cdc3d1c40f0bb000f8e9682", "ScriptJob", "testing task")
    assert (job.lifecycle, job.state, job.is_over, job.is_held) == ("ready", "in_progress", False, False)
    assert job.hostname == "Apache3"
    assert job.task_id == "5cdb424d7dbdc0000fd3112a"
    assert (job.organization, job.origin, job.user_id) == ("demo", "user", "5bf81d18ca5e7e000f80f8ef")
    assert (job.output, job.result, job.secret) == (None, None, None)
    assert job.seconds == 0.01


def test_a_job_that_ended_normally_succeeded() -> None:
    job = Job.parse(sample("job-ended"))
    assert (job.lifecycle, job.state, job.trigger_name, job.is_over) == ("finished", "normal", "success", True)
    assert (job.host_id, job.hostname) == ("5bb755f42f78660012bdd9a6", None)
    assert job.result == JobResult(code=0, log="\nnormal\n", lastline="normal", has_log=True)
    assert job.seconds == 7.28
    assert judge(job).outcome is Outcome.SUCCEEDED


def test_normal_is_no_success_for_a_script_that_failed() -> None:
    document = sample("job-ended")
    document["result"]["code"] = 1
    assert judge(Job.parse(document)).outcome is Outcome.FAILED
    assert judge(Job.parse(document), fail_on_exit_code=False).outcome is Outcome.SUCCEEDED


def test_tasks_whose_host_and_timeout_come_in_all_ways() -> None:
    tasks = parse_tasks(sample("tasks"))
    assert {task.name for task in tasks} == {"Get IP Address"}
    assert [task.hostname for task in tasks] == ["Apache3", "Apache1", "Apache4", None]
    assert [task.host_id for task in tasks] == [None, None, "5bb755f42f78660012bdd9a6", "5bb755f42f78660012bdd9a6"]
    assert [task.timeout for task in tasks] == [None, 600.0, None, None]
    assert all(task.can_be_held for task in tasks)


def test_references_to_documents_and_to_ids() -> None:
    whole = {"id": ID, "task": {"_id": "a"}, "workflow": {"id": "b"}, "workflow_job": {"id": "c"}, "user_id": None}
    plain = {"_id": ID, "task_id": "a", "workflow_id": "b", "workflow_job_id": "c"}
    assert Job.parse(whole) == Job.parse(plain)
    approvers = [{"id": "u1", "email": "who@example.org"}, "u2", None, 7]
    assert Job.parse({"id": ID, "approvers": approvers}).approvers == ("who@example.org", "u2")
    owner = {"id": "u2", "username": "two", "email": ""}
    job = Job.parse({"id": ID, "user": owner, "approvers": approvers, "assigned_users": ["u2", {"_id": "u3"}]})
    assert (job.approvers, job.assigned_users) == (("who@example.org", "two"), ("two", "u3"))


@pytest.mark.parametrize(
    ("created", "updated", "seconds"),
    [
        ("2019-05-15T16:00:00.000Z", "2019-05-15T16:00:01.500Z", 1.5),
        ("2019-05-15T16:00:00", "2019-05-15T16:00:01Z", 1.0),
        ("2019-05-15T16:00:00+02:00", "2019-05-15T14:00:01", 1.0),
        ("yesterday", "2019-05-15T16:00:01Z", None),
        (None, 5, None),
    ],
)
def test_durations(created: Any, updated: Any, seconds: float | None) -> None:
    assert Job.parse({"id": ID, "creation_date": created, "last_update": updated}).seconds == seconds


@pytest.mark.parametrize(
    ("milliseconds", "seconds"),
    [(600000, 600.0), (0, None), (-1, None), (True, None), ("5", None), (10**400, None), (float("nan"), None)],
)
def test_time_limits(milliseconds: Any, seconds: float | None) -> None:
    assert Task.parse({"id": ID, "timeout": milliseconds}).timeout == seconds


def test_arguments_come_in_their_order_whatever_the_document_says() -> None:
    arguments = [{"order": 2, "label": "c"}, {"order": True, "label": "b"}, {"label": "d", "order": 9.5}, "odd"]
    parsed = Task.parse({"id": ID, "task_arguments": arguments}).arguments
    assert [(argument.order, argument.label) for argument in parsed] == [(1, "b"), (2, "c"), (2, "d"), (3, "")]


def test_an_edge_without_an_event_is_for_success_and_half_an_edge_is_none() -> None:
    edges = [{"v": "a", "w": "b"}, {"v": "b", "w": "c", "value": "failure"}, {"v": "c"}, {"w": {}}, None]
    parsed = Workflow.parse({"id": ID, "version": True, "graph": {"edges": edges}})
    assert [(edge.source, edge.target, edge.event) for edge in parsed.edges] == [
        ("a", "b", "success"),
        ("b", "c", "failure"),
    ]
    assert parsed.version is None
