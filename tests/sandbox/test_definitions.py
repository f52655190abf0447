"""Bad definitions are refused with the place of the mistake, and nothing is started."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sandbox.process import SandboxError, _environment

from .conftest import Client, world

GOOD = """\
organizations:
  demo:
    hosts: [host-a, host-b]
    users:
      bot: {role: integration}
tasks:
  hello:
    name: Hello
    host: host-a
workflows:
  chain:
    name: Chain
    host: host-a
    steps:
      one: {}
      two: {}
    edges:
      - {from: one, to: two, on: success}
"""


ID = "5cdc3a1f6e0b9d0011aa22bb"
TAKEN = "workflows.chain has this id already"


def serve(path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "airflow_provider_theeye.sandbox", str(path), "--port", "0", *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=_environment())


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("name: Hello", "nam: Hello", 8, "tasks.hello.nam: unknown key; known are name, organization"),
        ("    name: Hello\n", "", 7, "tasks.hello: name is missing"),
        (
            "host: host-a\nworkflows",
            "host: host-c\nworkflows",
            9,
            "tasks.hello.host: unknown 'host-c'; known are host-a",
        ),
        ("host: host-a\nworkflows", "type: scripd\nworkflows", 9, "known are script, approval, dummy, notification"),
        (
            "host: host-a\nworkflows",
            "host: host-a\n    timeout: soon\nworkflows",
            10,
            "tasks.hello.timeout: must be a number of seconds",
        ),
        ("[host-a, host-b]", "[host-a, host-a]", 3, "two hosts called 'host-a'"),
        ("role: integration", "role: king", 5, "organizations.demo.users.bot.role: unknown 'king'; known are viewer"),
        ("to: two", "to: three", 18, "workflows.chain.edges.0.to: unknown 'three'; known are one, two"),
        ("two: {}", "two: {typ: script}", 16, "workflows.chain.steps.two.typ: unknown key"),
        ("two: {}", "one: {}", 16, "workflows.chain.steps.one: is there twice"),
        ("    steps:", "    start: zero\n    steps:", 14, "workflows.chain.start: unknown 'zero'; known are one, two"),
        ("name: Hello", "name: Hello\n    id: 5cdc", 9, "tasks.hello.id: must be 24 hex digits, in quotes if"),
        ("name: Hello", f"name: Hello\n    id: {'7' * 24}", 9, "tasks.hello.id: must be 24 hex digits, in quotes if"),
        ("two: {}", f"two: {{id: {ID}}}\n    id: {ID}", 16, f"workflows.chain.steps.two.id: {TAKEN}"),
        ("tasks:\n  hello:", "tasks:\n  hello: [", None, "not YAML"),
        ("name: Hello", "name: Hello\x07", None, "not YAML"),
        ("tasks:", "task:", 6, "task: unknown key; known are organizations, tasks, workflows"),
    ],
)
def test_mistakes(tmp_path: Path, old: str, new: str, line: int | None, words: str) -> None:
    assert old in GOOD
    path = tmp_path / "world.yaml"
    path.write_text(GOOD.replace(old, new, 1))
    done = serve(path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert words in done.stderr
    assert f"{path}:{line}:" in done.stderr if line else str(path) in done.stderr
    assert "Traceback" not in done.stderr


def test_bad_json_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "world.json"
    path.write_text('{"organizations": {\n  "demo": }}')
    done = serve(path)
    assert done.returncode == 2
    assert "line 2" in done.stderr


def test_no_such_file(tmp_path: Path) -> None:
    done = serve(tmp_path / "none.yaml")
    assert (done.returncode, "No such file" in done.stderr) == (2, True)


def test_the_good_one_is_good(tmp_path: Path) -> None:
    path = tmp_path / "world.yaml"
    path.write_text(GOOD)
    with Sandbox(path) as running:
        assert set(running.seed["tasks"]) == {"hello"}
        assert running.organization == "demo"
        connection = running.airflow_connection("bot", verify=False)
        assert connection["host"] == running.url
        assert connection["extra"] == {
            "verify": False,
            "web_url": f"{running.url}/jobs/{{job_id}}",
            "secrets": {
                running.task_id("hello"): running.task_secret("hello"),
                running.workflow_id("chain"): running.workflow_secret("chain"),
            },
        }
        headers = {"Authorization": f"Bearer {connection['password']}"}
        assert requests.get(f"{running.url}/{connection['schema']}/task", headers=headers, timeout=5).status_code == 200


def test_ids_can_be_given() -> None:
    """Of tasks, steps, workflows and webhooks; the server finds them by these, and their secret keys stay derived."""
    given = {name: f"{n:x}" * 24 for n, name in enumerate(("hello", "one", "chain", "hook"), 10)}
    described = world(hello={"id": given["hello"].upper()})
    described["workflows"] = {
        "chain": {"name": "Chain", "host": "host-a", "id": given["chain"], "steps": {"one": {"id": given["one"]}}}
    }
    described["webhooks"] = {"hook": {"name": "Hook", "triggers": ["hello"], "id": given["hook"]}}
    with Sandbox(described) as running:
        found = (running.task_id("hello"), running.workflow_id("chain"), running.webhook_id("hook"))
        assert found == (given["hello"], given["chain"], given["hook"])
        assert running.seed["workflows"]["chain"]["steps"] == {"one": given["one"]}
        client = Client(running)
        [shown] = client.ask("GET", "/workflows").json()
        assert (shown["id"], shown["start_task_id"], shown["graph"]["nodes"][0]["v"]) == (
            given["chain"], given["one"], given["one"],
        )  # fmt: skip
        assert client.ask("GET", f"/demo/task/{given['one']}").json()["workflow_id"] == given["chain"]
        job = client.create("hello")
        assert job["task_id"] == given["hello"]
        assert client.until(job["id"])["state"] == "success"
        assert client.ask("POST", f"/demo/webhook/{given['hook']}/trigger").status_code == 200


def test_a_mistake_reaches_the_one_who_started_it() -> None:
    with pytest.raises(SandboxError, match="unknown key"):
        Sandbox(world(hello={"colour": "red"})).start()


def test_a_taken_port(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        path = tmp_path / "world.yaml"
        path.write_text(GOOD)
        done = serve(path, "--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "cannot listen on 127.0.0.1" in done.stderr
