"""The example DAGs of the guides, run once for all tests here: real Airflow, real sandbox, real curl, a mail server."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.client import TheEyeClient
from airflow_provider_theeye.api.settings import ServerSettings
from airflow_provider_theeye.sandbox import Sandbox
from tests.examples.mailbox import open_mailbox
from tools.airflow_env import PrivateAirflow, connection_settings, last_lines, sandbox_connection

RUN_TIMEOUT = 600
SUCCEED = (
    "theeye_quickstart",
    "example_theeye_tasks",
    "example_theeye_workflows",
    "example_theeye_approval",
    "example_theeye_button",
    "example_theeye_retries",
    "example_theeye_by_curl",
    "example_theeye_by_operator",
)
FAIL = ("example_theeye_notifier",)


@dataclass(frozen=True)
class GuideRuns:
    """What the runs left behind."""

    runs: dict[str, dict[str, Any]]
    jobs: list[dict[str, Any]]
    mails: list[EmailMessage]
    sandbox: Sandbox
    log: Path

    def task(self, dag_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
        for task in self.runs[dag_id]["tasks"]:
            if (task["task_id"], task["map_index"]) == (task_id, map_index):
                return dict(task)
        raise LookupError(f"{dag_id} has no {task_id}[{map_index}], see {self.log}")

    def value(self, dag_id: str, task_id: str, map_index: int = -1) -> Any:
        return self.task(dag_id, task_id, map_index)["xcoms"]["return_value"]


class Person(threading.Thread):
    """Sits before TheEye: approves what waits for an approver, and answers what waits for input."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(daemon=True)
        self.client = TheEyeClient(ServerSettings(sandbox.url, sandbox.organization, sandbox.token()))
        self.leaves = threading.Event()

    def run(self) -> None:
        while not self.leaves.wait(0.5):
            for job in self.client.run(calls.find_jobs(lifecycle="onhold", limit=20)):
                if job.kind == "ApprovalJob":
                    self.client.run(calls.approve(job.id))
                elif job.name == "Ask A Person":
                    self.client.run(calls.submit_input(job.id, ["blue"]))


@pytest.fixture(scope="module")
def guide_runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuideRuns]:
    folder = tmp_path_factory.mktemp("guides")
    results, log = folder / "results.jsonl", folder / "airflow.log"
    with Sandbox() as sandbox, open_mailbox() as mailbox:
        smtp = {
            "conn_type": "smtp",
            "host": "127.0.0.1",
            "port": mailbox.port,
            "extra": {"disable_ssl": True, "disable_tls": True},
        }
        airflow = PrivateAirflow(
            home=folder / "home",
            settings={
                **connection_settings(sandbox_connection(sandbox)),
                **connection_settings(smtp, "smtp_default"),
            },
        )
        airflow.migrate(log)
        person = Person(sandbox)
        person.start()
        airflow.python("-m", "tools.run_dags", "--results", str(results), *SUCCEED, *FAIL, log=log, timeout=RUN_TIMEOUT)
        person.leaves.set()
        person.join()
        lines = results.read_text().splitlines() if results.is_file() else []
        runs = {run["dag_id"]: run for run in map(json.loads, lines)}
        if len(runs) != len(SUCCEED + FAIL):
            pytest.fail(f"Airflow did not finish the DAGs:\n{last_lines(log)}", pytrace=False)
        yield GuideRuns(runs, list(sandbox.journal()["jobs"].values()), mailbox.mails, sandbox, log)


@pytest.mark.parametrize("dag_id", SUCCEED)
def test_it_succeeds(guide_runs: GuideRuns, dag_id: str) -> None:
    run = guide_runs.runs[dag_id]
    bad = {(task["task_id"], task["state"]) for task in run["tasks"]} - {
        (task["task_id"], state) for task in run["tasks"] for state in ("success", "skipped")
    }
    assert (run["state"], bad) == ("success", set())


def test_quickstart(guide_runs: GuideRuns) -> None:
    assert guide_runs.value("theeye_quickstart", "total")["output"] == [42]
    assert guide_runs.value("theeye_quickstart", "report")["output"] == ["It is 69 degrees Fahrenheit in Ushuaia"]


