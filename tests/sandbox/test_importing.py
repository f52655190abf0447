"""A copy of an account: what one sandbox holds is written into a file, and a second one serves that."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sandbox.importing.command import Options, run
from airflow_provider_theeye.sandbox.process import _environment

from .accounts import TOKEN, AccountServer
from .conftest import Client

WORLD_2 = Path(__file__).parents[1] / "conformance" / "kit" / "part-2" / "world-2.json"
WORLDS = {"built-in": None, "world-2": WORLD_2}


@pytest.fixture(scope="module", params=WORLDS)
def account(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(WORLDS[request.param], runner=False) as running:
        yield running


def connection(sandbox: Sandbox, user: str = "integration", **fields: Any) -> str:
    """The JSON of a connection to a sandbox."""
    return json.dumps({**sandbox.airflow_connection(user), **fields})


def copied(sandbox: Sandbox, path: Path, user: str = "integration", **wanted: bool) -> Path:
    assert run(Options(connection(sandbox, user), str(path), **wanted), {}) == 0
    return path


TASK = (
    "id", "name", "type", "_type", "hostname", "arguments_type", "timeout", "multitasking", "user_inputs", "tags",
    "acl", "default_state_evaluation", "autoremove_completed_jobs", "autoremove_completed_jobs_limit", "workflow_id",
)  # fmt: skip
WORKFLOW = (
    "id", "name", "version", "multitasking", "start_task_id", "graph", "tags", "acl", "autoremove_completed_jobs",
    "autoremove_completed_jobs_limit", "customer_name",
)  # fmt: skip


def tasks_of(client: Client, *, with_values: bool = True) -> dict[str, Any]:
    """All tasks as TheEye shows them, by id; but for texts of scripts, times, and ids of hosts and people."""
    found = {}
    for row in client.ask("GET", f"/{client.sandbox.organization}/task").json():
        arguments = [dict(one) for one in row["task_arguments"]]
        for one in arguments:
            if not with_values:
                one.pop("value", None)
        found[row["id"]] = {**{key: row.get(key) for key in TASK}, "task_arguments": arguments}
    return found


def workflows_of(client: Client) -> dict[str, Any]:
    rows = client.ask("GET", "/workflows").json()
    return {row["id"]: {key: row.get(key) for key in WORKFLOW} for row in rows}


def test_the_copy_answers_as_the_account_does(account: Sandbox, tmp_path: Path) -> None:
    with Sandbox(copied(account, tmp_path / "copy.yaml"), runner=False) as copy:
        one, other = Client(account), Client(copy)
        assert tasks_of(other, with_values=False) == tasks_of(one, with_values=False)
        assert workflows_of(other) == workflows_of(one)
        assert len(tasks_of(one)) > 20
        assert len(workflows_of(one)) > 5
        assert copy.organization == account.organization


def test_scripts_and_fixed_values_are_copied_if_that_is_wanted(account: Sandbox, tmp_path: Path) -> None:
    path = copied(account, tmp_path / "copy.yaml", scripts=True, fixed_values=True)
    with Sandbox(path, runner=False) as copy:
        one, other = Client(account), Client(copy)
        assert tasks_of(other) == tasks_of(one)
        texts = [
            {row["id"]: row["script"]["data"] for row in asked.ask("GET", "/demo/task").json() if "script" in row}
            for asked in (one, other)
        ]
        assert texts[0] == texts[1]


def test_no_secret_is_written(account: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = copied(account, tmp_path / "copy.yaml", scripts=True, fixed_values=True).read_text() + str(
        capsys.readouterr()
    )
    seed = account.seed
    secrets = [*seed["tokens"].values(), *(one for found in seed["secrets"].values() for one in found.values())]
    assert len(secrets) > 30
    assert [secret for secret in secrets if secret in said] == []
    assert "example.org" not in said  # addresses of people


def test_a_workflow_of_the_copy_runs_to_its_end(tmp_path: Path) -> None:
    """Three of its steps want an argument from the one before: the stand-ins put one out."""
    with Sandbox(WORLD_2, runner=False) as account:
        path = copied(account, tmp_path / "copy.yaml")
    with Sandbox(path) as copy:
        client = Client(copy)
        done = client.until(client.start("relay", "x")["id"], seconds=20)
        assert (done["lifecycle"], done["state"]) == ("finished", "success")
        values = [job["task_arguments_values"] for job in client.children("relay", done["id"])]
        assert values == [["x"], ["b"], ["c"], []]


def test_an_account_without_anything(tmp_path: Path) -> None:
    with Sandbox(WORLD_2, runner=False) as account:
        path = tmp_path / "copy.yaml"
        given = connection(account, "empty-integration", schema="empty")
        assert run(Options(given, str(path)), {}) == 0
    with Sandbox(path, runner=False) as copy:
        assert copy.organization == "empty"
        assert Client(copy).ask("GET", "/empty/task").json() == []


ODD = [
    "no", "on", "Off", "1e3", "~", "null", "0x10", "12:30", "yes", "true", "=", "<<", "- a", "a: b", "# c", "*x", "&x",
    "!t", "%d", "@e", "`", "'", '"', "it's \"so\"", "{a}", "[b]", "Größe", "タスク", "🚀", "a\nb", "a\r\nb",
    "tab\there", " blank ", "\u2028x", "a\x85b", "\ufeffbom", "\x07bell", "Same", "Same", "same", "a / b", "\\n",
    "x" * 300,
]  # fmt: skip


def test_odd_names(tmp_path: Path) -> None:
    tasks = {f"t{n}": {"name": name, "host": "h", "tags": [name], "arguments": [name]} for n, name in enumerate(ODD)}
    steps = {f"s{n}": {"name": name} for n, name in enumerate(ODD)}
    edges = [{"from": "s0", "to": f"s{n}", "on": name} for n, name in enumerate(ODD)]
    workflows = {f"w{n}": {"name": name, "host": "h", "steps": {"s": {}}} for n, name in enumerate(ODD)}
    workflows["all"] = {"name": "All", "host": "h", "steps": steps, "edges": edges}
    users = {"integration": {"role": "integration"}, "no": {"role": "user"}}
    described = {
        "organizations": {"1e3 no": {"hosts": ["h", "no"], "users": users}}, "tasks": tasks, "workflows": workflows,
    }  # fmt: skip
    with (
        Sandbox(described, runner=False) as account,
        Sandbox(copied(account, tmp_path / "copy.yaml"), runner=False) as copy,
    ):
        one, other = Client(account), Client(copy)
        assert tasks_of(other) == tasks_of(one)
        assert workflows_of(other) == workflows_of(one)


def test_the_file_is_pleasant_to_read(tmp_path: Path) -> None:
    described = {
        "organizations": {"demo": {"hosts": ["a", "b"], "users": {"bot": {"role": "integration"}}}},
        "tasks": {
            "x": {"name": "Extract Orders", "host": "a", "timeout": 90, "id": "1" * 24,
                  "arguments": ["day", {"label": "region", "type": "select", "options": ["north"]}]},
            "y": {"name": "Extract Orders", "host": "b", "arguments": ["day"], "script": "echo 1\necho success"},
        },
        "workflows": {
            "w": {"name": "Publish", "host": "b", "steps": {"one": {}, "two": {"host": "a"}},
                  "edges": [{"from": "one", "to": "two", "on": "late"}]},
        },
    }  # fmt: skip
    with Sandbox(described, runner=False) as account:
        text = copied(account, tmp_path / "copy.yaml", user="bot", scripts=True).read_text()
        two = account.task_id("y")
        ids = [account.workflow_id("w"), *account.seed["workflows"]["w"]["steps"].values()]
        url = account.url
    comments, _, rest = text.partition("\norganizations:")
    assert comments.startswith(f"# A copy of the organization demo at {url}: 2 hosts, 2 tasks, 1 workflow")
    assert "\n# Serve it: python -m airflow_provider_theeye.sandbox " in comments
    assert all(line.startswith("#") and len(line) <= 120 for line in comments.splitlines())
    assert (
        rest
        == f"""
  demo:
    hosts: [a, b]
    users:
      integration: {{role: integration}}

