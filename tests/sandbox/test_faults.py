"""The journal counts, and faults go wrong in just the way that was asked for."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

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
        ({"do": "delay", "seconds": -1}, "seconds must be"),
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


# --- what is under way at once ----------------------------------------------------------------------------------------


def both(client: Client, other: Client, path: str, body: Any = None, *, apart: float = 0.2) -> list[int]:
    """The statuses of two equal requests, the second one sent while the first is under way."""

    def ask(one: Client, after: float) -> int:
        time.sleep(after)
        return one.ask("PUT", path, json=body).status_code

    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(ask, client, 0.0), pool.submit(ask, other, apart)]
        return [one.result() for one in asked]


def starts(sandbox: Sandbox, job: str) -> int:
    return sandbox.journal()["jobs"][job]["started"]


@pytest.fixture
def other(sandbox: Sandbox) -> Client:
    return Client(sandbox, "integration")


def test_two_releases_at_once_are_both_obeyed_and_run_it_twice(client: Client, other: Client, sandbox: Sandbox) -> None:
    job = client.create("hello", lifecycle="syncing")["id"]
    sandbox.set_faults([{"path": "*/synced", "do": "overlap", "seconds": 1.0}])
    assert both(client, other, f"/job/{job}/synced", apart=0.6) == [200, 200]
    client.until(job)
    sandbox.wait(lambda: starts(sandbox, job) == 2)
    assert client.ask("PUT", f"/job/{job}/synced").status_code == 400


def test_an_overlap_alone_changes_nothing(client: Client, sandbox: Sandbox) -> None:
    job = client.create("hello", lifecycle="syncing")["id"]
    sandbox.set_faults([{"path": "*/synced", "do": "overlap", "seconds": 0.1}])
    assert [client.ask("PUT", f"/job/{job}/synced").status_code for _ in range(2)] == [200, 400]
    client.until(job)
    assert starts(sandbox, job) == 1


def test_two_restarts_at_once_are_both_obeyed(client: Client, other: Client, sandbox: Sandbox) -> None:
    job = client.create("hello")["id"]
    client.until(job)
    sandbox.set_faults([{"path": "*/restart", "do": "overlap", "seconds": 1.0}])
    assert both(client, other, f"/demo/job/{job}/restart", {"task_arguments": []}, apart=0.6) == [200, 200]
    sandbox.wait(lambda: starts(sandbox, job) == 3)


def test_two_inputs_at_once_are_both_obeyed(client: Client, other: Client, sandbox: Sandbox) -> None:
    job = client.create("greet", "x", lifecycle="onhold")["id"]
    sandbox.set_faults([{"path": "*/input", "do": "overlap", "seconds": 1.0}])
    assert both(client, other, f"/demo/job/{job}/input", {"args": ["y"]}, apart=0.6) == [200, 200]
    sandbox.wait(lambda: starts(sandbox, job) == 2)


def test_a_client_that_gives_up_does_not_stop_its_request(client: Client, sandbox: Sandbox) -> None:
    job = client.create("hello", lifecycle="syncing")["id"]
    sandbox.set_faults([{"path": "*/synced", "do": "overlap", "seconds": 0.8}])
    with pytest.raises(requests.ReadTimeout):
        client.session.put(f"{sandbox.url}/job/{job}/synced", timeout=0.3)
    assert client.ask("GET", f"/demo/job/{job}").json()["lifecycle"] == "syncing"
    client.until(job)
    assert starts(sandbox, job) == 1


def test_a_stalled_server_carries_out_at_once_what_came_meanwhile(
    client: Client, other: Client, sandbox: Sandbox
) -> None:
    job = client.create("hello", lifecycle="syncing")["id"]
    sandbox.set_faults([{"path": "*/synced", "do": "stall", "seconds": 1.0, "times": 1}])
    began = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(both, client, other, f"/job/{job}/synced")
        time.sleep(0.4)
        assert Client(sandbox, "integration").ask("GET", f"/demo/job/{job}").json()["lifecycle"] == "syncing"
        assert time.monotonic() - began > 0.9
        assert asked.result() == [200, 200]
    client.until(job)
