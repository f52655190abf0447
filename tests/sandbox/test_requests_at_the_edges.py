"""Bodies, tokens, ids and routes that no recorded scenario asks for, or only one kind of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from airflow_provider_theeye.sandbox import Sandbox

from .conftest import Client

NO_SUCH_ID = "f" * 24
JSON = {"Content-Type": "application/json"}
WORLD: dict[str, Any] = {
    "organizations": {
        "demo": {
            "hosts": ["host-a"],
            "users": {key: {"role": key} for key in ("integration", "admin", "manager", "user", "viewer")},
        },
        "other": {"hosts": ["host-o"], "users": {"stranger": {"role": "integration"}}},
    },
    "tasks": {
        "plain": {"name": "Plain", "host": "host-a"},
        "one": {"name": "One", "host": "host-a", "arguments": ["first"]},
        "one-json": {"name": "One Json", "host": "host-a", "arguments": ["first"], "arguments_type": "json"},
        "one-text": {"name": "One Text", "host": "host-a", "arguments": ["first"], "arguments_type": "text"},
        "two": {"name": "Two", "host": "host-a", "arguments": ["first", "second"]},
        "form": {"name": "Form", "type": "dummy", "arguments": ["first"], "user_inputs": True},
        "hidden": {"name": "Hidden", "host": "host-a", "acl": []},
        "theirs": {"name": "Theirs", "organization": "other", "host": "host-o"},
        "ask": {"name": "Ask", "host": "host-a", "arguments": ["first"], "user_inputs": True},
        "notify": {"name": "Notify", "type": "notification"},
        "approve": {"name": "Approve", "type": "approval", "approvers": ["integration"]},
        "approve-this": {"name": "This", "type": "approval", "approvers": ["integration"], "arguments": ["what"]},
    },
    "workflows": {
        "flow": {"name": "Flow", "host": "host-a", "steps": {"a": {"arguments": ["x"]}}},
        "secret-flow": {"name": "Secret Flow", "host": "host-a", "acl": [], "steps": {"a": {}}},
        "their-flow": {"name": "Their Flow", "organization": "other", "host": "host-o", "steps": {"a": {}}},
    },
    "webhooks": {"hook": {"name": "Hook", "triggers": ["two", "flow"]}},
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(WORLD, runner=False) as running:
        yield running


def answer(of: requests.Response) -> tuple[int, Any]:
    return of.status_code, of.json() if of.content else None


def unanswered(client: Client, method: str, path: str, **more: Any) -> bool:
    try:
        client.session.request(method, client.sandbox.url + path, timeout=1.5, **more)
    except requests.ReadTimeout:
        return True
    return False


# -- bodies


@pytest.mark.parametrize(
    ("task", "body", "kept"),
    [
        ("one", "a", "a"),
        ("one", {"value": "v"}, "v"),
        ("one", {"k": 1}, '{"k":1}'),
        ("one", [["a"]], '["a"]'),
        ("one", 7, "7"),
        ("one", None, "{}"),
        ("one", 0, "{}"),
        ("one-json", "a", '"a"'),
        ("one-json", {"k": 1}, '{"k":1}'),
        ("one-json", {"value": {"k": 1}}, '{"k":1}'),
        ("one-text", {"value": 1}, '{"value":1}'),
        ("one-text", [1], "1"),
        ("one", {"task_arguments": None, "k": 1}, '{"task_arguments":null,"k":1}'),
    ],
)
def test_the_body_is_the_argument(client: Client, task: str, body: Any, kept: str) -> None:
    path = f"/task/{client.sandbox.task_id(task)}/job"
    made = client.ask("POST", path, data=json.dumps(body), headers=JSON).json()
    assert made["task_arguments_values"] == [kept]


def test_without_a_body_the_query_is_the_argument(client: Client) -> None:
    made = client.ask("POST", f"/task/{client.sandbox.task_id('one')}/job?a=1").json()
    assert made["task_arguments_values"] == ['{"a":"1"}']


def test_plain_text_and_other_bytes(client: Client) -> None:
    path = f"/task/{client.sandbox.task_id('one')}/job"
    made = client.ask("POST", path, data=b"hello", headers={"Content-Type": "text/plain"}).json()
    assert made["task_arguments_values"] == ["hello"]
    made = client.ask("POST", path, data=b"hi", headers={"Content-Type": "image/png"}).json()
    assert made["task_arguments_values"] == ['{"type":"Buffer","data":[104,105]}']


@pytest.mark.parametrize("body", [b" ", b"\xef\xbb\xbf{}", b"[NaN]", b"[-Infinity]", b"{'a': 1}", b"[" * 100_000])
def test_no_json(client: Client, body: bytes) -> None:
    refused = client.ask("POST", "/job", data=body, headers=JSON)
    assert (refused.status_code, refused.json()["code"]) == (400, "InvalidContent")


def test_a_body_with_get_is_not_read(client: Client) -> None:
    assert client.ask("GET", "/demo/task", data=b"{", headers=JSON).status_code == 200


@pytest.mark.parametrize("named", [7, ["x"], {}, {"id": ""}, True, ""])
def test_no_task_is_named(client: Client, named: Any) -> None:
    assert answer(client.ask("POST", "/job", json={"task": named})) == (400, "task is required")


def test_what_counts_as_false_in_the_body_is_looked_for_in_the_query(client: Client) -> None:
    query = f"/job?task={client.sandbox.task_id('two')}&task_arguments[]=a&task_arguments[]=b"
    made = client.ask("POST", query, json={"task": None, "task_arguments": 0}).json()
    assert made["task_arguments_values"] == ["a", "b"]


def test_a_run_keeps_what_it_was_given(client: Client) -> None:
    assert client.start("flow", {"k": 1}, "surplus")["task_arguments_values"] == [{"k": 1}, "surplus"]


@pytest.mark.parametrize(("assignee", "message"), [("somebody", "assignee array expected"), ([], "assignee is empty")])
def test_assignees(client: Client, assignee: Any, message: str) -> None:
    body = {"task": client.sandbox.task_id("plain"), "assignee": assignee}
    assert answer(client.ask("POST", "/job", json=body)) == (400, {"statusCode": 400, "message": message})


# -- wait_result


def location(of: requests.Response) -> str:
    assert of.status_code == 303
    assert of.json()["lifecycle"] == "ready"
    return of.headers["Location"].replace(of.json()["id"], "ID").replace(of.json()["secret"], "SECRET")


def test_a_creation_can_lead_to_its_result(client: Client) -> None:
    sandbox = client.sandbox
    task, secret = sandbox.task_id("plain"), sandbox.task_secret("plain")
    options: dict[str, Any] = {"allow_redirects": False}
    waiting = "counter=0&limit=10&timeout=10"
    made = client.ask("POST", "/job", json={"task": task, "wait_result": True}, **options)
    assert location(made) == f"/job/ID/result?{waiting}"
    made = client.ask("POST", f"/task/{task}/job?wait_result=true&limit=2&x[]=1", **options)
    assert location(made) == "/job/ID/result?wait_result=true&limit=2&x%5B0%5D=1&counter=0&timeout=10"
    made = requests.post(f"{sandbox.url}/task/{task}/secret/{secret}/job?wait_result=true", timeout=9, **options)
    assert location(made) == f"/job/ID/secret/SECRET/result?wait_result=true&{waiting}"
    for no in ({"wait_result": "true"}, {"wait_result": 1}):
        assert client.ask("POST", "/job", json={"task": task, **no}, **options).status_code == 200


def test_the_result_can_be_posted_for(client: Client) -> None:
    job = client.create("approve")["id"]
    client.ask("PUT", f"/demo/job/{job}/approve")
    assert client.ask("POST", f"/job/{job}/result?full").json()["state"] == "success"


# -- forms


def test_a_form_that_asks_a_person(client: Client) -> None:
    sandbox = client.sandbox
    url = f"{sandbox.url}/task/{sandbox.task_id('form')}/secret/{sandbox.task_secret('form')}/job"
    job = requests.post(url, json={"task_arguments": ["thrown away"]}, timeout=9).json()
    assert (job["lifecycle"], job["task_arguments_values"], job["output"]) == ("onhold", [], [])
    assert client.ask("PUT", f"/demo/job/{job['id']}/input", json={"args": []}).status_code == 400
    for words in ("a", "b"):
        done = client.ask("PUT", f"/demo/job/{job['id']}/input", json={"args": [words]}).json()
        assert (done["lifecycle"], done["state"], done["output"]) == ("finished", "success", [words])
        assert (done["task_arguments_values"], done["result"]["output"]) == ([], [words])
    assert client.create("form", "a")["lifecycle"] == "finished"
    assert client.create("form", "a", lifecycle="onhold")["lifecycle"] == "onhold"
    assert client.create("form", "a", lifecycle="syncing")["lifecycle"] == "finished"


def test_arguments_that_a_person_will_give_are_not_looked_at(client: Client) -> None:
    sandbox = client.sandbox
    url = f"{sandbox.url}/task/{sandbox.task_id('ask')}/secret/{sandbox.task_secret('ask')}/job"
    job = requests.post(url, json={"task_arguments": [{"order": 5}]}, timeout=9).json()
    assert (job["lifecycle"], job["task_arguments_values"]) == ("onhold", [])
    assert client.create("ask", {"order": 5})["lifecycle"] == "terminated"


def test_a_notification_is_never_born_dead(client: Client) -> None:
    job = client.create("notify", *[{"order": 9}] * 3)
    assert (job["lifecycle"], job["task_arguments_values"]) == ("ready", ["subject", "body", []])


def test_who_decides_is_added_to_the_arguments(client: Client) -> None:
    job = client.create("approve-this", "release")["id"]
    assert client.ask("PUT", f"/demo/job/{job}/reject").status_code == 204
    done = client.read(job)
    given, decider = done["output"]
    assert (given, json.loads(decider)["username"]) == ("release", "integration")
    assert done["task_arguments_values"][0] == "release"


@pytest.mark.parametrize("timeout", ["soon", "10s"])
def test_a_waiting_time_that_is_no_number_is_none(client: Client, timeout: str) -> None:
    job = client.create("plain")["id"]
    query = {"timeout": timeout, "limit": "3"}
    path = f"{client.sandbox.url}/job/{job}/result"
    assert client.session.get(path, params=query, timeout=5, allow_redirects=False).status_code == 303


# -- tokens


@pytest.mark.parametrize(
    ("header", "query", "status"),
    [
        ("Bearer {token}", "", 200),
        ("bearer {token}", "", 200),
        ("Bearer  {token}", "", 401),
        ("Bearer {token} x", "", 401),
        ("Bearer", "", 401),
        ("Bearer", "{token}", 401),
        ("Basic eDp5", "", 401),
        ("Basic eDp5", "{token}", 200),
        ("Bearer {token}", "{token}", 401),
    ],
)
def test_the_token_in_the_header(sandbox: Sandbox, header: str, query: str, status: int) -> None:
    token = sandbox.token("integration")
    url = f"{sandbox.url}/demo/task" + (f"?access_token={query.format(token=token)}" if query else "")
    assert requests.get(url, headers={"Authorization": header.format(token=token)}, timeout=9).status_code == status


# -- access lists


def test_an_empty_access_list_leaves_lower_roles_without_answer(client: Client) -> None:
    sandbox = client.sandbox
    user = Client(sandbox, "user")
    task, job = sandbox.task_id("hidden"), client.create("hidden")["id"]
    flow, hook = sandbox.workflow_id("secret-flow"), sandbox.webhook_id("hook")
    for method, path in (
        ("GET", f"/demo/job/{job}/lifecycle"),
        ("PUT", f"/demo/job/{job}/cancel"),
        ("GET", f"/job/{job}/result"),
        ("GET", f"/demo/task/{task}"),
        ("POST", f"/task/{task}/job"),
        ("POST", f"/demo/task/{task}/job"),
        ("POST", f"/job?task={task}"),
        ("POST", f"/workflows/{flow}/job"),
        ("POST", f"/demo/webhook/{hook}/trigger"),
    ):
        assert unanswered(user, method, path), path
    assert client.read(job)["lifecycle"] == "ready"
    assert Client(sandbox, "manager").ask("GET", f"/job/{job}/output").status_code == 200
    assert [row["name"] for row in user.ask("GET", "/demo/job", params={"where[_id]": job}).json()] == []


# -- errors by route


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/task/{id}/secret/x/job"),
        ("POST", "/demo/task/{id}/secret/x/job"),
        ("POST", "/demo/task/{id}/job"),
        ("POST", "/job?task={id}"),
        ("GET", "/demo/task/{id}/credentials"),
        ("DELETE", "/demo/task/{id}/job"),
        ("POST", "/workflows/{id}/job"),
        ("GET", "/workflows/{id}/credentials"),
        ("POST", "/demo/webhook/{id}/trigger"),
        ("POST", "/demo/webhook/{id}/trigger/secret/x"),
        ("GET", "/demo/job/{id}"),
        ("GET", "/job/{id}/result"),
        ("PUT", "/job/{id}/synced"),
    ],
)
def test_older_routes_refuse_with_texts(client: Client, method: str, path: str) -> None:
    kind = next(kind for kind in ("webhook", "workflow", "task", "job") if kind in path)
    asked = [answer(client.ask(method, path.format(id=named))) for named in (NO_SUCH_ID, "xyz")]
    assert asked == [(404, f"{kind} not found"), (400, f"{kind} id is invalid")]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/task/{id}/job"),
        ("GET", "/task/{id}"),
        ("GET", "/demo/task/{id}"),
        ("PUT", "/demo/task/{id}"),
        ("DELETE", "/demo/task/{id}"),
        ("GET", "/job/{id}/output"),
        ("GET", "/job/{id}/input"),
        ("GET", "/job/{id}/participants"),
    ],
)
def test_newer_routes_refuse_with_objects(client: Client, method: str, path: str) -> None:
    kind = "job" if path.startswith("/job") else "task"
    asked = [answer(client.ask(method, path.format(id=named))) for named in (NO_SUCH_ID, "xyz")]
    assert asked == [
        (404, {"statusCode": 404, "message": f"{kind} not found"}),
        (400, {"statusCode": 400, "message": f"{kind} invalid value"}),
    ]


def test_what_belongs_to_another_organization(client: Client) -> None:
    sandbox = client.sandbox
    task, flow = sandbox.task_id("theirs"), sandbox.workflow_id("their-flow")
    job = Client(sandbox, "stranger").create("theirs")["id"]
    for method, path, status in (
        ("GET", f"/demo/task/{task}", 404),
        ("GET", f"/demo/task/{task}/credentials", 200),
        ("POST", f"/demo/task/{task}/job", 200),
        ("POST", f"/task/{task}/job", 404),
        ("DELETE", f"/demo/task/{task}/job", 401),
        ("DELETE", f"/demo/task/{task}", 404),
        ("PUT", f"/demo/task/{task}", 404),
        ("GET", f"/workflows/{flow}/credentials", 200),
        ("POST", f"/workflows/{flow}/job", 401),
        ("GET", f"/demo/job/{job}", 200),
        ("GET", f"/job/{job}/input", 404),
        ("GET", f"/job/{job}/participants", 404),
    ):
        assert client.ask(method, path).status_code == status, path


def test_an_empty_secret(sandbox: Sandbox) -> None:
    url = f"{sandbox.url}/task/{sandbox.task_id('plain')}/secret//job"
    assert answer(requests.post(url, timeout=9)) == (403, "secret is required")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("OPTIONS", "/demo/task", 204),
        ("OPTIONS", "/nothing", 404),
        ("PUT", "/task/x", 405),
        ("DELETE", "/task/x", 405),
        ("DELETE", "/task/x/job", 405),
        ("PUT", "/job/x/output", 405),
        ("PUT", "/job/x/cancel", 404),
        ("GET", "/task/x/credentials", 404),
        ("GET", "/demo/job/" + "a" * 101 + "/lifecycle", 404),
        ("POST", "/job/secret/" + "a" * 101, 404),
    ],
)
def test_methods_and_paths(client: Client, method: str, path: str, status: int) -> None:
    assert client.ask(method, path).status_code == status


# -- tasks and their jobs


def test_a_whole_task_changes_it(client: Client) -> None:
    path = f"/demo/task/{client.sandbox.task_id('plain')}"
    whole = client.ask("GET", path).json()
    for missing in ("name", "host_id", "script"):
        part = {key: value for key, value in whole.items() if key != missing}
        assert client.ask("PUT", path, json=part).status_code == 400, missing
    assert client.ask("PUT", path, json={**whole, "timeout": 5000}).json()["timeout"] == 5000
    assert client.ask("PATCH", path, json={**whole, "timeout": None}).json().get("timeout") is None
    form = f"/demo/task/{client.sandbox.task_id('form')}"
    assert client.ask("PUT", form, json={"name": "Form"}).status_code == 200
    approval = f"/demo/task/{client.sandbox.task_id('approve')}"
    assert client.ask("PUT", approval, json={"name": "Approve"}).status_code == 400


def test_only_jobs_of_the_own_organization_are_deleted_with_a_task_s(client: Client) -> None:
    stranger = Client(client.sandbox, "stranger")
    ours, theirs = client.create("theirs")["id"], stranger.create("theirs")["id"]
    client.ask("PUT", f"/demo/job/{ours}/cancel")
    stranger.ask("PUT", f"/other/job/{theirs}/cancel")
    path = f"/other/task/{client.sandbox.task_id('theirs')}/job"
    assert stranger.ask("DELETE", path).json()["deletedCount"] >= 1
    assert client.ask("GET", f"/demo/job/{theirs}").status_code == 404
    assert client.ask("GET", f"/demo/job/{ours}").status_code == 200


def test_input_with_its_definitions(client: Client) -> None:
    job = client.create("two", "a", 2)["id"]
    defined = client.ask("GET", f"/job/{job}/input?include_definitions").json()
    assert [(one["label"], one["value"]) for one in defined] == [("first", "a"), ("second", "2")]


def test_participants(client: Client) -> None:
    job = client.create("plain")["id"]
    found = client.ask("GET", f"/job/{job}/participants").json()
    assert found["owner"]["username"] == "integration"
    assert {user["username"] for user in found["observers"]} >= {"user", "viewer"}
    assert found["assignee"] == []


# -- webhooks


def test_a_webhook_takes_its_body_as_a_script_s_output(client: Client) -> None:
    path = f"/demo/webhook/{client.sandbox.webhook_id('hook')}/trigger"
    for body, kept in (
        (["a", {"k": 1}], ["a", '{"k":1}']),
        ({"k": 1}, ['{"k":1}']),
        ("a", ["a"]),
        ('["a",2]', ["a", "2"]),
        (None, []),
    ):
        client.ask("DELETE", f"/demo/task/{client.sandbox.task_id('two')}/job")
        assert answer(client.ask("POST", path, json=body)) == (200, {"message": "success"})
        query = {"where[task_id]": client.sandbox.task_id("two"), "sort[_id]": "-1", "limit": "1"}
        job = client.read(client.ask("GET", "/demo/job", params=query).json()[0]["id"])
        assert job["task_arguments_values"] == kept
        assert job["state"] == ("in_progress" if len(kept) == 2 else "error")
        assert (job["origin"], "user_id" in job) == ("trigger_by", False)
