"""The pages without a browser: statuses, who may look, which forms count, and that nothing is taken for markup."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sandbox.pages import guard

from .conftest import Client, world

EVIL = "<script>alert(1)</script>\"'&"
ABSENT = "0" * 24


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    described = world(
        hello={},
        evil={
            "name": EVIL,
            "arguments": [EVIL],
            "script": 'echo "$1"; printf \'["%s"]\\n\' "<script>"',
            "tags": [EVIL],
        },
        choice={
            "arguments": [
                {"label": "mode", "type": "fixed", "value": "F"},
                {"label": "colour", "type": "select", "options": ["red", "blue"]},
                {"label": "note", "required": False},
            ],
            "script": "echo success",
        },
        slow={"script": "sleep 20"},
        chatty={"script": "for n in $(seq 20000); do echo line $n; done; echo success"},
        decision={"type": "approval", "approvers": ["user"], "host": "host-a"},
    )
    described["tasks"]["crashing"] = {"name": "Crashing", "host": "host-a", "script": "echo failure; exit 2"}
    described["workflows"] = {
        "chain": {
            "name": "Chain",
            "host": "host-a",
            "steps": {"first": {}, "middle": {"script": "echo broken; exit 3"}, "last": {}},
            "edges": [{"from": "first", "to": "middle"}, {"from": "middle", "to": "last"}],
        },
        "flow": {"name": "Flow", "host": "host-a", "steps": {"a": {}, "b": {}}},
    }
    with Sandbox(described) as running:
        yield running


def get(sandbox: Sandbox, path: str, **more: Any) -> requests.Response:
    return requests.get(sandbox.url + path, timeout=10, allow_redirects=False, **more)


def post(sandbox: Sandbox, path: str, form: dict[str, str] | None = None, **headers: str) -> requests.Response:
    sent = headers or {"Origin": sandbox.url, "Sec-Fetch-Site": "same-origin"}
    return requests.post(sandbox.url + path, form or {}, headers=sent, timeout=10, allow_redirects=False)


def shown(answer: requests.Response) -> str:
    """The words of a page."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", answer.text)).split())


def test_pages_answer(client: Client, sandbox: Sandbox) -> None:
    job, run = client.create("hello")["id"], client.start("flow")["id"]
    step = client.sandbox.wait(lambda: client.children("flow", run))[0]
    task, workflow = sandbox.task_id("hello"), sandbox.workflow_id("flow")
    paths = ["/", "/?organization=demo", f"/jobs/{job}", f"/jobs/{run}", f"/jobs/{step['id']}", f"/tasks/{task}"]
    for path in [*paths, f"/tasks/{step['task_id']}", f"/workflow-pages/{workflow}", f"/jobs/{job.upper()}"]:
        answer = get(sandbox, path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8"), path
        assert answer.text.startswith("<!doctype html>")
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        part = get(sandbox, f"{path}{'&' if '?' in path else '?'}fragment=live")
        assert part.status_code == 200
        assert "<html" not in part.text
    assert requests.head(sandbox.url + "/", timeout=10).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        f"/jobs/{ABSENT}",
        "/jobs/nonsense",
        "/jobs",
        "/jobs/",
        f"/tasks/{ABSENT}",
        f"/workflow-pages/{ABSENT}",
        "/?organization=nobody",
        "/tasks/a/b/c",
        "/_sandbox/ui/nothing.css",
        "/_sandbox/ui/../world.py",
        "/_sandbox/ui/%2e%2e/world.py",
    ],
)
def test_what_is_not_there_is_said_kindly(sandbox: Sandbox, path: str) -> None:
    request = requests.Request("GET", sandbox.url).prepare()
    request.url = sandbox.url + path  # as it is, dots too
    answer = requests.Session().send(request, timeout=10)
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "There is no" in shown(answer)
    assert "What runs where" in shown(answer)


def test_what_a_path_holds_is_no_markup(sandbox: Sandbox) -> None:
    for path in (f"/jobs/{EVIL}", f"/tasks/{EVIL}", f"/?organization={EVIL}", f"/workflow-pages/{EVIL}"):
        assert "<script>alert" not in get(sandbox, path).text


