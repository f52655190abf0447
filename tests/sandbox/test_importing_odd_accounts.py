"""Copies of accounts that no sandbox has: of old servers, with things deleted, with other routes, and big ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sandbox.definitions import parse
from airflow_provider_theeye.sandbox.importing.command import Options, run
from airflow_provider_theeye.sandbox.importing.writing import Compact, Script, written

from .accounts import AccountServer
from .conftest import Client


def ident(number: int) -> str:
    return f"{number:024x}"


def script(number: int, name: str, **more: Any) -> dict[str, Any]:
    """A task as TheEye shows it, without much that does not matter."""
    host = {"hostname": "web", "host_id": ident(900)}
    return {"id": ident(number), "_type": "ScriptTask", "type": "script", "name": name, **host, **more}


def node(number: int, kind: str = "ScriptTask", name: str = "") -> dict[str, Any]:
    return {"v": ident(number), "value": {"id": ident(number), "_type": kind, "name": name}}


def edge(source: int, target: int, **value: Any) -> dict[str, Any]:
    return {"v": ident(source), "w": ident(target), **value}


class Copy:
    """What was written, as plain values, and what was said about it."""

    def __init__(self, server: AccountServer, path: Path, capsys: pytest.CaptureFixture[str], **wanted: bool) -> None:
        self.path = path / "copy.yaml"
        with server:
            assert run(Options(server.connection, str(self.path), **wanted), {}) == 0
        self.said = capsys.readouterr().err
        self.text = self.path.read_text()
        self.data = parse(self.text, "copy").data

    def tasks(self) -> dict[str, Any]:
        found: dict[str, Any] = self.data["tasks"]
        return found


def test_a_server_of_2019(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No version, ids in documents, events as nodes of the graph, neither hosts nor webhooks."""
    task = {"_id": ident(1), "type": "script", "name": "Get IP", "host": {"_id": ident(900), "hostname": "Apache1"}}
    steps = [
        script(2, "first", workflow_id=ident(50), timeout=None, task_arguments=None),
        {"id": ident(3), "type": "script", "name": "second", "hostname": "web", "workflow": ident(50)},
        {"id": ident(4), "type": "script", "name": "rescue", "hostname": "web", "workflow": ident(50)},
    ]
    graph = {
        "nodes": [node(2), node(20, "TaskEvent", "success"), node(3), node(21, "TaskEvent", "failure"), node(4)],
        "edges": [edge(2, 20), edge(20, 3), edge(2, 21), edge(21, 4)],
    }
    workflow = {"_id": ident(50), "name": "Old", "graph": graph, "start_task_id": ident(2)}
    copy = Copy(AccountServer(tasks=[task, *steps], workflows=[workflow]), tmp_path, capsys)
    assert copy.tasks() == {"get-ip": {"name": "Get IP", "id": ident(1), "host": "Apache1"}}
    assert copy.data["workflows"]["old"] == {
        "name": "Old",
        "id": ident(50),
        "host": "web",
        "version": 1,
        "steps": {key: {"name": key, "id": ident(n)} for n, key in enumerate(("first", "second", "rescue"), 2)},
        "edges": [{"from": "first", "to": "second"}, {"from": "first", "to": "rescue", "on": "failure"}],
    }
    assert "- webhooks are left out: the server does not list them, it answers 404\n" in copy.said
    assert "- hosts without a task are left out: the server does not list them, it answers 404\n" in copy.said


def test_hosts_that_are_listed_and_hosts_that_were_deleted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hosts = [
        {"type": "host", "hostname": "idle", "host_id": ident(901)},
        {"type": "host", "name": "renamed", "host_id": ident(900)},
        {"type": "script", "hostname": "web", "name": "a monitor", "host_id": ident(902)},
    ]
    tasks = [
        script(1, "By Id", hostname=None),
        script(2, "Orphan\n\x1b[31m", hostname=None, host_id=ident(999)),
        {"id": ident(3), "_type": "ScriptTask", "name": "Bare", "script_id": ident(70), "host": None},
    ]
    copy = Copy(AccountServer(tasks=tasks, hosts=hosts), tmp_path, capsys)
    assert copy.data["organizations"]["acme"]["hosts"] == ["deleted-host", "idle", "renamed"]
    assert {key: task["host"] for key, task in copy.tasks().items()} == {
        "by-id": "renamed", "orphan-31m": "deleted-host", "bare": "deleted-host",
    }  # fmt: skip
    assert "- tasks whose host was deleted run on the host deleted-host (2: Bare, Orphan  [31m)\n" in copy.said
    with Sandbox(copy.path) as running:
        client = Client(running)
        body = {"task": ident(2), "task_arguments": []}
        job = client.ask("POST", "/job", json=body).json()["id"]
        assert running.wait(lambda: client.ask("GET", f"/acme/job/{job}").json()["state"] == "success")


