"""What a web page somewhere else can make a developer's browser ask of the sandbox: nothing, without a secret key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sandbox.pages import guard

from .conftest import Client, world

FOREIGN = [
    {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"},
    {"Origin": "http://[::1"},
    {"Sec-Fetch-Site": "cross-site"},
]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    described = world(hello={}, other={})
    described["workflows"] = {"flow": {"name": "Flow", "host": "host-a", "steps": {"a": {}}}}
    described["webhooks"] = {"hook": {"name": "Hook", "triggers": ["hello"]}}
    with Sandbox(described, runner=False) as running:
        yield running


def ask(sandbox: Sandbox, method: str, path: str, **more: Any) -> requests.Response:
    return requests.request(method, sandbox.url + path, timeout=10, **more)


def created(sandbox: Sandbox) -> int:
    return int(sandbox.journal()["totals"]["created"])


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_form_with_a_token_starts_nothing(sandbox: Sandbox, headers: dict[str, str]) -> None:
    before = sandbox.journal()
    form = {"access_token": sandbox.token(), "task": sandbox.task_id("hello")}
    flow = f"/workflows/{sandbox.workflow_id('flow')}/job"
    for path in ("/job", "/demo/job", f"/task/{sandbox.task_id('hello')}/job", flow, "/nothing/here"):
        answer = ask(sandbox, "POST", path, data=form, headers=headers)
        assert (answer.status_code, answer.json()["message"]) == (403, guard.FOREIGN_PAGE), path
    assert sandbox.journal() == before


@pytest.mark.parametrize("headers", FOREIGN)
def test_an_image_takes_no_job_from_an_agent_and_sets_no_fault(sandbox: Sandbox, headers: dict[str, str]) -> None:
    job = Client(sandbox).create("other")["id"]
    token = sandbox.token("agent:host-a")
    assert ask(sandbox, "GET", f"/demo/job?hostname=host-a&access_token={token}", headers=headers).status_code == 403
    assert Client(sandbox).read(job)["lifecycle"] == "ready"
    for method, path in (
        ("GET", "/_sandbox/journal"),
        ("PUT", "/_sandbox/faults"),
        ("DELETE", f"/_sandbox/jobs/{job}"),
    ):
        assert ask(sandbox, method, path, json=[], headers=headers).status_code == 403
    assert Client(sandbox).read(job)["lifecycle"] == "ready"


@pytest.mark.parametrize("headers", FOREIGN)
def test_buttons_work_wherever_they_are(sandbox: Sandbox, headers: dict[str, str]) -> None:
    task, workflow, webhook = sandbox.task_id("hello"), sandbox.workflow_id("flow"), sandbox.webhook_id("hook")
    secret = sandbox.task_secret("hello")
    paths = [
        f"/job/secret/{secret}",
        f"/task/{task}/secret/{secret}/job",
        f"/demo/task/{task}/secret/{secret}/job",
        f"/workflows/{workflow}/secret/{sandbox.workflow_secret('flow')}/job",
        f"/demo/webhook/{webhook}/trigger/secret/{sandbox.webhook_secret('hook')}",
    ]
    for path in paths:
        before = created(sandbox)
        form = {"customer": "demo"} | ({} if "workflows" in path else {"task": task})
        assert ask(sandbox, "POST", path, data=form, headers=headers).status_code == 200, path
        assert created(sandbox) > before
    wrong = f"/task/{task}/secret/{'0' * 64}/job"
    assert ask(sandbox, "POST", wrong, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers", [{}, {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": "own"}]
)
def test_programs_and_own_pages_are_let_in(sandbox: Sandbox, headers: dict[str, str]) -> None:
    sent = {name: sandbox.url if value == "own" else value for name, value in headers.items()}
    form = {"access_token": sandbox.token(), "task": sandbox.task_id("hello")}
    assert ask(sandbox, "POST", "/job", data=form, headers=sent).status_code == 200
    assert ask(sandbox, "GET", "/_sandbox/journal", headers=sent).status_code == 200


def test_another_name_that_leads_here_is_refused(sandbox: Sandbox) -> None:
    """A page can have its name lead to this machine, and is then of the same origin."""
    port = sandbox.url.rpartition(":")[2]
    there = f"rebound.example:{port}"
    headers = {"Host": there, "Origin": f"http://{there}", "Sec-Fetch-Site": "same-origin"}
    form = {"access_token": sandbox.token(), "task": sandbox.task_id("hello")}
    by_secret = f"/task/{sandbox.task_id('hello')}/secret/{sandbox.task_secret('hello')}/job"
    for method, path in (("POST", "/job"), ("POST", by_secret), ("GET", "/demo/task"), ("GET", "/_sandbox/journal")):
        answer = ask(sandbox, method, path, data=form, headers=headers)
        assert (answer.status_code, answer.json()["message"]) == (403, guard.NOT_ITS_NAME), path
    assert ask(sandbox, "POST", "/job", data=form, headers={"Host": f"localhost:{port}"}).status_code == 200


def test_who_listens_to_others_has_the_name_that_they_know() -> None:
    with Sandbox(world(hello={}), runner=False, extra_args=["--host", "0.0.0.0"]) as running:
        port = running.url.rpartition(":")[2]
        form = {"access_token": running.token(), "task": running.task_id("hello")}
        here = f"http://127.0.0.1:{port}/job"
        named = {"Host": f"buildbox:{port}"}
        assert requests.post(here, form, headers=named, timeout=10).status_code == 200
        named["Origin"] = "http://evil.example"
        assert requests.post(here, form, headers=named, timeout=10).status_code == 403
        assert running.journal()["totals"]["created"] == 1


@pytest.mark.parametrize(
    ("name", "local"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("app.localhost", True),
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("[::1]", True),
        ("", False),
        ("localhost.evil.example", False),
        ("notlocalhost", False),
        ("127.0.0.1.evil.example", False),
        ("0.0.0.0", False),
        ("192.168.0.1", False),
    ],
)
def test_names_of_this_machine(name: str, local: bool) -> None:
    assert guard.is_local(name) is local