def test_the_api_is_what_it_was(client: Client, sandbox: Sandbox) -> None:
    answer = client.ask("GET", f"/workflows/{sandbox.workflow_id('flow')}")
    assert answer.json()["name"] == "Flow"
    assert client.ask("GET", "/nothing/here").json()["code"] == "ResourceNotFound"
    sandbox.reset_journal()
    get(sandbox, "/")
    assert sandbox.journal()["totals"]["requests"] == 0


def test_the_files_are_small_and_cached(sandbox: Sandbox) -> None:
    for name, kind in (("style.css", "text/css"), ("live.js", "text/javascript"), ("eye.svg", "image/svg+xml")):
        answer = get(sandbox, f"/_sandbox/ui/{name}")
        assert answer.headers["Content-Type"].startswith(kind)
        assert len(answer.content) < 20_000
        again = get(sandbox, f"/_sandbox/ui/{name}", headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_run_with_arguments(client: Client, sandbox: Sandbox) -> None:
    form = {"argument-0": "not wanted", "argument-1": "blue", "argument-2": "", "stray": "x"}
    answer = post(sandbox, f"/tasks/{sandbox.task_id('choice')}/run", form)
    assert answer.status_code == 303
    job = client.until(answer.headers["Location"].removeprefix("/jobs/"))
    assert (job["task_arguments_values"], job["origin"]) == (["F", "blue", None], "user")


def test_a_visit_does_nothing(client: Client, sandbox: Sandbox) -> None:
    job = client.create("slow")["id"]
    answer = get(sandbox, f"/jobs/{job}/cancel")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/jobs/{job}")
    assert get(sandbox, f"/tasks/{sandbox.task_id('hello')}/run").status_code == 303
    assert client.read(job)["state"] == "in_progress"
    assert post(sandbox, f"/jobs/{job}/cancel").status_code == 303
    assert client.read(job)["state"] == "canceled"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"X-Nothing": "at all"},
    ],
)
def test_forms_of_other_sites_are_refused(client: Client, sandbox: Sandbox, headers: dict[str, str]) -> None:
    before = sandbox.journal()["totals"]["created"]
    job = client.create("decision")["id"]
    for path in (f"/tasks/{sandbox.task_id('hello')}/run", f"/jobs/{job}/cancel"):
        answer = post(sandbox, path, **headers)
        assert answer.status_code == 403
        assert "A form must be sent from the sandbox's own page." in shown(answer)
    assert client.read(job)["lifecycle"] == "onhold"
    assert sandbox.journal()["totals"]["created"] == before + 1


def test_another_name_for_this_machine_is_refused(sandbox: Sandbox) -> None:
    port = sandbox.url.rpartition(":")[2]
    assert get(sandbox, "/", headers={"Host": f"rebound.example:{port}"}).status_code == 403
    assert get(sandbox, "/", headers={"Host": f"localhost:{port}"}).status_code == 200


@pytest.mark.parametrize(
    ("client", "host", "everyone", "let_in"),
    [
        ("127.0.0.1", "127.0.0.1:8600", False, True),
        ("::1", "[::1]:8600", False, True),
        ("192.0.2.7", "127.0.0.1:8600", False, False),
        (None, "127.0.0.1:8600", False, False),
        ("127.0.0.1", "127.0.0.1.evil.example", False, False),
        ("127.0.0.1", "[::1", False, False),
        ("192.0.2.7", "buildbox:8600", True, True),
    ],
)
def test_who_may_look(client: str | None, host: str, everyone: bool, let_in: bool) -> None:
    assert (guard.objection("GET", {"host": host}, client, everyone=everyone) is None) is let_in


def test_refusals_are_shown(client: Client, sandbox: Sandbox) -> None:
    job = client.create("decision")["id"]
    answer = post(sandbox, f"/jobs/{job}/approve")
    assert (answer.status_code, "TheEye refused (403): unauthorized approver" in shown(answer)) == (403, True)
    over = client.until(client.create("hello")["id"])["id"]
    answer = post(sandbox, f"/jobs/{over}/cancel")
    assert (answer.status_code, "nothing was cancelled: the job is finished" in shown(answer)) == (409, True)
    answer = post(sandbox, f"/jobs/{job}/restart")
    assert (answer.status_code, "Only completed jobs allowed" in shown(answer)) == (400, True)
    answer = post(sandbox, f"/jobs/{client.create('slow')['id']}/input")
    assert (answer.status_code, "only on hold jobs allowed" in shown(answer)) == (400, True)


