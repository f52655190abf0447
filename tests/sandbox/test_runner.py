"""The sandbox's agents run scripts as TheEye's agent does."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_theeye.sandbox import Sandbox

from .conftest import Client, world

SCRIPTS = {
    "environment": 'env | grep ^THEEYE_; echo "$#:$1:$2"; echo success',
    "failure": "echo failure; exit 3",
    "canceled": "echo canceled",
    "event": """echo '{"state":"success","event_name":"custom","data":{"k":1}}'""",
    "text": """echo '"plain text"'""",
    "nothing": "true",
    "big": "head -c 3000000 /dev/zero | tr '\\0' 'x'; echo; echo success",
    "endless": "head -c 100000000 /dev/zero | tr '\\0' 'x'; echo; echo success",
    "stderr": "echo out; echo err >&2; echo success",
    "dies": "echo before; kill -KILL $$",
    "background": "sleep 60 & echo success",
    "deaf": "trap '' TERM; echo deaf; sleep 60",
    "touch": 'sleep 0.5; touch "$1"; echo success',
}
ARGUMENTS = {"environment": ["a", "b"], "touch": ["file"]}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    tasks = {key: {"script": script, "arguments": ARGUMENTS.get(key, [])} for key, script in SCRIPTS.items()}
    tasks["deaf"]["timeout"] = 1
    tasks["strict"] = {"script": "echo '[1]'", "default_state_evaluation": "failure"}
    tasks["single"] = {"script": "sleep 0.4; echo success", "multitasking": False}
    tasks["long"] = {"script": "for n in 1 2 3 4; do echo line $n; sleep 0.2; done; echo success"}
    with Sandbox(world(**tasks)) as running:
        yield running


def ended(client: Client, key: str, *arguments: object) -> dict:
    return client.until(client.create(key, *arguments)["id"])


def test_arguments_and_environment(client: Client, sandbox: Sandbox) -> None:
    job = ended(client, "environment", "one two", None)
    assert "2:one two:null" in job["result"]["log"]
    assert f'THEEYE_JOB={{"id":"{job["id"]}","task_id":"{job["task_id"]}"}}' in job["result"]["log"]
    assert f'THEEYE_API_URL="{sandbox.url}"' in job["result"]["log"]
    assert 'THEEYE_ORGANIZATION_NAME="demo"' in job["result"]["log"]


@pytest.mark.parametrize(
    ("key", "lifecycle", "state", "trigger", "output"),
    [
        ("failure", "finished", "failure", "failure", []),
        ("canceled", "terminated", "canceled", "canceled", []),
        ("event", "finished", "success", "custom", ['{"k":1}']),
        ("text", "finished", "success", "success", ["plain text"]),
        ("nothing", "finished", "success", "success", []),
        ("strict", "finished", "failure", "failure", ["1"]),
    ],
)
def test_last_line(client: Client, key: str, lifecycle: str, state: str, trigger: str, output: list[str]) -> None:
    job = ended(client, key)
    assert (job["lifecycle"], job["state"], job["trigger_name"], job["output"]) == (lifecycle, state, trigger, output)


def test_exit_code_does_not_decide(client: Client) -> None:
    assert ended(client, "failure")["result"]["code"] == 3


def test_a_script_killed_by_a_signal(client: Client) -> None:
    result = ended(client, "dies")["result"]
    assert (result["code"], result["signal"], result["killed"]) == (None, "SIGKILL", False)


def test_megabytes_and_stderr_come_back_whole(client: Client) -> None:
    assert len(ended(client, "big")["result"]["log"]) == 3_000_000 + len("\nsuccess\n")
    assert ended(client, "stderr")["result"]["log"] == "out\nerr\nsuccess\n"


def test_of_an_endless_log_the_end_is_kept(client: Client) -> None:
    job = ended(client, "endless")
    assert (job["state"], job["result"]["lastline"], len(job["result"]["log"])) == ("success", "success", 1 << 25)


def test_the_limit_kills_a_whole_group_that_ignores_sigterm(client: Client) -> None:
    began = time.monotonic()
    job = ended(client, "deaf")
    assert (job["lifecycle"], job["state"], job["result"]["signal"]) == ("terminated", "timeout", "SIGTERM")
    assert 1 <= time.monotonic() - began < 6


def test_a_background_process_does_not_keep_a_job_open(client: Client) -> None:
    began = time.monotonic()
    assert ended(client, "background")["state"] == "success"
    assert time.monotonic() - began < 3


def test_no_polling_delay(client: Client) -> None:
    began = time.monotonic()
    ended(client, "nothing")
    assert time.monotonic() - began < 0.5


def test_one_at_a_time(client: Client) -> None:
    first, second = client.create("single")["id"], client.create("single")["id"]
    client.until(first, "assigned")
    assert client.read(second)["lifecycle"] == "ready"
    client.until(first)
    assert client.until(second)["state"] == "success"


def test_several_at_a_time(client: Client) -> None:
    began = time.monotonic()
    jobs = [client.create("long")["id"] for _ in range(4)]
    assert all(client.until(job)["state"] == "success" for job in jobs)
    assert time.monotonic() - began < 3


def test_the_log_can_be_read_while_it_grows(client: Client, sandbox: Sandbox) -> None:
    job = client.create("long")["id"]
    path = f"/_sandbox/jobs/{job}/log"
    begun = sandbox.wait(lambda: sandbox.request("GET", path))
    assert begun.startswith("line 1")
    assert client.read(job)["lifecycle"] == "assigned"
    client.until(job)
    assert sandbox.request("GET", f"{path}?offset=7").startswith("line 2")


def test_a_cancelled_script_runs_on_and_its_report_is_ignored(client: Client, tmp_path: Path) -> None:
    made = tmp_path / "made"
    job = client.create("touch", str(made))["id"]
    client.until(job, "assigned")
    assert client.ask("PUT", f"/demo/job/{job}/cancel").status_code == 204
    client.sandbox.wait(made.exists)
    time.sleep(0.2)
    assert client.read(job)["state"] == "canceled"


def test_what_cannot_start_ends_as_the_agent_would_say_it(client: Client) -> None:
    job = ended(client, "touch", "x" * 300_000)
    assert (job["lifecycle"], job["state"]) == ("finished", "success")
    assert "Argument list too long" in job["output"][0]


def processes(marker: str) -> list[str]:
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if marker in line and "ps -eo" not in line]


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_its_end_leaves_no_script_running(how: str) -> None:
    marker = f"1234.{os.getpid()}{len(how)}"
    with Sandbox(world(sleepy={"script": f"sleep {marker} & sleep {marker}; echo success"})) as running:
        client = Client(running)
        job = client.create("sleepy")["id"]
        client.until(job, "assigned")
        running.wait(lambda: len(processes(marker)) >= 2)
        began = time.monotonic()
        getattr(running, how)()
        assert time.monotonic() - began < 2
        running.wait(lambda: not processes(marker), 3)


def test_sigint_ends_it_too() -> None:
    with Sandbox() as running:
        os.kill(running.pid, signal.SIGINT)
        running.wait(lambda: running._process is not None and running._process.poll() is not None, 3)


def test_a_dead_host_reports_nothing_and_is_lost() -> None:
    described = world(slow={"script": "sleep 30; echo success"}, other={"host": "host-b"})
    with Sandbox(described, extra_args=["--host-lost-after", "1"]) as running:
        client = Client(running)
        job = client.create("slow")["id"]
        client.until(job, "assigned")
        running.set_host("host-a", alive=False)
        waiting = client.create("slow")["id"]
        lost = client.until(job)
        assert (lost["lifecycle"], lost["state"], lost["output"]) == ("terminated", "canceled", [None])
        assert "result" not in lost
        assert client.until(client.create("other")["id"])["state"] == "success"
        assert client.read(waiting)["lifecycle"] == "ready"
        running.set_host("host-a", alive=True)
        client.until(waiting, "assigned")


def test_a_silent_agent_is_given_up() -> None:
    described = world(quick={"timeout": 1})
    with Sandbox(described, runner=False, extra_args=["--agent-grace", "0.5"]) as running:
        client = Client(running)
        job = client.create("quick")["id"]
        agent = Client(running, "agent:host-a")
        assert agent.ask("GET", "/demo/job", params={"hostname": "host-a"}).json()["jobs"][0]["id"] == job
        given_up = client.until(job)
        assert (given_up["lifecycle"], given_up["state"], given_up["result"]["killed"]) == (
            "terminated",
            "canceled",
            True,
        )