def test_tasks(guide_runs: GuideRuns) -> None:
    dag_id = "example_theeye_tasks"
    assert guide_runs.value(dag_id, "total")["output"] == [42]
    assert guide_runs.value(dag_id, "from_file")["output"] == [42]
    assert [guide_runs.value(dag_id, "greet", n)["output"] for n in range(3)] == [
        ["Hello, red!"],
        ["Hello, green!"],
        ["Hello, blue!"],
    ]
    assert guide_runs.value(dag_id, "tolerant")["outcome"] == "succeeded"
    assert guide_runs.value(dag_id, "look_at_the_exit_code") == 1
    assert guide_runs.value(dag_id, "wait")["job_id"] == guide_runs.value(dag_id, "start")["job_id"]
    assert guide_runs.value(dag_id, "bill")["output"] == [13]
    checked = guide_runs.value(dag_id, "checked")
    assert (checked["outcome"], checked["exit_code"], checked["host"]) == ("failed", 3, "host-b")
    assert guide_runs.task(dag_id, "reorder")["state"] == "success"


def test_workflows(guide_runs: GuideRuns) -> None:
    dag_id = "example_theeye_workflows"
    assert [line.partition(" after ")[0] for line in guide_runs.value(dag_id, "name_the_steps")] == [
        "Forecast / collect: succeeded",
        "Forecast / convert: succeeded",
        "Forecast / report: succeeded",
    ]
    assert len(guide_runs.value(dag_id, "both_branches")["steps"]) == 3
    middle = guide_runs.value(dag_id, "from_the_middle")
    assert [step["name"] for step in middle["steps"]] == ["Forecast / convert", "Forecast / report"]
    assert middle["output"] == ["It is 48 degrees Fahrenheit in Ushuaia"]


def test_people_in_theeye(guide_runs: GuideRuns) -> None:
    dag_id = "example_theeye_approval"
    assert guide_runs.task(dag_id, "announce")["state"] == "success"
    assert guide_runs.task(dag_id, "apologize")["state"] == "skipped"
    job = guide_runs.value(dag_id, "ask")
    assert job["outcome"] == "succeeded"
    assert "the answer is blue" in guide_runs.log.read_text(errors="replace")


def test_the_notifier_starts_a_job_for_the_failed_task(guide_runs: GuideRuns) -> None:
    assert guide_runs.runs["example_theeye_notifier"]["state"] == "failed"
    client = TheEyeClient(ServerSettings(guide_runs.sandbox.url, "demo", guide_runs.sandbox.token()))
    greetings = client.run(calls.find_jobs(task_id=guide_runs.sandbox.task_id("tell-failure"), limit=5))
    given = [client.run(calls.get_job(job.id)).arguments for job in greetings]
    assert ("example_theeye_notifier.load failed",) in given


class Form(HTMLParser):
    """The form of a mail, as a browser would send it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = values["action"]
        elif values.get("type") == "hidden":
            self.fields.append((values["name"], values["value"]))


def test_the_button_in_the_mail_works(guide_runs: GuideRuns) -> None:
    (mail,) = guide_runs.mails
    body = mail.get_body(("html",))
    assert body is not None
    form = Form(body.get_content())
    assert guide_runs.sandbox.task_secret("greet-by-mail") in form.action, "the key is in the mail: the docs say so"
    answer = requests.post(form.action, data=form.fields, timeout=10)
    assert (answer.status_code, answer.json()["task_arguments_values"]) == (200, ["Ana"])


def test_curl_and_operator_do_the_same(guide_runs: GuideRuns) -> None:
    by_curl = guide_runs.value("example_theeye_by_curl", "add_up")
    assert by_curl in ('["42"]', ["42"])  # Airflow may read the text on its way
    assert guide_runs.value("example_theeye_by_operator", "add_up")["output"] == [42]


def test_rendered_templates_show_no_secret(guide_runs: GuideRuns) -> None:
    """What Airflow shows of a task's arguments: the mail with its button, and curl's environment, among others."""
    with sqlite3.connect(guide_runs.log.parent / "home" / "airflow.db") as database:
        rows = database.execute("select task_id, rendered_fields from rendered_task_instance_fields").fetchall()
    shown = {task_id: str(fields) for task_id, fields in rows}
    assert "/job/secret/***" in shown["ask_by_mail"]
    secrets = {guide_runs.sandbox.token(), guide_runs.sandbox.task_secret("greet-by-mail")}
    assert [task_id for task_id, fields in shown.items() if any(secret in fields for secret in secrets)] == []


def test_every_job_ran_once(guide_runs: GuideRuns) -> None:
    assert [job for job in guide_runs.jobs if job["created"] > 1 or job["started"] > 1 or job["cancelled"]] == []
