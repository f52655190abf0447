"""The sandbox's agents run scripts as TheEye's agent does."""

from __future__ import annotations

import base64
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
    "touch": 'sleep 0.5; touch "$1"; echo success',
    "aborts": "kill -ABRT $$",
    "interrupted": "kill -INT $$",
    "exit-137": "echo success; exit 137",
    "background": 'echo success; (sleep 0.5; touch "$1"; echo late) &',
    "sleeper": 'sleep "$1"; echo "slept $1"; echo success',
    "daemon": 'echo success; (sleep 3; touch "$1") >/dev/null 2>&1 &',
    "over": 'echo begun; sleep 1.5; touch "$1"; echo success',
    "over-unheard": 'echo begun; exec >/dev/null 2>&1; sleep 4; touch "$1"',
    "flood": "while true; do echo flood; done",
    "stuck": "echo begun; sleep 60",
    "files": 'cat "$1"; echo; echo "$1"; echo "$2"; cat "$1" >/dev/null && echo success',
}
ARGUMENTS = {
    "environment": ["a", "b"],
    "files": ["file", "other"],
    **{key: ["file"] for key in ("touch", "background", "daemon", "over", "over-unheard", "sleeper")},
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    tasks = {key: {"script": script, "arguments": ARGUMENTS.get(key, [])} for key, script in SCRIPTS.items()}
    for key in ("over", "over-unheard", "flood", "stuck"):
        tasks[key]["timeout"] = 1
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


@pytest.mark.parametrize(
    ("key", "code", "log"),
    [
        ("dies", 137, "before\nKilled\n"),
        ("aborts", 134, "Aborted"),
        ("interrupted", 130, ""),
        ("exit-137", 137, "success\n"),
    ],
)
def test_the_shell_tells_by_which_signal_a_script_died(client: Client, key: str, code: int, log: str) -> None:
    result = ended(client, key)["result"]
    assert (result["code"], result["signal"], result["killed"]) == (code, None, False)
    assert result["log"] == log or (log == "Aborted" and result["log"].startswith(log))


def test_megabytes_and_stderr_come_back_whole(client: Client) -> None:
    assert len(ended(client, "big")["result"]["log"]) == 3_000_000 + len("\nsuccess\n")
    assert ended(client, "stderr")["result"]["log"] == "out\nerr\nsuccess\n"


def test_of_an_endless_log_the_end_is_kept(client: Client) -> None:
    job = ended(client, "endless")
    assert (job["state"], job["result"]["lastline"], len(job["result"]["log"])) == ("success", "success", 1 << 25)


def test_at_the_limit_a_script_is_given_up_but_runs_on_and_the_report_waits_for_its_output(
    client: Client, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    job = ended(client, "over", str(made))
    assert made.exists()
    assert (job["lifecycle"], job["state"], job["trigger_name"]) == ("terminated", "timeout", "timeout")
    result = {key: job["result"][key] for key in ("code", "signal", "killed", "log", "lastline")}
    assert result == {
        "code": None, "signal": "SIGTERM", "killed": True, "log": "begun\nsuccess\n", "lastline": "success"
    }  # fmt: skip
    assert job["output"] == []


def test_at_the_limit_nothing_is_waited_for_if_the_output_is_closed(client: Client, tmp_path: Path) -> None:
    made = tmp_path / "made"
    assert ended(client, "over-unheard", str(made))["state"] == "timeout"
    assert not made.exists()
    client.sandbox.wait(made.exists)


@pytest.mark.parametrize("key", ["flood", "stuck"])
def test_the_server_gives_up_what_is_not_reported_in_time(client: Client, key: str) -> None:
    client.sandbox.set_times(agent_grace=0.5)
    job = ended(client, key)
    assert (job["lifecycle"], job["state"], "user" in job["result"]) == ("terminated", "canceled", False)
    client.sandbox.reset()


def test_a_report_waits_until_a_background_process_has_closed_the_output(client: Client, tmp_path: Path) -> None:
    made = tmp_path / "made"
    job = ended(client, "background", str(made))
    assert made.exists()
    assert (job["state"], job["result"]["code"], job["result"]["log"]) == ("success", 0, "success\nlate\n")


def test_what_has_closed_the_output_outlives_the_job(client: Client, tmp_path: Path) -> None:
    made = tmp_path / "made"
    assert ended(client, "daemon", str(made))["state"] == "success"
    assert not made.exists()
    client.sandbox.wait(made.exists)


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


def test_a_late_report_counts_for_a_job_that_was_started_again(client: Client) -> None:
    job = client.create("sleeper", "1.5")["id"]
    client.until(job, "assigned")
    client.ask("PUT", f"/demo/job/{job}/cancel")
    client.ask("PUT", f"/demo/job/{job}/restart", json={"task_arguments": ["60"]}).raise_for_status()
    client.until(job, "assigned")
    assert client.until(job)["result"]["log"] == "slept 1.5\nsuccess\n"


@pytest.mark.parametrize("arguments", [["x" * 131_072], ["a\0b"], ["x" * 70_000, "y" * 70_000]])
def test_what_cannot_start_is_a_failure_with_its_log(client: Client, arguments: list[str]) -> None:
    job = ended(client, "environment", *arguments, *[""] * (2 - len(arguments)))
    assert (job["lifecycle"], job["state"], job["output"]) == ("finished", "failure", [])
    assert job["result"]["lastline"] in ("spawn E2BIG", "embedded null byte")
    assert job["result"]["log"] == f"Error: {job['result']['lastline']}"


def test_arguments_of_nearly_128_kib_can_start(client: Client) -> None:
    assert ended(client, "environment", "x" * 130_000, "")["state"] == "success"


def test_a_data_url_becomes_a_file_until_the_end_of_the_job(client: Client) -> None:
    content = base64.b64encode(b"first\nsecond" * 20_000).decode()
    job = ended(client, "files", f"data:text/csv;base64,{content}", "data:,plain")
    *written, path, other, last = job["result"]["log"].splitlines()
    assert "\n".join(written) == "first\nsecond" * 20_000
    assert (other, last, job["state"]) == ("data:,plain", "success", "success")
    assert not Path(path).exists()


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


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_its_end_ends_what_scripts_have_left_behind(how: str) -> None:
    marker = f"4321.{os.getpid()}{len(how)}"
    with Sandbox(world(daemon={"script": f"sleep {marker} >/dev/null 2>&1 & echo success"})) as running:
        client = Client(running)
        client.until(client.create("daemon")["id"])
        assert processes(marker)
        getattr(running, how)()
        running.wait(lambda: not processes(marker), 3)


def test_sigint_ends_it_too() -> None:
    with Sandbox() as running:
        os.kill(running.pid, signal.SIGINT)
        running.wait(lambda: running._process is not None and running._process.poll() is not None, 3)


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