def test_types_that_the_sandbox_does_not_know(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        {"order": 0, "label": "when", "type": "date", "required": False},
        {"order": 0, "label": "", "type": "fixed", "value": "hush"},
        {"order": 5, "label": "pick", "type": "select", "options": ["a", {"label": "b", "secret": "hush"}]},
        "nonsense",
    ]
    tasks = [
        {**script(1, "Scrape"), "_type": "ScraperTask", "type": "scraper", "default_state_evaluation": "warning"},
        {"id": ident(2), "_type": "MiracleTask", "name": "Miracle", "arguments_type": "xml"},
        script(3, "Arguments", task_arguments=arguments, autoremove_completed_jobs_limit=0, tags=["x", "", None, 1]),
        script(4, "", timeout=1500),
        {"name": "without an id"},
        "no document",
        {**script(1, "Twice")},
    ]
    copy = Copy(AccountServer(tasks=tasks), tmp_path, capsys)
    assert "hush" not in copy.text
    assert copy.tasks() == {
        "task": {"name": f"unnamed {ident(4)}", "id": ident(4), "host": "web", "timeout": 1.5},
        "arguments": {
            "name": "Arguments", "id": ident(3), "host": "web", "tags": ["x"],
            "arguments": [
                {"label": "when", "required": False},
                {"label": "argument 2", "type": "fixed", "value": "left out"},
                "argument 3",
                {"label": "pick", "type": "select", "options": ["a", "b"]},
            ],
        },
        "miracle": {"name": "Miracle", "id": ident(2), "type": "dummy"},
        "scrape": {"name": "Scrape", "id": ident(1), "host": "web"},
        "twice": {"name": "Twice", "host": "web"},
    }  # fmt: skip
    for words in (
        "documents without an id are left out",
        "tasks of the unsupported type scraper become type script (1: Scrape)",
        "tasks of the unsupported type miracle become type dummy (1: Miracle)",
        "arguments of the unsupported type date become type input (1: Arguments: when)",
        "arguments with duplicate or negative orders are renumbered (1: Arguments)",
        "values of fixed arguments are left out, they may be secrets (1: Arguments: argument 2)",
        "default_state_evaluation is ignored unless it is success or failure (1: Scrape)",
        "the unsupported arguments_type xml becomes legacy (1: Miracle)",
        "invalid and duplicate ids are replaced (1: Twice)",
    ):
        assert f"- {words}\n" in copy.said
        assert words in " ".join(line.removeprefix("#").strip() for line in copy.text.splitlines())


def test_workflows_of_which_not_all_is_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tasks = [
        script(1, "Partly / a", workflow_id=ident(50)),
        script(2, "Partly / a", workflow_id=ident(50)),
        script(8, "Stray", workflow_id=ident(59)),
    ]
    partly = {"nodes": [node(1), node(2), node(3)], "edges": [edge(2, 1, value="success"), edge(1, 3, value="success")]}
    workflows = [
        {"id": ident(50), "name": "Partly", "version": 2, "graph": partly, "start_task_id": ident(3), "acl": []},
        {"id": ident(51), "name": "Nothing", "version": 2, "graph": {"nodes": [node(4)], "edges": []}},
        {"id": ident(52), "name": "Broken", "version": 2, "graph": "none"},
    ]
    copy = Copy(AccountServer(tasks=tasks, workflows=workflows), tmp_path, capsys)
    assert copy.data["workflows"] == {
        "partly": {
            "name": "Partly", "id": ident(50), "host": "web", "start": "a-2", "edges": [{"from": "a-2", "to": "a"}],
            "steps": {"a": {"id": ident(1)}, "a-2": {"name": "Partly / a", "id": ident(2)}},
        }
    }  # fmt: skip
    for words in (
        "steps that the token does not see are missing from workflows (1: Partly)",
        "workflows without a visible start begin at a step that no edge leads to (1: Partly)",
        "workflows are left out if the token sees none of their steps (2: Broken, Nothing)",
        "steps of workflows that the token does not see are left out (1: Stray)",
    ):
        assert f"- {words}\n" in copy.said


