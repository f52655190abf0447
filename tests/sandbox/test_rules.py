"""Rules of the real server that no scenario of the kit asks about."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_theeye.sandbox import Sandbox

from .conftest import Client

WORLD = Path(__file__).parents[1] / "conformance" / "kit" / "world.json"
NONE = "f" * 24


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(WORLD, runner=False) as running:
        yield running


def take(sandbox: Sandbox, host: str = "host-a") -> list[dict[str, Any]]:
    return Client(sandbox, f"agent:{host}").ask("GET", "/demo/job", params={"hostname": host}).json()["jobs"]


def report(sandbox: Sandbox, job: str, state: str, **data: Any) -> requests.Response:
    said = {"result": {"state": state, "data": {"code": 0, "log": state, "lastline": state, "killed": False, **data}}}
    return Client(sandbox, "agent:host-a").ask("PUT", f"/demo/job/{job}", json=said)


def drained(sandbox: Sandbox) -> None:
    while jobs := take(sandbox):
        report(sandbox, jobs[0]["id"], "failure")


@pytest.mark.parametrize(
    ("method", "path", "role", "status"),
    [
        ("GET", "/demo/job/{job}", "viewer", 200),
        ("GET", "/demo/job/{job}/lifecycle", "viewer", 403),
        ("PUT", "/job/{job}/synced", "viewer", 403),
        ("PUT", "/job/{job}/hold", "viewer", 403),
        ("GET", "/demo/task/{task}/credentials", "user", 403),
        ("GET", "/demo/task/{task}/credentials", "admin", 200),
        ("GET", "/workflows/{workflow}/credentials?customer=demo", "user", 403),
        ("GET", "/workflows/{workflow}/credentials?customer=demo", "integration", 200),
        ("PUT", "/demo/agent/host-a", "integration", 204),
        ("PUT", "/job/{job}/synced?customer=other", "integration", 409),
        ("PUT", "/job/{job}/synced?customer=nobody", "integration", 404),
        ("PUT", f"/job/{NONE}/hold", "user", 404),
        ("GET", "/demo/workflows", "integration", 404),
        ("GET", "/job", "integration", 405),
        ("HEAD", "/demo/task", "integration", 405),
        ("GET", "/demo/task/", "integration", 400),
        ("GET", "/nobody/task", "integration", 200),
        ("GET", "/workflows/{workflow}/job/{job}", "integration", 400),
    ],
)
def test_who_may_ask_what(client: Client, sandbox: Sandbox, method: str, path: str, role: str, status: int) -> None:
    names = {"task": sandbox.task_id("hello"), "workflow": sandbox.workflow_id("chain")}
    job = client.create("hello", lifecycle="syncing")["id"]
    assert Client(sandbox, role).ask(method, path.format(job=job, **names)).status_code == status


def test_only_json_is_offered(client: Client) -> None:
    answer = client.ask("GET", "/demo/task", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.json()["code"]) == (406, "NotAcceptable")


def test_basic_authorization_is_no_token(sandbox: Sandbox) -> None:
    basic = base64.b64encode(f"bot:{sandbox.token()}".encode()).decode()
    answer = requests.get(sandbox.url + "/demo/task", headers={"Authorization": f"Basic {basic}"}, timeout=5)
    assert (answer.status_code, answer.json()) == (401, "Unauthorized")


def test_below_admin_a_job_with_an_empty_access_list_is_never_answered(client: Client, sandbox: Sandbox) -> None:
    job = client.create("hidden", lifecycle="syncing")["id"]
    user = Client(sandbox, "user")
    with pytest.raises(requests.ReadTimeout):
        user.session.get(f"{sandbox.url}/demo/job/{job}", timeout=0.5)
    assert client.ask("GET", f"/demo/job/{job}").status_code == 200
    assert "For Administrators Only" not in [task["name"] for task in user.ask("GET", "/demo/task").json()]


def test_a_job_of_any_organization_is_served(client: Client, sandbox: Sandbox) -> None:
    body = {"task": sandbox.task_id("foreign"), "task_arguments": [], "lifecycle": "syncing"}
    job = Client(sandbox, "other-integration").ask("POST", "/job", json=body).json()["id"]
    assert client.read(job)["customer_name"] == "other"
    assert client.ask("GET", "/demo/job", params={"where[_id]": job}).json() == []


@pytest.mark.parametrize(
    ("task", "given", "stored"),
    [
        ("twoargs", ["é", 1.0], ["é", "1"]),
        ("twoargs", [2**60, {"value": None}], ["1152921504606847000", '{"value":null}']),
        ("twoargs", [[], {}], ["[]", "{}"]),
        ("jsonargs", [{"value": "a"}, {"order": 1, "value": 2}], ['"a"', "2"]),
        ("fixed", [None, 7], ["FIXED", "7"]),
        ("fixed", ["a", "b", "c"], ["FIXED", "b"]),
        ("textargs", [[1, "a"]], ['[1,"a"]']),
        ("notify", ["", None, ["a@example.org"]], ["subject", "body", ["a@example.org"]]),
        (
            "notify",
            [None, None, "a@example.org,b@example.org"],
            ["subject", "body", ["a@example.org", "b@example.org"]],
        ),
    ],
)
def test_arguments(client: Client, task: str, given: list[Any], stored: list[Any]) -> None:
    assert client.create(task, *given, lifecycle="syncing")["task_arguments_values"] == stored


@pytest.mark.parametrize("given", ["text", {"0": "a", "1": "b"}, 7, None])
def test_arguments_that_are_no_list(client: Client, sandbox: Sandbox, given: Any) -> None:
    body = {"task": sandbox.task_id("twoargs"), "task_arguments": given}
    assert client.ask("POST", "/job", json=body).status_code == 400


def test_multipart_loses_the_list(client: Client, sandbox: Sandbox) -> None:
    parts = [("task", (None, sandbox.task_id("twoargs"))), *[("task_arguments[]", (None, one)) for one in "ab"]]
    assert client.ask("POST", "/job", files=parts).status_code == 400


@pytest.mark.parametrize(
    ("task", "lifecycle"), [("form", "finished"), ("approve", "onhold"), ("notify", "syncing"), ("ask", "syncing")]
)
def test_what_held_means_for_other_kinds(client: Client, task: str, lifecycle: str) -> None:
    given = {"form": ["a"], "notify": [None, None, None], "ask": ["a"]}.get(task, [])
    job = client.create(task, *given, lifecycle="syncing")
    assert job["lifecycle"] == lifecycle
    if task == "notify":
        assert client.until(job["id"])["state"] == "success"


def test_finding_a_job_after_a_lost_answer(client: Client, sandbox: Sandbox) -> None:
    job = client.create("keep", "a name of its own", lifecycle="syncing")
    found = {
        "where[task_id]": sandbox.task_id("keep"),
        "where[lifecycle]": "syncing",
        "where[user_id]": job["user_id"],
        "where[origin]": "user",
        "where[creation_date][$gte]": job["creation_date"],
    }
    for name in ("task_arguments_values", "task_arguments_values.0"):
        params = {**found, f"where[{name}]": "a name of its own"}
        assert [row["id"] for row in client.ask("GET", "/demo/job", params=params).json()] == [job["id"]]
    assert client.ask("GET", "/demo/job", params={**found, "where[origin]": "secret"}).json() == []


def test_a_workflow_given_up_while_held(client: Client, sandbox: Sandbox) -> None:
    run = client.start("chain", "a", lifecycle="syncing")["id"]
    child = client.children("chain", run)[0]["id"]
    cancel = f"/workflows/{sandbox.workflow_id('chain')}/job/{run}/cancel?customer=demo"
    refused = client.ask("PUT", cancel)
    assert (refused.status_code, '"syncing"' in refused.json()["message"]) == (400, True)
    assert client.ask("PUT", f"/job/{run}/synced").json() == "ok"
    assert (client.read(run)["lifecycle"], client.read(child)["lifecycle"]) == ("ready", "syncing")
    client.ask("PUT", f"/job/{child}/hold")
    assert client.ask("PUT", cancel).status_code == 200
    assert (client.until(run)["lifecycle"], client.read(child)["lifecycle"]) == ("canceled", "canceled")


def test_a_stuck_run_is_freed_by_restarting_its_dead_step(client: Client, sandbox: Sandbox) -> None:
    drained(sandbox)
    run = client.start("stuck")["id"]
    report(sandbox, take(sandbox)[0]["id"], "success")
    dead = sandbox.wait(lambda: next((c for c in client.children("stuck", run) if c["state"] == "error"), None))
    cancel = client.ask("PUT", f"/workflows/{sandbox.workflow_id('stuck')}/job/{run}/cancel?customer=demo")
    assert (cancel.status_code, '"terminated"' in cancel.json()["message"]) == (400, True)
    assert client.ask("PUT", f"/demo/job/{dead['id']}/restart", json={"task_arguments": ["a"]}).status_code == 500
    assert client.ask("PUT", f"/demo/job/{dead['id']}/restart", json={"task_arguments": ["a", "b"]}).status_code == 200
    report(sandbox, take(sandbox)[0]["id"], "success")
    assert client.until(run)["state"] == "success"


def test_between_two_steps_no_child_is_live_and_the_run_goes_on() -> None:
    with Sandbox(WORLD, runner=False, extra_args=["--step-delay", "0.5"]) as running:
        client = Client(running)
        run = client.start("chain", "a")["id"]
        report(running, take(running)[0]["id"], "success")
        assert [child["lifecycle"] for child in client.children("chain", run)] == ["finished"]
        assert client.read(run)["lifecycle"] == "started"
        running.wait(lambda: len(client.children("chain", run)) == 2)


def test_a_step_killed_at_its_limit_ends_the_run_alike(client: Client, sandbox: Sandbox) -> None:
    drained(sandbox)
    run = client.start("handler", "a")["id"]
    report(sandbox, take(sandbox)[0]["id"], "killed", killed=True, code=None)
    ended = client.until(run)
    assert (ended["lifecycle"], ended["state"], ended["trigger_name"]) == ("terminated", "timeout", "timeout")
    assert len(client.children("handler", run)) == 1


def test_retention_counts_live_jobs_and_deletes_only_what_is_over(client: Client, sandbox: Sandbox) -> None:
    drained(sandbox)
    over = client.create("hello")["id"]
    report(sandbox, take(sandbox)[0]["id"], "success")
    live = [client.create("hello", lifecycle="syncing")["id"] for _ in range(4)]
    assert client.ask("GET", f"/demo/job/{over}").status_code == 200
    live.append(client.create("hello", lifecycle="syncing")["id"])
    assert client.ask("GET", f"/demo/job/{over}").status_code == 404
    assert [client.ask("GET", f"/demo/job/{job}").status_code for job in live] == [200] * 5


def test_an_agents_word_canceled(client: Client, sandbox: Sandbox) -> None:
    drained(sandbox)
    job = client.create("hello")["id"]
    take(sandbox)
    assert report(sandbox, job, "canceled").json()["lifecycle"] == "terminated"
    assert client.read(job)["result"]["log"] == "canceled"


@pytest.mark.parametrize("lifecycle", [[], {}, 5, True, "sleeping"])
def test_a_lifecycle_that_does_not_exist(client: Client, sandbox: Sandbox, lifecycle: Any) -> None:
    body = {"task": sandbox.task_id("hello"), "task_arguments": [], "lifecycle": lifecycle}
    answer = client.ask("POST", "/job", json=body)
    assert (answer.status_code, answer.json()["message"][:18]) == (400, "Invalid lifecycle ")