def test_nothing_is_taken_for_markup(client: Client, sandbox: Sandbox) -> None:
    job = client.until(client.create("evil", EVIL)["id"])["id"]
    dead = client.create("evil", {"order": 9, "value": EVIL})["id"]
    for path in ("/", f"/jobs/{job}", f"/jobs/{dead}", f"/tasks/{sandbox.task_id('evil')}"):
        answer = get(sandbox, path)
        assert "<script>" not in answer.text, path
        assert EVIL in shown(answer) or "alert(1)" in shown(answer), path
    log = get(sandbox, f"/jobs/{job}/log")
    assert log.text.startswith(EVIL)
    assert log.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert log.headers["X-Content-Type-Options"] == "nosniff"


def test_of_a_long_log_the_end_is_shown(client: Client, sandbox: Sandbox) -> None:
    job = client.until(client.create("chatty")["id"])["id"]
    answer = get(sandbox, f"/jobs/{job}")
    assert len(answer.content) < 100_000
    assert "line 20000" in shown(answer)
    assert "line 1 line 2 " not in shown(answer)
    assert get(sandbox, f"/jobs/{job}/log").text.startswith("line 1\nline 2\n")


def test_a_step_with_an_exit_code_is_not_drawn_as_a_success(client: Client, sandbox: Sandbox) -> None:
    run = client.start("chain")["id"]
    assert client.until(run)["state"] == "success"
    page = get(sandbox, f"/jobs/{run}")
    assert "Airflow's task fails: middle (exit code 3)." in shown(page)
    tasks = sandbox.seed["workflows"]["chain"]["steps"]
    for step, tone, word in [("first", "success", "success"), ("middle", "failure", "exit code 3")]:
        node = re.search(rf'<a [^>]*id="node-{tasks[step]}".*?</a>', page.text, re.DOTALL)
        assert node is not None
        assert f'class="node {tone}" aria-label="{step}: {word}, host-a"' in node[0]
        assert '<text class="word" x="' in node[0]
        assert f">{word}</text>" in node[0]
    (middle,) = [child for child in client.children("chain", run) if child["task_id"] == tasks["middle"]]
    assert '"badge failure"' in get(sandbox, f"/jobs/{middle['id']}").text
    assert '"badge success"' not in get(sandbox, f"/jobs/{middle['id']}").text
    assert "failure, exit 2" in shown(get(sandbox, f"/jobs/{client.until(client.create('crashing')['id'])['id']}"))


def test_a_step_cannot_be_run_alone(client: Client, sandbox: Sandbox) -> None:
    step = sandbox.seed["workflows"]["flow"]["steps"]["a"]
    assert "A step runs with its workflow" in shown(get(sandbox, f"/tasks/{step}"))
    assert post(sandbox, f"/tasks/{step}/run").status_code == 404


def test_values_that_no_page_expects(client: Client, sandbox: Sandbox) -> None:
    for value in ("\ud800", {"a": [1]}, 0, None, "x" * 50_000, "[" * 5000):
        job = client.until(client.create("evil", value)["id"])["id"]
        assert get(sandbox, f"/jobs/{job}").status_code == 200
    step = client.ask("POST", "/job", json={"task": sandbox.seed["workflows"]["flow"]["steps"]["a"]}).json()["id"]
    assert "missing workflow job" in shown(get(sandbox, f"/jobs/{step}"))
    assert post(sandbox, f"/jobs/{step}/restart").status_code == 404


def test_a_task_that_has_been_deleted(sandbox: Sandbox) -> None:
    with Sandbox() as running:
        admin = Client(running, "admin")
        job = admin.until(admin.create("hello")["id"])["id"]
        admin.ask("DELETE", f"/demo/task/{running.task_id('hello')}").raise_for_status()
        assert get(running, f"/jobs/{job}").status_code == 404
        assert "Hello World" not in get(running, "/").text


def test_the_overview_is_quick_with_many_jobs(sandbox: Sandbox) -> None:
    with Sandbox(world(kept={"autoremove": None}), runner=False) as running:
        client = Client(running)
        for _ in range(600):
            client.create("kept", lifecycle="syncing")
        get(running, "/")
        began = time.monotonic()
        assert get(running, "/?fragment=live").text.count("<tr") == 31
        assert time.monotonic() - began < 0.3
