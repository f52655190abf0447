"""Bad input gets its own clear error before anything is sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow import __version__ as airflow_version

from airflow_provider_theeye.exceptions import TheEyeRefused, TheEyeSettingsError
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator, TheEyeWorkflowOperator
from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sensors.theeye import TheEyeJobSensor
from tests.running import context

AN_ID = "5cdb424d7dbdc0000fd3112a"


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({}, "give either theeye_task_id or theeye_task_name"),
        ({"theeye_task_id": AN_ID, "theeye_task_name": "x"}, "give either theeye_task_id or theeye_task_name"),
        (
            {"theeye_task_id": "5cdb"},
            "24 hexadecimal digits in lower case, not '5cdb'",
        ),
        (
            {"theeye_task_id": AN_ID.upper()},
            "theeye_task_id must be an id of TheEye, .* in lower case",
        ),
        ({"theeye_task_id": AN_ID, "theeye_host": "h"}, "goes with theeye_task_name"),
        ({"theeye_task_id": AN_ID, "poll_interval": -1}, "poll_interval must be more than zero seconds"),
        ({"theeye_task_id": AN_ID, "poll_interval": 0}, "poll_interval must be more than zero seconds"),
        ({"theeye_task_id": AN_ID, "timeout": -5}, "timeout must be more than zero seconds"),
        ({"theeye_task_id": AN_ID, "timeout": "soon"}, "timeout must be a number of seconds or a timedelta"),
        ({"theeye_task_id": AN_ID, "queue_timeout": 0}, "queue_timeout must be more than zero seconds"),
        ({"theeye_task_id": AN_ID, "timeout": 1, "poll_interval": 5}, "timeout .* is shorter than poll_interval"),
        ({"theeye_task_id": AN_ID, "auth": "basic"}, "auth must be one of auto, token, secret"),
        ({"theeye_task_id": AN_ID, "secret": "s", "auth": "token"}, "TheEye refuses a request with both"),
        ({"theeye_task_id": AN_ID, "submission": "twice"}, "submission must be one of held, direct"),
        ({"theeye_task_id": AN_ID, "on_missing": "shrug"}, "on_missing must be one of fail, resubmit"),
    ],
)
def test_task_operator_arguments(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TheEyeTaskOperator(task_id="t", **kwargs)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({}, "give either theeye_workflow_id or theeye_workflow_name"),
        ({"theeye_workflow_id": "x"}, "theeye_workflow_id must be an id of TheEye"),
        ({"theeye_workflow_id": AN_ID, "theeye_start_task": "x"}, "theeye_start_task must be an id of TheEye"),
    ],
)
def test_workflow_operator_arguments(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TheEyeWorkflowOperator(task_id="t", **kwargs)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"job_id": "x"}, "job_id must be an id of TheEye"),
        ({"job_id": AN_ID, "poll_interval": -1}, "poll_interval must be more than zero"),
        ({"job_id": AN_ID, "poll_interval": 60, "timeout": 5}, "timeout .* is shorter than poll_interval"),
        ({}, "give exactly one of job_id, theeye_task_id, theeye_task_name, theeye_workflow_id, theeye_workflow_name"),
        ({"job_id": AN_ID, "theeye_task_name": "x"}, "give exactly one of job_id"),
        ({"theeye_task_id": "x"}, "theeye_task_id must be an id of TheEye"),
        ({"theeye_workflow_id": "x"}, "theeye_workflow_id must be an id of TheEye"),
        ({"theeye_task_id": AN_ID, "theeye_host": "h"}, "goes with theeye_task_name"),
        ({"theeye_task_id": AN_ID, "pick": "any"}, "pick must be one of last, first"),
        ({"theeye_task_id": AN_ID, "since": "yesterday"}, "since must be a time in ISO 8601"),
        ({"job_id": AN_ID, "since": "2026-01-01"}, "do not go with job_id"),
        ({"job_id": AN_ID, "pick": "first"}, "do not go with job_id"),
    ],
)
def test_sensor_arguments(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TheEyeJobSensor(task_id="t", **kwargs)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"task_arguments": []}, r"takes 1 argument \(name\), but task_arguments has 0"),
        ({"task_arguments": ["a", "b"]}, r"takes 1 argument \(name\), but task_arguments has 2"),
        ({"task_arguments": ["a"], "secret": "short"}, "64 letters and digits are expected, it has 5 characters"),
        ({"theeye_task_id": "{{ wrong }}"}, "theeye_task_id must be an id of TheEye"),
        (
            {"auth": "secret", "task_arguments": ["a"]},
            "nothing to start .* with: connection .* has no secret key for it",
        ),
    ],
)
def test_nothing_is_started_by_bad_arguments(
    kwargs: dict[str, Any], message: str, journal: Sandbox, connection: str
) -> None:
    operator = TheEyeTaskOperator(task_id="t", **{"theeye_task_id": journal.task_id("greet"), **kwargs})
    with pytest.raises(TheEyeSettingsError, match=message):
        operator.execute(context())
    assert journal.journal()["totals"]["created"] == 0


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"theeye_task_name": "Nobody"}, "has no task with the name 'Nobody'"),
        (
            {"theeye_task_name": "Get IP Address"},
            r"2 tasks fit .* Candidates: \w+ on host-[ab]; \w+ on host-[ab]\. Name",
        ),
        ({"theeye_task_name": "Get IP Address", "theeye_host": "host-z"}, "no tasks fit .* none is on that host"),
    ],
)
def test_a_name_must_fit_exactly_one(kwargs: dict[str, Any], message: str, journal: Sandbox, connection: str) -> None:
    with pytest.raises(TheEyeSettingsError, match=message):
        TheEyeTaskOperator(task_id="t", **kwargs).execute(context())
    assert journal.journal()["totals"]["created"] == 0


def test_unknown_task_is_not_tried_again(connection: str, journal: Sandbox) -> None:
    with pytest.raises(TheEyeRefused, match="task not found"):
        TheEyeTaskOperator(task_id="t", theeye_task_id=AN_ID).execute(context())


def test_task_of_another_organization(connection: str, journal: Sandbox) -> None:
    with pytest.raises(TheEyeRefused, match="task not found"):
        TheEyeTaskOperator(task_id="t", theeye_task_id=journal.task_id("foreign")).execute(context())
    assert journal.journal()["totals"]["created"] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": ""}, "has no organization: put its name into the schema field"),
        ({"password": ""}, "looking a task up by its name needs an integration token"),
        ({"host": "ftp://x"}, "is no http or https address"),
        ({"password": "a b"}, "holds white space"),
        pytest.param(
            {"extra": "[1]"},
            "the extra field is no JSON object",
            marks=pytest.mark.skipif(
                airflow_version.startswith(("3.0.", "3.1.")), reason="Airflow says that there is no such connection"
            ),
        ),
        ({"extra": {"secret": {}}}, "unknown key 'secret'; known are secrets, verify"),
        ({"extra": {"secrets": {"x": "y"}}}, "which is not an id of 24 hex digits"),
        ({"extra": {"secrets": {AN_ID: "y"}}}, "64 letters and digits are expected"),
        ({"extra": {"timeout": "long"}}, "'timeout' must be a number of seconds"),
        ({"extra": {"verify": 3}}, "'verify' must be true, false or the path"),
        ({"extra": {"submission": "x"}}, "'submission' must be one of held, direct"),
    ],
)
def test_connection_that_cannot_work(
    change: dict[str, Any], message: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_THEEYE_DEFAULT", json.dumps({**sandbox.airflow_connection(), **change}))
    with pytest.raises(TheEyeSettingsError, match=message):
        TheEyeTaskOperator(task_id="t", theeye_task_name="Hello World").execute(context())


def test_neither_token_nor_secret(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_THEEYE_DEFAULT", json.dumps({**sandbox.airflow_connection(secrets={}), "password": ""})
    )
    with pytest.raises(TheEyeSettingsError, match=r"has no integration token .* no secret key for it"):
        TheEyeTaskOperator(task_id="t", theeye_task_id=sandbox.task_id("hello")).execute(context())
