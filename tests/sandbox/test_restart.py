"""What survives a restart, also one after SIGKILL."""

from __future__ import annotations

import time
from pathlib import Path

from airflow_provider_theeye.sandbox import Sandbox

from .conftest import Client


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


def test_starting_is_quick() -> None:
    began = time.monotonic()
    with Sandbox():
        assert time.monotonic() - began < 3