def test_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tasks = [
        script(1, "All", acl=["ana@one.example", "ana@two.example"]),
        script(2, "Ana", acl=["ana@one.example"]),
        script(3, "Nobody", acl=[]),
        {
            "id": ident(4),
            "type": "approval",
            "name": "Decide",
            "approvers": [ident(77), {"id": ident(78), "email": "bo@x"}],
        },
    ]
    copy = Copy(AccountServer(tasks=tasks), tmp_path, capsys)
    roles = {"integration": "integration", "ana": "user", "ana-2": "user", "approver": "admin", "bo": "admin"}
    assert copy.data["organizations"]["acme"]["users"] == {key: {"role": role} for key, role in roles.items()}
    assert {key: task.get("acl") for key, task in copy.tasks().items()} == {
        "all": None, "ana": ["ana"], "nobody": [], "decide": None,
    }  # fmt: skip
    assert copy.tasks()["decide"]["approvers"] == ["approver", "bo", "integration"]


def test_webhooks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret = "f" * 64
    hooks = [{"id": ident(60), "name": "Orders", "secret": secret}, {"id": ident(61), "name": "Idle", "secret": secret}]
    event = {"_type": "WebhookEvent", "name": "trigger", "emitter": {"id": ident(60), "secret": secret}}
    tasks = [script(1, "Same", triggers=[event]), script(2, "Other", triggers=[ident(99), None])]
    workflow = {"id": ident(50), "name": "Same", "version": 2, "triggers": [{**event, "emitter": ident(60)}]}
    steps = [script(3, "step", workflow_id=ident(50))]
    graph = {"nodes": [node(3)], "edges": []}
    account = AccountServer(tasks=tasks + steps, workflows=[{**workflow, "graph": graph}], webhooks=hooks)
    copy = Copy(account, tmp_path, capsys)
    assert secret not in copy.text + copy.said
    assert copy.data["webhooks"] == {
        "orders": {"name": "Orders", "id": ident(60), "triggers": ["same", "same-web"]},
        "idle": {"name": "Idle", "id": ident(61)},
    }
    assert (list(copy.tasks()), list(copy.data["workflows"])) == (["other", "same-web"], ["same"])
    assert "- webhooks have no triggers if TheEye does not show them (1: Idle)\n" in copy.said


