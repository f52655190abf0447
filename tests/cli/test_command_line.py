"""``python -m airflow_provider_theeye`` and ``airflow theeye`` as somebody types them, against the sandbox."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import airflow
import pytest

from airflow_provider_theeye import cli
from airflow_provider_theeye.sandbox import Sandbox

TASK_HEADER = ["NAME", "ID", "HOST", "TIME LIMIT", "ARGUMENTS"]
PYTHON = (sys.executable, "-m", "airflow_provider_theeye")
AIRFLOW = (str(Path(sys.executable).parent / "airflow"), "theeye")


def typed(
    sandbox: Sandbox, *arguments: str, program: tuple[str, ...] = PYTHON, **change: Any
) -> subprocess.CompletedProcess[str]:
    connection = {**sandbox.airflow_connection(), **change}
    return subprocess.run(
        [*program, *arguments],
        env={**os.environ, "AIRFLOW_CONN_THEEYE_DEFAULT": json.dumps(connection), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def answer(sandbox: Sandbox, *arguments: str) -> Any:
    done = typed(sandbox, *arguments, "--json")
    assert (done.stderr, done.returncode) == ("", 0)
    return json.loads(done.stdout)


def error(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that an error is."""
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ")
    return done.stderr.strip()


def test_tasks_as_a_table(sandbox: Sandbox) -> None:
    done = typed(sandbox, "tasks")
    assert (done.stderr, done.returncode) == ("", 0)
    first, *lines = done.stdout.splitlines()
    assert [name.strip() for name in first.split("  ") if name][:5] == TASK_HEADER
    limited = next(line for line in lines if line.startswith("One Second Limit"))
    assert limited.split()[3:] == [sandbox.task_id("limited"), "host-a", "1", "s"]
    echo = next(line for line in lines if line.startswith("Echo"))
    assert "default (10 min)" in echo
    assert echo.endswith("first, second")


def test_tasks_by_name_and_host(sandbox: Sandbox) -> None:
    found = answer(sandbox, "tasks", "--name", "Get IP Address")
    assert {(task["id"], task["host"]) for task in found} == {
        (sandbox.task_id("ip-a"), "host-a"),
        (sandbox.task_id("ip-b"), "host-b"),
    }
    found = answer(sandbox, "tasks", "--name", "Get IP Address", "--host", "host-b")
    assert [(task["name"], task["id"], task["time_limit"]) for task in found] == [
        ("Get IP Address", sandbox.task_id("ip-b"), None)
    ]
    assert answer(sandbox, "tasks", "--name", "Nobody") == []


def test_workflows(sandbox: Sandbox) -> None:
    (chain,) = answer(sandbox, "workflows", "--name", "Chain")
    assert chain == {
        "name": "Chain",
        "id": sandbox.workflow_id("chain"),
        "first_step": "Chain / t1",
        "arguments": [{"label": "first", "kind": "input", "required": True}],
    }
    assert typed(sandbox, "workflows", "--name", "Nobody").stdout == "no workflow found\n"


def test_run_a_task_and_look_at_its_jobs(sandbox: Sandbox) -> None:
    task_id = sandbox.task_id("greet")
    started = answer(sandbox, "run", task_id, "you")
    assert (started["lifecycle"], started["outcome"], started["task_arguments"]) == ("ready", None, ["you"])
    sandbox.wait(lambda: sandbox.journal()["jobs"][started["id"]]["started"])
    (newest,) = answer(sandbox, "jobs", "--task", task_id, "--limit", "1")
    assert newest["id"] == started["id"]
    assert started["id"] in {job["id"] for job in answer(sandbox, "jobs")}
    job = answer(sandbox, "job", started["id"])
    assert (job["outcome"], job["exit_code"], job["output"]) == ("succeeded", 0, ["Hello, you!"])
    assert job["log"][0] == "greeting you"


