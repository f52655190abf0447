"""Hosts that stop: what becomes of their scripts and jobs, and how soon the server takes notice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_theeye.sandbox import Sandbox, SandboxError

from .conftest import Client, world

TASKS = {
    "slow": {"script": 'sleep 1.5; touch "$1"; echo success', "arguments": ["file"]},
    "long": {"script": "sleep 60"},
    "other": {"host": "host-b"},
    "daemon": {"script": '(sleep 3; touch "$1") >/dev/null 2>&1 & echo success', "arguments": ["file"]},
}
SOON = 1.0  # seconds until a silent host is lost


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    with Sandbox(world(**TASKS)) as running:
        yield running


@pytest.fixture
def sandbox(shared: Sandbox) -> Sandbox:
    shared.reset()
    return shared


def state(sandbox: Sandbox, host: str = "host-a") -> str:
    rows = Client(sandbox).ask("GET", "/demo/resource", params={"where[hostname]": host}).json()
    known = sandbox.request("GET", "/_sandbox/hosts")[host]["state"]
    assert [row["state"] for row in rows] == [known]
    return known


def test_a_silent_host_is_lost_after_a_while_and_its_jobs_with_it(client: Client, sandbox: Sandbox) -> None:
    job = client.create("long")["id"]
    client.until(job, "assigned")
    sandbox.set_host("host-a", alive=False)
    assert state(sandbox) == "normal", "the server waits three minutes"
    waiting = client.create("long")["id"]
    sandbox.set_times(host_lost_after=SOON)
    lost = client.until(job)
    assert (lost["lifecycle"], lost["state"], lost["trigger_name"]) == ("terminated", "canceled", "canceled")
    assert (lost["output"], "result" in lost) == ([None], False)
    assert (state(sandbox), state(sandbox, "host-b")) == ("updates_stopped", "normal")
    assert client.until(client.create("other")["id"])["state"] == "success"
    assert client.read(waiting)["lifecycle"] == "ready"
    sandbox.set_host("host-a", alive=True)
    assert state(sandbox) == "normal"
    client.until(waiting, "assigned")


def test_its_scripts_die_with_it(client: Client, sandbox: Sandbox, tmp_path: Path) -> None:
    job = client.create("slow", str(tmp_path / "made"))["id"]
    client.until(job, "assigned")
    sandbox.set_host("host-a", alive=False)
    sandbox.set_host("host-a", alive=True)
    other = client.create("slow", str(tmp_path / "other"))["id"]
    client.until(other)
    assert not (tmp_path / "made").exists()
    assert client.read(job)["lifecycle"] == "assigned", "nobody has told the server"


def test_what_its_scripts_left_behind_dies_with_it(client: Client, sandbox: Sandbox, tmp_path: Path) -> None:
    client.until(client.create("daemon", str(tmp_path / "killed"))["id"])
    sandbox.set_host("host-a", alive=False)
    sandbox.set_host("host-a", alive=True)
    client.until(client.create("daemon", str(tmp_path / "later"))["id"])
    sandbox.wait((tmp_path / "later").exists)
    assert not (tmp_path / "killed").exists()


def test_its_scripts_may_run_on_unheard(client: Client, sandbox: Sandbox, tmp_path: Path) -> None:
    made = tmp_path / "made"
    job = client.create("slow", str(made))["id"]
    client.until(job, "assigned")
    sandbox.set_host("host-a", alive=False, scripts="run")
    sandbox.set_times(host_lost_after=3)
    sandbox.wait(made.exists)
    lost = client.until(job)
    assert (lost["state"], lost["output"]) == ("canceled", [None])


def test_it_reports_what_ends_after_its_return(client: Client, sandbox: Sandbox, tmp_path: Path) -> None:
    job = client.create("slow", str(tmp_path / "made"))["id"]
    client.until(job, "assigned")
    sandbox.set_host("host-a", alive=False, scripts="run")
    sandbox.set_host("host-a", alive=True)
    assert client.until(job)["state"] == "success"


def test_times_can_be_changed_until_the_reset(client: Client, sandbox: Sandbox) -> None:
    sandbox.set_times(default_limit=0.5, agent_grace=0.5)
    given_up = client.until(client.create("long")["id"])
    assert (given_up["state"], given_up["result"]["killed"]) == ("canceled", True)
    sandbox.reset()
    assert sandbox.request("GET", "/_sandbox/settings") == {
        "step_delay": 0.05, "agent_grace": 60.0, "default_limit": 600.0, "host_lost_after": 180.0
    }  # fmt: skip


@pytest.mark.parametrize("wrong", [{"patience": 1}, {"agent_grace": -1}, {"agent_grace": True}, {"agent_grace": "1"}])
def test_wrong_times_are_refused(sandbox: Sandbox, wrong: dict[str, float]) -> None:
    with pytest.raises(SandboxError, match="agent_grace"):
        sandbox.set_times(**wrong)


def test_wrong_words_about_scripts_are_refused(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match="die or run"):
        sandbox.request("PUT", "/_sandbox/hosts/host-a", {"alive": False, "scripts": "sleep"})


def test_the_limit_of_tasks_without_one_is_an_option() -> None:
    with Sandbox(world(**TASKS), extra_args=["--default-limit", "0.5", "--agent-grace", "0.5"]) as running:
        client = Client(running)
        assert client.until(client.create("long")["id"])["state"] == "canceled"
