"""The journal counts, and faults go wrong in just the way that was asked for."""

from __future__ import annotations

import time

import pytest
import requests

from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sandbox.process import SandboxError

from .conftest import Client


def test_journal(client: Client, sandbox: Sandbox) -> None:
    sandbox.reset_journal()
    job = client.create("hello", lifecycle="syncing")["id"]
    client.ask("PUT", f"/job/{job}/synced")
    client.until(job)
    other = client.create("hello", lifecycle="onhold")["id"]
    client.ask("PUT", f"/demo/job/{other}/cancel")
    client.ask("PUT", f"/demo/job/{other}/cancel")
    client.ask("GET", "/no/such/route")
    journal = sandbox.journal()
    assert journal["jobs"][job] == {
        "name": "Hello World",
        "task_id": sandbox.task_id("hello"),
        "created": 1,
        "released": 1,
        "started": 1,
        "cancelled": 0,
    }
    assert journal["jobs"][other]["cancelled"] == 1
    assert journal["requests"]["POST /job"] == 2
    assert journal["requests"]["PUT /{customer}/job/{id}/cancel"] == 2
    assert journal["requests"]["GET (no such route)"] == 1
    assert journal["totals"]["created"] == 2
    assert journal["totals"]["requests"] == sum(journal["requests"].values())
    sandbox.reset_journal()
    assert sandbox.journal()["totals"]["requests"] == 0


def created(sandbox: Sandbox) -> int:
    return sandbox.journal()["totals"]["created"]


@pytest.mark.parametrize(("when", "jobs"), [("before", 0), ("after", 1)])
@pytest.mark.parametrize("do", ["status", "html", "close"])
def test_an_answer_goes_wrong_before_or_after_the_effect(
    client: Client, sandbox: Sandbox, do: str, when: str, jobs: int
) -> None:
    sandbox.reset_journal()
    rule = {"method": "POST", "path": "/job", "times": 1, "when": when, "do": do, "status": 503, "body": {"a": 1}}
    sandbox.set_faults([{**rule, "headers": {"Retry-After": "7"}}])
    if do == "close":
        with pytest.raises(requests.ConnectionError):
            client.create("hello")
    else:
        body = {"task": sandbox.task_id("hello"), "task_arguments": []}
        answer = client.ask("POST", "/job", json=body)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
        assert answer.text.startswith("<html>") if do == "html" else answer.json() == {"a": 1}
    assert created(sandbox) == jobs
    assert sandbox.journal()["requests"] == {"POST /job": 1}
    client.create("hello")
    assert created(sandbox) == jobs + 1
    assert sandbox.faults()[0]["fired"] == 1


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body_leaves_the_connection_as_it_was(client: Client, sandbox: Sandbox, status: int) -> None:
    sandbox.set_faults([{"path": "/demo/task", "do": "status", "status": status, "body": None, "times": 1}])
    assert [client.ask("GET", "/demo/task").status_code for _ in range(2)] == [status, 200]


@pytest.mark.parametrize("rules", ["[", "[" * 100_000], ids=["cut", "deep"])
def test_rules_that_are_no_json_are_refused_in_one_line(sandbox: Sandbox, rules: str) -> None:
    answer = requests.put(f"{sandbox.url}/_sandbox/faults", data=rules, timeout=10)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("not JSON: ")


def test_half_a_body(client: Client, sandbox: Sandbox) -> None:
    sandbox.reset_journal()
    sandbox.set_faults([{"method": "POST", "path": "/job", "times": 1, "do": "half_body"}])
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        client.create("hello")
    assert created(sandbox) == 1


def test_delay(client: Client, sandbox: Sandbox) -> None:
    sandbox.set_faults([{"path": "/demo/task", "do": "delay", "seconds": 0.4}])
    began = time.monotonic()
    assert client.ask("GET", "/demo/task").status_code == 200
    assert 0.4 <= time.monotonic() - began < 2