def test_a_job_is_shown_with_its_whole_log(sandbox: Sandbox) -> None:
    """What is shortened in a task's log is to be found somewhere."""
    job = json.loads(typed(sandbox, "run", "--wait", sandbox.task_id("big"), "--json").stdout)
    assert job["log"][0] == "x" * 400_000


def test_values_of_fixed_arguments_are_not_shown(sandbox: Sandbox) -> None:
    started = answer(sandbox, "run", sandbox.task_id("fixed"), "you")
    assert started["task_arguments"] == ["***", "you"]
    assert answer(sandbox, "job", started["id"])["task_arguments"] == ["***", "you"]


def test_run_and_wait(sandbox: Sandbox) -> None:
    done = typed(sandbox, "run", "--wait", "--workflow", sandbox.workflow_id("chain"), "w")
    assert done.returncode == 0
    assert "started, waiting for its end" in done.stderr
    assert '["w-1-2-3"]' in done.stdout
    assert "w-1-2-3" in done.stdout
    rows = [line for line in done.stdout.splitlines() if line.startswith("Chain / t")]
    assert [row.split()[6] for row in rows] == ["succeeded"] * 3
    jobs = answer(sandbox, "jobs", "--workflow", sandbox.workflow_id("chain"), "--limit", "5")
    assert {job["name"] for job in jobs} == {"Chain"}


def test_run_that_fails(sandbox: Sandbox) -> None:
    done = typed(sandbox, "run", sandbox.task_id("broken"), "--wait")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: job ")
    assert "failed: its script ended with exit code 3" in done.stderr
    assert "ValueError: bad" in done.stdout


def test_run_by_the_secret_key_alone(sandbox: Sandbox) -> None:
    extra = {"secrets": {sandbox.task_id("hello"): sandbox.task_secret("hello")}}
    done = typed(sandbox, "run", sandbox.task_id("hello"), password="", extra=extra)
    assert (done.stderr, done.returncode) == ("", 0)
    assert "lifecycle: ready" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "change", "message"),
    [
        (["job", "x"], {}, "'x' is not the id of a job"),
        (["job", "f" * 24], {}, "TheEye has no record of that job"),
        (["jobs", "--task", "f" * 24, "--workflow", "f" * 24], {}, "give --task or --workflow, not both"),
        (["run", "f" * 24], {}, "task not found"),
        (["tasks", "--conn-id", "nobody"], {}, "The conn_id `nobody` isn't defined"),
        (["tasks"], {"password": "wrong-token-of-mine"}, "Check the integration token"),
        (["tasks"], {"schema": ""}, "has no organization"),
        (["tasks"], {"host": "http://127.0.0.1:9"}, "no answer from TheEye"),
    ],
)
def test_errors_are_one_line(arguments: list[str], change: dict[str, Any], message: str, sandbox: Sandbox) -> None:
    done = typed(sandbox, *arguments, **change)
    assert message in error(done)
    assert "Traceback" not in done.stderr + done.stdout
    assert "wrong-token-of-mine" not in done.stderr + done.stdout


def test_too_many_arguments(sandbox: Sandbox) -> None:
    done = typed(sandbox, "run", sandbox.task_id("greet"), "a", "b")
    assert "takes 1 argument (name), but task_arguments has 2" in error(done)


@pytest.mark.parametrize("arguments", [["jobs", "--limit", "0"], ["nonsense"], []])
def test_what_cannot_be_understood(arguments: list[str], sandbox: Sandbox) -> None:
    done = typed(sandbox, *arguments)
    assert done.returncode == 2
    assert "usage: python -m airflow_provider_theeye" in done.stderr


