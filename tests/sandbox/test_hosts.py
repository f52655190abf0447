"""Hosts that report and hosts that do not, as TheEye's list of resources tells them, and what becomes of their jobs."""

from __future__ import annotations

import json

from airflow_provider_theeye.sandbox import Sandbox

from .conftest import Client, world

LOST_AFTER = 2.0
OPTIONS = ["--host-lost-after", str(LOST_AFTER)]


def states(client: Client, **query: str) -> dict[str, str]:
    rows = client.ask("GET", "/demo/resource", params={"type": "host", **query}).json()
    return {row["hostname"]: row["state"] for row in rows if row["hostname"] == "host-a"}


def test_a_host_that_stops_reporting() -> None:
    with Sandbox(world(slow={"script": "sleep 60"}), extra_args=OPTIONS) as running:
        client = Client(running)
        assert states(client) == {"host-a": "normal"}
        assert states(client, type="scraper") == {}
        taken = client.create("slow")["id"]
        client.until(taken, "assigned")
        running.set_host("host-a", alive=False)
        assert states(client) == {"host-a": "normal"}, "nothing is known before the host has been silent for a while"
        waiting = client.create("slow")["id"]
        running.wait(lambda: states(client) == {"host-a": "updates_stopped"})
        lost = client.until(taken)
        assert (lost["lifecycle"], lost["state"], lost["output"]) == ("terminated", "canceled", [None])
        assert "result" not in lost
        assert client.read(waiting)["lifecycle"] == "ready"
        running.set_host("host-a", alive=True)
        assert states(client) == {"host-a": "normal"}
        client.until(waiting, "assigned")


def test_the_agents_own_update_is_a_job_without_a_task() -> None:
    with Sandbox(world(), runner=False) as running:
        client, host = Client(running), running.seed["hosts"]["host-a"]
        for role, status in (("user", 403), ("integration", 204), ("integration", 204)):
            answer = Client(running, role).ask("PUT", f"/demo/host/{host}/reconfigure")
            assert answer.status_code == status
        listed = client.ask("GET", "/demo/job").json()
        assert [(row["name"], row["_type"], row["lifecycle"]) for row in listed] == [
            ("agent:config:update", "AgentUpdateJob", "ready")
        ], "one that waits is enough"
        assert client.ask("PUT", f"/demo/host/{'f' * 24}/reconfigure").status_code == 404


def test_the_runner_answers_an_update() -> None:
    with Sandbox(world()) as running:
        client = Client(running)
        client.ask("PUT", f"/demo/host/{running.seed['hosts']['host-a']}/reconfigure").raise_for_status()
        (update,) = client.ask("GET", "/demo/job").json()
        assert client.until(update["id"])["state"] == "success"


def test_who_restarted_a_job_is_told_to_its_script() -> None:
    with Sandbox(world(one={}), runner=False) as running:
        client, other = Client(running), Client(running, "user")
        job = client.create("one", lifecycle="onhold")["id"]
        client.ask("PUT", f"/demo/job/{job}/cancel").raise_for_status()
        other.ask("PUT", f"/demo/job/{job}/restart", json={"task_arguments": []}).raise_for_status()
        shown = client.read(job)
        assert json.loads(shown["env"]["THEEYE_JOB_USER"])["id"] != shown["user_id"]
