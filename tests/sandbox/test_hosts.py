"""What TheEye tells of hosts and to whom, their agents' updates, and the odd reports that agents may make."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_theeye.sandbox import Sandbox

from .conftest import Client, world


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    described = world(one={}, strict={"default_state_evaluation": "failure"})
    described["organizations"]["other"] = {"hosts": ["host-o"], "users": {"other": {"role": "integration"}}}
    with Sandbox(described, runner=False) as running:
        yield running


@pytest.fixture
def sandbox(shared: Sandbox) -> Sandbox:
    shared.reset()
    return shared


def hosts(sandbox: Sandbox, user: str = "integration", path: str = "/demo/resource", **query: str) -> Any:
    answer = Client(sandbox, user).ask("GET", path, params=query)
    return [row["hostname"] for row in answer.json()] if answer.status_code == 200 else answer.status_code


def take(sandbox: Sandbox, host: str = "host-a") -> dict[str, Any]:
    return Client(sandbox, f"agent:{host}").ask("GET", "/demo/job", params={"hostname": host}).json()["jobs"][0]


def test_hosts_are_listed_for_their_organizations_admins(sandbox: Sandbox) -> None:
    assert hosts(sandbox, type="host") == ["host-a", "host-b"]
    assert hosts(sandbox, "other", "/other/resource") == ["host-o"]
    assert hosts(sandbox, "other") == 409
    assert hosts(sandbox, path="/nobody/resource") == 404
    assert [hosts(sandbox, user) for user in ("user", "viewer", "agent:host-a")] == [[], [], []]


def test_the_list_of_hosts_is_filtered_as_every_list(sandbox: Sandbox) -> None:
    assert hosts(sandbox, **{"where[hostname]": "host-b"}) == ["host-b"]
    assert hosts(sandbox, **{"where[state]": "updates_stopped"}) == []
    assert hosts(sandbox, **{"where[type]": "scraper"}) == []
    assert hosts(sandbox, type="scraper") == ["host-a", "host-b"], "not a filter"
    assert hosts(sandbox, **{"sort[hostname]": "-1", "limit": "1"}) == ["host-b"]
    assert hosts(sandbox, **{"where[hostname][$nonsense]": "x"}) == 500


def reconfigure(sandbox: Sandbox, host: str, user: str = "integration") -> tuple[int, Any]:
    answer = Client(sandbox, user).ask("PUT", f"/demo/host/{host}/reconfigure")
    return answer.status_code, answer.json() if answer.content else None


def updates(client: Client) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = client.ask("GET", "/demo/job", params={"where[_type]": "AgentUpdateJob"}).json()
    return rows


def test_an_agents_update_waits_once_and_is_taken_before_all_else(client: Client, sandbox: Sandbox) -> None:
    host = sandbox.seed["hosts"]["host-a"]
    job = client.create("one")["id"]
    assert [reconfigure(sandbox, host) for _ in range(2)] == [(204, None)] * 2
    (update,) = updates(client)
    assert (update["name"], update["lifecycle"], "task_id" in update) == ("agent:config:update", "ready", False)
    assert updates(Client(sandbox, "user")) == []
    assert [take(sandbox)["id"], take(sandbox)["id"]] == [update["id"], job]
    reconfigure(sandbox, host)
    (newer,) = updates(client)
    assert newer["id"] != update["id"], "the one before is deleted"
    assert client.ask("GET", f"/demo/job/{update['id']}").status_code == 404


def test_what_can_be_done_with_an_update(client: Client, sandbox: Sandbox) -> None:
    reconfigure(sandbox, sandbox.seed["hosts"]["host-a"])
    (update,) = updates(client)
    path = f"/demo/job/{update['id']}"
    assert client.read(update["id"])["name"] == "agent:config:update"
    assert client.ask("PUT", f"{path}/cancel").status_code == 204
    assert client.until(update["id"])["lifecycle"] == "canceled"
    assert client.ask("PUT", f"{path}/restart", json={}).status_code == 400
    assert [client.ask("GET", f"/job/{update['id']}/{what}").status_code for what in ("input", "output")] == [200, 200]


def test_updates_that_are_refused(sandbox: Sandbox) -> None:
    assert reconfigure(sandbox, sandbox.seed["hosts"]["host-a"], "user") == (403, "forbidden")
    assert reconfigure(sandbox, "f" * 24) == (404, "host not found")
    assert reconfigure(sandbox, "host-a") == (400, "host id is invalid")


def test_another_organizations_host_is_told_to_update(sandbox: Sandbox) -> None:
    assert reconfigure(sandbox, sandbox.seed["hosts"]["host-o"]) == (204, None)
    (update,) = Client(sandbox, "other").ask("GET", "/other/job").json()
    assert (update["customer_name"], updates(Client(sandbox))) == ("other", [])


def test_the_runner_answers_an_update() -> None:
    with Sandbox(world()) as running:
        client = Client(running)
        reconfigure(running, running.seed["hosts"]["host-a"])
        (update,) = updates(client)
        assert client.until(update["id"])["state"] == "success"


def test_agents_ask_for_hosts_of_their_organization_alone(sandbox: Sandbox) -> None:
    agent = Client(sandbox, "agent:host-a")
    for params in ({"hostname": "host-o"}, {"hostname": "nowhere"}, {}):
        answer = agent.ask("GET", "/demo/job", params=params)
        assert (answer.status_code, answer.json()) == (400, "host is required")
    assert agent.ask("PUT", "/demo/agent/host-o").status_code == 404
    assert agent.ask("PUT", "/demo/agent/host-b").status_code == 204


@pytest.mark.parametrize(("user", "status"), [("integration", 204), ("user", 403), ("viewer", 403), ("other", 409)])
def test_a_sign_of_life_needs_the_role_of_an_agent(sandbox: Sandbox, user: str, status: int) -> None:
    assert Client(sandbox, user).ask("PUT", "/demo/agent/host-a").status_code == status


@pytest.mark.parametrize(
    ("result", "state", "output"),
    [
        ({"state": "failure"}, "failure", []),
        ({"state": "FAILURE"}, "success", []),
        ({"state": ["failure"]}, "success", []),
        ({"state": None, "data": {"killed": "yes"}}, "success", []),
        ({"data": {"killed": True}}, "timeout", []),
        ({"data": {"output": 0}}, "success", []),
        ({"data": {"output": "[1, 2]"}}, "success", ["1", "2"]),
        ("failure", "success", []),
        ([{"state": "failure"}], "success", []),
        (None, "success", []),
    ],
)
def test_odd_reports(client: Client, sandbox: Sandbox, result: object, state: str, output: list[str]) -> None:
    job = client.create("one")["id"]
    take(sandbox)
    answer = Client(sandbox, "agent:host-a").ask("PUT", f"/demo/job/{job}", json={"result": result})
    assert (answer.status_code, answer.json()["state"], answer.json()["output"]) == (200, state, output)


@pytest.mark.parametrize("body", [{}, [], "text", 5, {"result": {}}])
def test_a_report_of_nothing_is_what_the_task_says(client: Client, sandbox: Sandbox, body: object) -> None:
    job = client.create("strict")["id"]
    take(sandbox)
    Client(sandbox, "agent:host-a").ask("PUT", f"/demo/job/{job}", json=body).raise_for_status()
    shown = client.read(job)
    assert (shown["state"], list(shown["result"])) == ("failure", ["user"])


def test_members_of_reported_data_that_is_no_object_are_numbered(client: Client, sandbox: Sandbox) -> None:
    job = client.create("one")["id"]
    take(sandbox)
    Client(sandbox, "agent:host-a").ask("PUT", f"/demo/job/{job}", json={"result": {"data": ["a", "b"]}})
    result = client.read(job)["result"]
    assert (result["0"], result["1"]) == ("a", "b")


def test_any_agent_may_report_but_only_the_first_report_counts(client: Client, sandbox: Sandbox) -> None:
    job = client.create("one")["id"]
    take(sandbox)
    for user in ("integration", "user"):
        refused = Client(sandbox, user).ask("PUT", f"/demo/job/{job}", json={})
        assert (refused.status_code, refused.json()) == (403, "forbidden")
    other = Client(sandbox, "agent:host-o")
    assert other.ask("PUT", f"/demo/job/{job}", json={}).status_code == 409
    assert other.ask("PUT", f"/other/job/{job}", json={"result": {"state": "failure"}}).json()["state"] == "failure"
    again = Client(sandbox, "agent:host-a").ask("PUT", f"/demo/job/{job}", json={"result": {"state": "success"}})
    assert (again.status_code, again.content) == (200, b"")
    assert client.read(job)["state"] == "failure"


def test_who_restarted_a_job_is_told_to_its_script() -> None:
    with Sandbox(world(one={}), runner=False) as running:
        client, other = Client(running), Client(running, "user")
        job = client.create("one", lifecycle="onhold")["id"]
        client.ask("PUT", f"/demo/job/{job}/cancel").raise_for_status()
        other.ask("PUT", f"/demo/job/{job}/restart", json={"task_arguments": []}).raise_for_status()
        shown = client.read(job)
        assert json.loads(shown["env"]["THEEYE_JOB_USER"])["id"] != shown["user_id"]