def test_reader_that_has_seen_enough(sandbox: Sandbox) -> None:
    environment = {**os.environ, "AIRFLOW_CONN_THEEYE_DEFAULT": json.dumps(sandbox.airflow_connection())}
    process = subprocess.Popen([*PYTHON, "tasks"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    complaints = process.stderr.read()
    assert (process.wait(60), complaints) == (0, b"")


def test_help_needs_no_airflow() -> None:
    code = (
        "import sys; from airflow_provider_theeye.cli import main\n"
        "try: main(['run', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'airflow', 'requests', 'httpx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_connection_in_airflows_database(sandbox: Sandbox, tmp_path: Path) -> None:
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path)}
    environment.pop("AIRFLOW_CONN_THEEYE_DEFAULT", None)
    command = AIRFLOW[0]
    for arguments in (
        ["db", "migrate"],
        ["connections", "add", "stored", "--conn-json", json.dumps(sandbox.airflow_connection())],
    ):
        subprocess.run([command, *arguments], env=environment, capture_output=True, check=True, timeout=180)
    done = subprocess.run(
        [*PYTHON, "tasks", "--conn-id", "stored", "--name", "Greet", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert json.loads(done.stdout)[0]["id"] == sandbox.task_id("greet")


def test_wait_with_the_secret_key_alone(sandbox: Sandbox) -> None:
    extra = {"secrets": {sandbox.workflow_id("chain"): sandbox.workflow_secret("chain")}}
    options = ("run", "--wait", "--workflow", sandbox.workflow_id("chain"), "alone", "--json")
    done = typed(sandbox, *options, password="", extra=json.dumps(extra))
    assert done.returncode == 0
    assert json.loads(done.stdout)["outcome"] == "succeeded"


@pytest.mark.skipif(
    "cli" not in json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())["properties"],
    reason="this Airflow does not let providers add commands",
)
def test_airflow_has_the_same_commands(sandbox: Sandbox) -> None:
    done = typed(sandbox, "tasks", "--name", "Greet", "--json", program=AIRFLOW)
    assert done.returncode == 0
    # Airflow 3.2 lets alembic greet before every command's answer.
    assert json.loads(done.stdout[done.stdout.index("[\n") :])[0]["id"] == sandbox.task_id("greet")
    assert "'x' is not the id of a job" in error(typed(sandbox, "job", "x", program=AIRFLOW))
    listed = typed(sandbox, "--help", program=AIRFLOW).stdout
    assert all(command in listed for command in ("tasks", "workflows", "jobs", "job", "run"))


def state_of_the_process() -> dict[str, Any]:
    names = ("", "airflow", "alembic", "theeye", "airflow_provider_theeye")
    loggers = {name: logging.getLogger(name) for name in names}
    return {
        "levels": {name: logger.level for name, logger in loggers.items()},
        "handlers": {name: list(logger.handlers) for name, logger in loggers.items()},
        "propagate": {name: logger.propagate for name, logger in loggers.items()},
        "warnings": list(warnings.filters),
        "warnoptions": list(sys.warnoptions),
    }


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("program", ["python", "airflow"])
def test_a_process_that_goes_on_is_left_as_it_was(
    program: str, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """Called from a notebook or a test, twice, once with an error."""
    from airflow.models.connection import Connection  # importing sets levels as well

    assert Connection
    given = [
        ["job", "f" * 24],
        ["run", sandbox.task_id("hello"), "--wait"],
        ["run", sandbox.task_id("hello"), "--wait"],
    ]
    before = state_of_the_process()
    for arguments in given:
        run_here(program, arguments)
    assert state_of_the_process() == before
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("error: TheEye has no record of that job")
    # Each note once, also the second time.
    assert len([line for line in said if "is finished/success" in line]) <= 2
    assert len(said) == len(set(said))


def run_here(program: str, arguments: list[str]) -> None:
    if program == "python":
        cli.main(arguments)
        return
    (group,) = cli.get_cli_commands()
    command = next(command for command in group.subcommands if command.name == arguments[0])
    parser = argparse.ArgumentParser()
    for argument in command.args:
        parser.add_argument(*argument.flags, **argument.kwargs)
    with contextlib.suppress(SystemExit):
        command.func(parser.parse_args(arguments[1:]))
