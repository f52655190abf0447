"""The HTML buttons: pressed as a browser would, they start what they say."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from importlib.metadata import entry_points

import pytest
import requests

from airflow_provider_theeye import buttons
from airflow_provider_theeye.buttons import action_button
from airflow_provider_theeye.exceptions import TheEyeSettingsError
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.sandbox import Sandbox

pytestmark = pytest.mark.usefixtures("connection")


class Form(HTMLParser):
    """What a browser would send."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.action = self.label = ""
        self.fields: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = values["action"]
        elif values.get("type") == "hidden":
            self.fields.append((values["name"], values["value"]))
        elif values.get("type") == "submit":
            self.label = values["value"]

    def press(self) -> requests.Response:
        return requests.post(self.action, data=self.fields, timeout=10)


def test_button_of_a_task(sandbox: Sandbox) -> None:
    nasty = '"><script>alert(1)</script>&amp;'
    text = action_button(
        theeye_task_id=sandbox.task_id("greet"),
        secret=sandbox.task_secret("greet"),
        task_arguments=[nasty],
        label="Say <hello>",
    )
    form = Form(text)
    assert "<script>" not in text
    assert form.label == "Say <hello>"
    job_id = form.press().json()["id"]
    assert TheEyeHook().get_job(job_id).arguments == (nasty,)


def test_button_of_a_workflow_uses_the_path_that_works(sandbox: Sandbox) -> None:
    text = action_button(theeye_workflow_id=sandbox.workflow_id("chain"), task_arguments=[{"a": 1}])
    answer = Form(text).press()
    assert answer.status_code == 200
    assert answer.json()["_type"] == "WorkflowJob"
    assert answer.json()["task_arguments_values"] == ['{"a":1}']


def test_button_needs_a_secret_key(sandbox: Sandbox) -> None:
    with pytest.raises(TheEyeSettingsError, match="a button needs the secret key"):
        action_button(theeye_task_id=sandbox.task_id("greet"))
    with pytest.raises(ValueError, match="either theeye_task_id or theeye_workflow_id"):
        action_button()
    with pytest.raises(TheEyeSettingsError, match="cannot be sent as JSON"):
        action_button(theeye_task_id=sandbox.task_id("hello"), task_arguments=[object()])


@pytest.mark.parametrize(
    ("key", "values", "reason"),
    [
        ("fixed", ["a"], "has fixed arguments"),
        ("jsonargs", ["a"], "takes its arguments as JSON"),
        ("greet", [], "takes 1 argument"),
        ("greet", ["a", "b"], "takes 1 argument"),
    ],
)
def test_a_form_that_would_make_a_dead_job_is_refused(
    key: str, values: list[str], reason: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    ident, secret = sandbox.task_id(key), sandbox.task_secret(key)
    with pytest.raises(TheEyeSettingsError, match=reason):
        action_button(theeye_task_id=ident, secret=secret, task_arguments=values)
    without_token = {**sandbox.airflow_connection(), "password": ""}
    monkeypatch.setenv("AIRFLOW_CONN_THEEYE_DEFAULT", json.dumps(without_token))
    assert action_button(theeye_task_id=ident, secret=secret, task_arguments=values)


def test_a_form_for_a_step_or_with_too_little_for_a_workflow_is_refused(sandbox: Sandbox) -> None:
    workflow = sandbox.workflow_id("chain")
    with pytest.raises(TheEyeSettingsError, match="takes 1 argument"):
        action_button(theeye_workflow_id=workflow)
    step = TheEyeHook().steps_of(workflow)[0].id
    with pytest.raises(TheEyeSettingsError, match="is a step of workflow"):
        action_button(theeye_task_id=step, secret="0" * 64)


def test_a_form_is_made_although_theeye_cannot_be_asked(journal: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    journal.set_faults([{"method": "GET", "path": "*/task/*", "do": "status", "status": 404}])
    assert action_button(theeye_task_id=journal.task_id("hello"))
    assert "were not checked" in caplog.text


def test_macro_is_found_by_airflow() -> None:
    (found,) = (point.load() for point in entry_points(group="airflow.plugins") if point.name == "theeye")
    assert found.name == "theeye"
    assert found.macros == [action_button]


def test_key_of_a_button_is_masked(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    masked: list[str] = []
    monkeypatch.setattr(buttons, "mask_secret", masked.append)
    key = "0123456789abcdef" * 4
    action_button(theeye_task_id=sandbox.task_id("hello"), secret=key)
    assert masked == [key]