def test_hang(client: Client, sandbox: Sandbox) -> None:
    sandbox.set_faults([{"path": "/demo/task", "do": "hang", "times": 1}])
    with pytest.raises(requests.ReadTimeout):
        client.session.get(sandbox.url + "/demo/task", timeout=0.5)
    assert client.ask("GET", "/demo/task").status_code == 200


def test_skip_share_and_pattern(client: Client, sandbox: Sandbox) -> None:
    sandbox.set_faults([{"path": "/demo/job/*", "do": "status", "status": 502, "skip": 2, "times": 1}])
    job = client.create("hello", lifecycle="syncing")["id"]
    statuses = [client.ask("GET", f"/demo/job/{job}").status_code for _ in range(4)]
    assert statuses == [200, 200, 502, 200]
    sandbox.set_faults([{"path": "*", "do": "status", "share": 0.5}])
    statuses = [client.ask("GET", "/demo/task").status_code for _ in range(60)]
    assert {200, 500} == set(statuses)
    sandbox.set_faults([{"path": "*", "do": "status", "share": 0}])
    assert client.ask("GET", "/demo/task").status_code == 200


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"do": "explode"}, "do must be one of"),
        ({"path": "/job"}, "do is missing"),
        ({"do": "status", "tims": 1}, "unknown field tims"),
        ({"do": "status", "times": 0}, "times must be"),
        ({"do": "status", "share": 2}, "share must be"),
        ({"do": "status", "status": "500"}, "status must be"),
        ({"do": "status", "when": "during"}, "when must be"),
        ({"do": "status", "headers": {"a": "b\nc"}}, "headers must be"),
        ({"do": "status", "headers": {"a b": "c"}}, "headers must be"),
        ({"do": "status", "headers": {"": "c"}}, "headers must be"),
        ({"do": "status", "headers": {"Content-length": "3"}}, "headers must be"),
        ({"do": "delay", "seconds": -1}, "rule 0: seconds must be a number from 0 to 3600"),
        ({"do": "overlap", "seconds": 3601}, "seconds must be"),
        ({"do": "stall", "seconds": "3"}, "seconds must be"),
    ],
)
def test_bad_rules_are_refused_and_change_nothing(sandbox: Sandbox, rule: dict, words: str) -> None:
    sandbox.set_faults([{"do": "status", "path": "/never"}])
    with pytest.raises(SandboxError, match=words):
        sandbox.set_faults([rule])
    assert sandbox.faults()[0]["path"] == "/never"


def test_a_record_vanishes(client: Client, sandbox: Sandbox) -> None:
    job = client.create("hello", lifecycle="syncing")["id"]
    sandbox.forget_job(job)
    answer = client.ask("GET", f"/demo/job/{job}")
    assert (answer.status_code, answer.json()) == (404, "job not found")


def test_history(client: Client, sandbox: Sandbox) -> None:
    job = client.create("hello", lifecycle="syncing")["id"]
    client.ask("PUT", f"/job/{job}/synced")
    client.until(job)
    history = sandbox.request("GET", f"/_sandbox/jobs/{job}")["history"]
    assert [moment["lifecycle"] for moment in history] == ["syncing", "ready", "assigned", "finished"]
    assert [moment["at"] for moment in history] == sorted(moment["at"] for moment in history)


def test_a_token_is_revoked_and_given_back(client: Client, sandbox: Sandbox) -> None:
    other = Client(sandbox, "admin")
    sandbox.revoke_token("integration")
    try:
        refused = client.ask("GET", "/demo/task")
        assert (refused.status_code, refused.json()["message"]) == (401, "authentication failed")
        assert other.ask("GET", "/demo/task").ok
    finally:
        sandbox.revoke_token("integration", revoked=False)
    assert client.ask("GET", "/demo/task").ok
    with pytest.raises(SandboxError, match="no user is called nobody"):
        sandbox.revoke_token("nobody")