def test_stand_ins_put_out_what_the_next_step_wants(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By place, so that fixed arguments and gaps are skipped; with whatever quotes the labels have."""
    wanted = [
        {"order": 1, "label": "it's", "type": "fixed", "value": "v"},
        {"order": 2, "label": 'a "word"\n', "type": "input"},
    ]
    tasks = [
        script(1, "a", workflow_id=ident(50), default_state_evaluation="failure"),
        script(2, "b", workflow_id=ident(50), task_arguments=wanted),
        script(3, "Puts Out", output_parameters=[{"label": "path"}]),
    ]
    graph = {"nodes": [node(1), node(2)], "edges": [edge(1, 2, value="success")]}
    workflow = {"id": ident(50), "name": "W", "version": 2, "graph": graph, "start_task_id": ident(1)}
    copy = Copy(AccountServer(tasks=tasks, workflows=[workflow]), tmp_path, capsys)
    with Sandbox(copy.path) as running:
        client = Client(running)

        def over(job: str) -> Any:
            found = client.ask("GET", f"/acme/job/{job}").json()
            return found if found["lifecycle"] == "finished" else None

        run_id = client.start("w")["id"]
        assert running.wait(lambda: over(run_id))["state"] == "success"
        children = client.ask("GET", f"/workflows/{ident(50)}/job/{run_id}/jobs").json()
        assert children[-1]["task_arguments_values"] == [None, "left out", 'a "word"\n']
        alone = client.create("puts-out")["id"]
        assert running.wait(lambda: over(alone))["output"] == ["path"]


def test_scripts_are_read_where_the_token_may(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shell = {"script_runas": "/bin/bash %script%"}
    tasks = [
        script(1, "Shared", script_id=ident(70), **shell),
        script(2, "Shared Too", script={"id": ident(70), "filename": "x.sh"}, **shell),
        script(3, "Forbidden", script_id=ident(71), **shell),
        script(4, "Bytes", script_id=ident(72), **shell),
        script(5, "Python", script_id=ident(73), script_runas="python3 %script%"),
        script(6, "Node", script_id=ident(74), script_runas="%script%"),
        script(7, "Shebang", script_id=ident(75)),
        script(8, "None", **shell),
    ]
    server = AccountServer(tasks=tasks)
    texts = {
        70: b"echo one\necho success\n",
        71: (403, "forbidden"),
        72: b"\xff\xfe",
        73: b"print('success')\n",
        74: b"#!/usr/bin/env node\n",
        75: b"#!/usr/bin/env bash\necho success",
    }
    server.documents.update({f"/acme/file/{ident(n)}/download": text for n, text in texts.items()})
    copy = Copy(server, tmp_path, capsys, scripts=True)
    assert {key: task["script"] for key, task in copy.tasks().items() if "script" in task} == {
        "shared": "echo one\necho success\n",
        "shared-too": "echo one\necho success\n",
        "shebang": "#!/usr/bin/env bash\necho success",
    }
    assert server.asked.count(f"/acme/file/{ident(70)}/download") == 1
    assert "- scripts that the token may not read are left out, TheEye answers 403 (1: Forbidden)\n" in copy.said
    assert "- scripts that bash cannot run are left out (2: Node, Python)\n" in copy.said
    assert "- scripts that are missing or not text are left out (2: Bytes, None)\n" in copy.said


def test_scripts_are_not_asked_for_unless_they_are_wanted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = script(1, "Task", script={"id": ident(70), "data": "echo dangerous"})
    server = AccountServer(tasks=[task])
    copy = Copy(server, tmp_path, capsys)
    assert "dangerous" not in copy.text
    assert "script" not in copy.tasks()["task"]
    assert "scripts, so that a task without `script` only prints success" in copy.said
    assert server.asked == ["/acme/job", "/acme/task", "/workflows", "/acme/webhook", "/acme/resource"]


def test_a_big_account_costs_no_more_requests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = AccountServer(tasks=[script(n, f"Task {n}", task_arguments=[{"label": "a"}]) for n in range(1, 2001)])
    copy = Copy(server, tmp_path, capsys)
    assert len(server.asked) == 5
    assert len(copy.tasks()) == 2000
    assert len(copy.said.splitlines()) == 4


LINES = st.sampled_from(["\n", "\r\n", " ", "\t", "#", "echo", "\u2028", "\x85"])


@example("echo success\n\n")
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1) | st.lists(LINES, min_size=1).map("".join))
def test_every_text_is_read_as_it_was_written(text: str) -> None:
    one = {"name": text, "tags": Compact([text]), "edge": Compact({"on": text, text: 1}), "script": Script(text)}
    source = parse(written({"tasks": {"one": one, "other": one}}, [text]), "copy")
    plain = {"name": text, "tags": [text], "edge": {"on": text, text: 1}, "script": text}
    assert source.data == {"tasks": {"one": plain, "other": plain}}


def test_what_is_no_unicode_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON can hold halves of characters, which no file can."""
    deep: Any = "\ud83d"
    for _ in range(200):
        deep = [deep]
    arguments = [
        {"label": "\ud83d", "type": "select", "options": ["\ud83d", deep]},
        {"label": "f", "type": "fixed", "value": deep, "order": 1},
    ]
    task = script(1, "\ud83d", tags=["\ud83d"], task_arguments=arguments, script={"data": "echo \ud83d"})
    copy = Copy(AccountServer(tasks=[task]), tmp_path, capsys, scripts=True, fixed_values=True)
    assert copy.tasks()["task"]["script"] == "echo ?"


def test_other_readers_of_yaml_see_the_same_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tasks = [script(1, "no", tags=["1e3", "true", "2019-05-15"]), script(2, "123")]
    copy = Copy(AccountServer(tasks=tasks), tmp_path, capsys)
    assert yaml.safe_load(copy.text)["tasks"] == copy.tasks()