tasks:
  extract-orders:
    name: Extract Orders
    id: '111111111111111111111111'
    host: a
    arguments:
      - day
      - {{label: region, type: select, options: [north]}}
    timeout: 90
    script: |-
      echo success

  extract-orders-b:
    name: Extract Orders
    id: {two}
    host: b
    arguments: [day]
    script: |-
      echo 1
      echo success

workflows:
  publish:
    name: Publish
    id: {ids[0]}
    steps:
      one:
        id: {ids[1]}
        host: b
        script: |-
          echo success
      two:
        id: {ids[2]}
        host: a
        script: |-
          echo success
    edges:
      - {{from: one, to: two, on: late}}
"""
    )


# -- refusals


def refusal(capsys: pytest.CaptureFixture[str], given: str, output: str = "-", **environment: str) -> str:
    """What is said on the one line when nothing is written."""
    assert run(Options(given, output), environment) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert TOKEN not in err
    return err


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (f"theeye:/:{TOKEN}@h/acme", "--import-from wants a connection's URI (theeye://…), its JSON, or its name"),
        ("prod", "there is no connection 'prod': the environment has no AIRFLOW_CONN_PROD"),
        (f"postgres://x:{TOKEN}@h/acme", "is of the type 'postgres', not 'theeye'"),
        (f"theeye://:{TOKEN}@h:port/acme", "cannot be read: it is no Airflow connection as URI"),
        (f"theeye://:{TOKEN}@h:80", "has no organization"),
        ("theeye://h/acme", "has no integration token"),
        (f"theeye://:{TOKEN}@h/acme?colour=red", "extra has the unknown key 'colour'"),
        (f'{{"conn_type": "theeye", "password": "{TOKEN}"', "cannot be read: it is no Airflow connection as JSON"),
        (f'{{"conn_type": "theeye", "passwort": "{TOKEN}"}}', "cannot be read: it is no Airflow connection as JSON"),
        (f'{{"conn_type": "theeye", "password": "{TOKEN}", "extra": [1]}}', "extra field is no JSON object"),
    ],
)
def test_what_is_no_connection(given: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert words in refusal(capsys, given)


def test_nobody_there(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"127.0.0.1:{taken.getsockname()[1]}"
        assert refusal(capsys, f"theeye://:{TOKEN}@{url}/acme").startswith(f"http://{url} cannot be reached: ")


@pytest.mark.parametrize("account", ["world-2"], indirect=True)
@pytest.mark.parametrize(
    ("user", "fields", "words"),
    [
        ("integration", {"password": TOKEN}, "TheEye answered 401"),
        ("integration", {"schema": "other"}, "TheEye answered 409: Incorrect Organizations"),
        ("integration", {"schema": "nobody"}, "TheEye answered 404: organization not found"),
        ("agent:host-a", {}, "the token is that of a host's agent"),
    ],
)
def test_a_token_that_is_refused(
    account: Sandbox, user: str, fields: dict[str, str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words in refusal(capsys, connection(account, user, **fields))


def test_a_role_that_is_too_low(capsys: pytest.CaptureFixture[str]) -> None:
    with AccountServer() as server:
        server.documents["/acme/task"] = (403, "forbidden")
        said = refusal(capsys, server.connection)
    assert said.startswith("the role of the token's user is too low, reading an account needs viewer")


def test_an_organization_that_the_sandbox_cannot_have(capsys: pytest.CaptureFixture[str]) -> None:
    with AccountServer() as server:
        server.documents.update({path.replace("acme", "jobs"): rows for path, rows in server.documents.items()})
        said = refusal(capsys, server.connection.replace("/acme", "/jobs"))
    assert "the sandbox cannot play this account: " in said
    assert "organizations.jobs: cannot be the name of an organization" in said


def test_an_output_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = tmp_path / "world.yaml"
    there.write_text("precious")
    with AccountServer() as server:
        assert refusal(capsys, server.connection, str(there)) == f"{there} exists already and is not overwritten\n"
        nowhere = tmp_path / "none" / "world.yaml"
        assert refusal(capsys, server.connection, str(nowhere)) == f"{nowhere}: there is no such folder\n"
        assert server.asked == []
    assert there.read_text() == "precious"


# -- the command line


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "airflow_provider_theeye.sandbox", *arguments]
    # A database that nothing can be read from.
    database = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite:////nowhere/airflow.db"}
    return subprocess.run(
        line, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, **_environment(), **database, **environment},
    )  # fmt: skip


def test_by_the_name_of_a_connection_to_stdout() -> None:
    with AccountServer(tasks=[{"id": "a" * 24, "type": "dummy", "name": "größer"}]) as server:
        done = command("--import-from", "theeye_default", AIRFLOW_CONN_THEEYE_DEFAULT=server.connection)
    assert (done.returncode, done.stderr.splitlines()[0].endswith(" 1 task, 0 workflows, 0 webhooks -> -")) == (0, True)
    assert "    name: größer\n" in done.stdout
    assert done.stdout.startswith("# A copy of the organization acme at ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-o", "x.yaml"], "belong to --import-from"),
        (["--with-scripts"], "belong to --import-from"),
        (["--with-fixed-values"], "belong to --import-from"),
        (["world.yaml", "--import-from", "theeye_default"], "not both"),
    ],
)
def test_options_that_do_not_fit(arguments: list[str], words: str) -> None:
    done = command(*arguments)
    assert (done.returncode, words in done.stderr) == (2, True)
