"""What the server says no to in its own words, and what it does not look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_theeye.sandbox import Sandbox

from .conftest import Client

WORLD = Path(__file__).parents[1] / "conformance" / "kit" / "world.json"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(WORLD, runner=False) as running:
        yield running


def said(answer: Any) -> tuple[int, Any]:
    body = answer.json()
    return answer.status_code, body["message"] if isinstance(body, dict) else body


def test_what_is_no_approval_and_no_input(client: Client) -> None:
    script = client.create("keep", "x", lifecycle="syncing")["id"]
    assert said(client.ask("PUT", f"/demo/job/{script}/approve")) == (400, "unexpected job type. only Approvals")
    assert said(client.ask("PUT", f"/demo/job/{script}/input", json={"args": ["a"]})) == (
        400,
        "only on hold jobs allowed",
    )
    decision = client.create("approve")["id"]
    assert said(client.ask("PUT", f"/demo/job/{decision}/input", json={"args": []})) == (
        400,
        "job type not allowed. script and dummy",
    )


def test_too_little_input(client: Client) -> None:
    job = client.create("keep", "x", lifecycle="onhold")["id"]
    answer = client.ask("PUT", f"/demo/job/{job}/input", json={"args": []})
    assert answer.json() == {"statusCode": 400, "message": "InvalidTaskArguments"}


def test_only_scripts_are_restarted(client: Client) -> None:
    job = client.create("form", "a")["id"]
    assert said(client.ask("PUT", f"/demo/job/{job}/restart", json={"task_arguments": ["b"]})) == (
        400,
        "Only script tasks allowed",
    )


@pytest.mark.parametrize("customer", ["other", "nobody", ""])
def test_the_routes_of_workflows_do_not_look_at_the_customer(client: Client, sandbox: Sandbox, customer: str) -> None:
    runs = f"/workflows/{sandbox.workflow_id('chain')}/job"
    run = client.ask("POST", runs, params={"customer": customer}, json={"task_arguments": ["a"]}).json()["id"]
    base = f"{runs}/{run}"
    for path in (base, f"{base}/jobs", "/workflows", "/job/running", f"/job/{run}/output"):
        assert client.ask("GET", path, params={"customer": customer}).status_code == 200
    assert client.ask("GET", f"/{customer or 'other'}/job/{run}").status_code in (404, 409)


def test_a_job_under_another_workflow(client: Client, sandbox: Sandbox) -> None:
    run = client.start("chain", "a")["id"]
    own, other = (f"/workflows/{sandbox.workflow_id(key)}/job" for key in ("chain", "fork"))
    assert said(client.ask("GET", f"{other}/{run}")) == (400, "Job does not belong to the Workflow")
    assert said(client.ask("GET", f"{other}/{run}/jobs")) == (400, "The job does not belong to the workflow")
    (child,) = client.ask("GET", f"{own}/{run}/jobs").json()
    assert client.ask("GET", f"{own}/{child['id']}").json()["id"] == child["id"]
    assert said(client.ask("GET", f"{own}/{child['id']}/jobs")) == (400, "A workflow job is required")
    assert said(client.ask("PUT", f"{own}/{child['id']}/cancel")) == (400, "parent workflow job required")
    for unknown, expected in {"f" * 24: (404, "workflow not found"), "x": (400, "workflow invalid value")}.items():
        assert said(client.ask("GET", f"/workflows/{unknown}/job/{run}")) == expected
    assert client.ask("PUT", f"{other}/{run}/cancel").status_code == 200
