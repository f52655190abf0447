"""What survives a restart, also one after SIGKILL."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sandbox.process import SandboxError, _environment

from .conftest import Client, world


def test_ids_secrets_and_tokens_stay() -> None:
    with Sandbox() as one, Sandbox() as two:
        assert {**one.seed, "base_url": ""} == {**two.seed, "base_url": ""}
        assert one.url != two.url


def test_without_a_database_all_is_forgotten() -> None:
    with Sandbox(runner=False) as running:
        client = Client(running)
        job = client.create("hello")["id"]
        running.restart()
        assert client.ask("GET", f"/demo/job/{job}").status_code == 404


def test_jobs_survive_a_kill(tmp_path: Path) -> None:
    with Sandbox(db=tmp_path / "jobs.db") as running:
        client = Client(running)
        done = client.until(client.create("greet", "Ann")["id"])
        held = client.create("greet", "Bob", lifecycle="syncing")
        running_job = client.create("slow")["id"]
        client.until(running_job, "assigned")
        url = running.url
        running.kill()
        running.start()
        assert running.url == url
        read = client.read(done["id"])
        assert {**read, "task": None} == {**done, "task": None}  # tasks are as old as the process
        again = client.read(held["id"])
        assert (again["lifecycle"], again["secret"]) == ("syncing", held["secret"])
        given_up = client.read(running_job)
        assert (given_up["lifecycle"], given_up["state"]) == ("terminated", "canceled")
        assert given_up["result"]["killed"] is True
        assert client.ask("PUT", f"/job/{held['id']}/synced").json() == "ok"
        assert client.until(held["id"])["output"] == ["Hello, Bob!"]


def test_a_run_goes_on_after_a_kill_between_two_steps(tmp_path: Path) -> None:
    with Sandbox(db=tmp_path / "jobs.db", extra_args=["--step-delay", "1"]) as running:
        client = Client(running)
        run = client.start("chain", "Oslo")["id"]
        first = client.children("chain", run)[0]["id"]
        client.until(first)
        running.kill()
        running.start()
        assert client.until(run, "finished", seconds=15)["state"] == "success"
        assert client.children("chain", run)[-1]["output"] == ["It is 69 degrees Fahrenheit in Oslo"]


def test_order_of_waiting_jobs_stays(tmp_path: Path) -> None:
    with Sandbox(db=tmp_path / "jobs.db", runner=False) as running:
        client, agent = Client(running), Client(running, "agent:host-a")
        ids = [client.create("hello")["id"] for _ in range(3)]
        running.kill()
        running.start()
        ids.append(client.create("hello")["id"])
        handed = [
            agent.ask("GET", "/demo/job", params={"hostname": "host-a"}).json()["jobs"][0]["id"] for _ in range(4)
        ]
        assert handed == ids


PARENT = """
import sys, time
from airflow_provider_theeye.sandbox import Sandbox
sandbox = Sandbox()
sandbox.start()
print(sandbox.pid, flush=True)
time.sleep(60)
"""


def test_it_does_not_outlive_the_one_who_started_it() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, env=_environment()) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert runs(pid)
        parent.kill()
    end = time.monotonic() + 5
    while runs(pid):
        assert time.monotonic() < end
        time.sleep(0.05)


def runs(pid: int) -> bool:
    """Whether a process is there, and not only waiting for its parent to notice its end."""
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(shown.strip()) and not shown.strip().startswith("Z")


def test_what_the_definitions_hold_no_longer_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "world.json"
    path.write_text(json.dumps(world(one={}, two={})))
    with Sandbox(path, db=tmp_path / "jobs.db", runner=False) as running:
        client = Client(running)
        gone, stays = client.create("one")["id"], client.create("two")["id"]
        path.write_text(json.dumps(world(two={})))
        running.restart()
        assert [row["id"] for row in client.ask("GET", "/demo/job").json()] == [stays]
        assert client.ask("GET", f"/demo/job/{gone}").status_code == 404


@pytest.mark.parametrize("content", [b"this is no database, it is a text that is long enough" * 20, None])
def test_a_database_that_cannot_be_used(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "jobs.db"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(SandboxError, match=r"did not start: \S*jobs.db: [^\n]*$"):
        Sandbox(db=path).start()


def test_a_database_serves_one_sandbox_at_a_time(tmp_path: Path) -> None:
    with Sandbox(db=tmp_path / "jobs.db"), pytest.raises(SandboxError, match="locked"):
        Sandbox(db=tmp_path / "jobs.db").start()
