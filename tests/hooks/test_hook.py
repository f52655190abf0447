"""``TheEyeHook``: connection, Test button, look-ups by name."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_theeye.api.errors import Forbidden
from airflow_provider_theeye.exceptions import TheEyeSettingsError, TheEyeSubmissionUnclear
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.sandbox import Sandbox

Use = Callable[..., TheEyeHook]


@pytest.fixture
def use(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Use:
    """A hook whose connection differs from the good one by what is given."""

    def hook(**change: Any) -> TheEyeHook:
        value = {**sandbox.airflow_connection(), **change}
        monkeypatch.setenv("AIRFLOW_CONN_THEEYE_DEFAULT", json.dumps(value))
        return TheEyeHook()

    return hook


def test_good_connection(use: Use) -> None:
    ok, text = use().test_connection()
    assert ok, text
    assert "knows organization 'demo' and the token" in text


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"schema": ""}, "has no organization"),
        ({"schema": "nowhere"}, "Check the organization in the schema field"),
        ({"schema": "other"}, "Check the organization in the schema field"),
        ({"password": "unknown"}, "Check the integration token in the password field"),
        ({"password": "", "extra": ""}, "neither an integration token"),
        ({"host": "http://127.0.0.1:9"}, "http://127.0.0.1:9 cannot be reached"),
        ({"host": "https://{there}"}, "speaks no TLS"),
        ({"host": "http://{there}/no/such/prefix"}, "answers, but not as a TheEye server does"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(change: dict[str, str], expected: str, use: Use, sandbox: Sandbox) -> None:
    there = sandbox.url.removeprefix("http://")
    ok, text = use(**{key: value.format(there=there) for key, value in change.items()}).test_connection()
    assert not ok
    assert expected in text
    assert "\n" not in text
    assert sandbox.token() not in text


def test_secrets_alone_cannot_be_tested(use: Use, sandbox: Sandbox) -> None:
    secrets = {sandbox.task_id("hello"): sandbox.task_secret("hello")}
    ok, text = use(password="", extra={"secrets": secrets}).test_connection()
    assert ok
    assert "1 secret key and no integration token; secret keys cannot be tested" in text


@pytest.mark.parametrize("form", ["{there}", "http://{there}", "http://{there}/"])
def test_host_in_several_forms(form: str, use: Use, sandbox: Sandbox) -> None:
    there = sandbox.url.removeprefix("http://")
    assert use(host=form.format(there=there)).settings.server.url == sandbox.url


def test_host_and_port_apart(use: Use, sandbox: Sandbox) -> None:
    port = int(sandbox.url.rsplit(":", 1)[1])
    assert use(host="127.0.0.1", port=port).test_connection()[0]


def test_defaults_are_those_of_the_hosted_service(use: Use) -> None:
    settings = use(host="", extra={}).settings
    assert (settings.server.url, settings.web_url) == ("https://supervisor.theeye.io", "https://app.theeye.io")
    assert settings.server.verify is True


def test_extra_fields_of_a_form_are_texts(use: Use) -> None:
    server = use(extra={"verify": "false", "timeout": "7", "secrets": "{}"}).settings.server
    assert (server.verify, server.read_timeout) == (False, 7.0)
    assert use(extra={"verify": "/etc/ca.pem"}).settings.server.verify == "/etc/ca.pem"


def test_unverified_tls_warns(use: Use, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    caplog.set_level(logging.WARNING)
    _ = use(extra={"verify": False}).settings
    assert "does not verify TLS certificates" in caplog.text + capsys.readouterr().out


def test_task_by_name_and_host(use: Use, sandbox: Sandbox) -> None:
    hook = use()
    assert hook.get_task(name="Get IP Address", host="host-b").id == sandbox.task_id("ip-b")
    assert hook.get_task(name="Hello World").id == sandbox.task_id("hello")
    assert [task.id for task in hook.list_tasks(host="host-b", name="Get IP Address")] == [sandbox.task_id("ip-b")]


def test_look_ups_are_remembered(use: Use, journal: Sandbox) -> None:
    hook = use()
    for _ in range(3):
        hook.get_task(name="Hello World")
        hook.get_task(journal.task_id("hello"))
        hook.get_workflow(name="Chain")
        hook.get_workflow(journal.workflow_id("chain"))
        hook.steps_of(journal.workflow_id("chain"))
    assert journal.journal()["requests"] == {
        "GET /{customer}/task": 2,
        "GET /{customer}/task/{id}": 1,
        "GET /workflows": 1,
        "GET /workflows/{id}": 1,
    }


def test_approve_reject_and_input(use: Use, sandbox: Sandbox) -> None:
    from airflow_provider_theeye.api import calls

    hook = use()
    for decide, state in ((hook.approve, "success"), (hook.reject, "failure")):
        job = hook.run(calls.create_job(sandbox.task_id("approve"), []))
        decide(job.id)
        assert hook.get_job(job.id).state == state
    job = hook.run(calls.create_job_by_secret(sandbox.task_id("ask"), sandbox.task_secret("ask"), ["thrown away"]))
    assert job.lifecycle == "onhold"
    hook.submit_input(job.id, ["forty-two"])
    sandbox.wait(lambda: hook.get_job(job.id).is_over)
    assert hook.get_job(job.id).output == ["forty-two"]


@pytest.mark.parametrize(
    ("key", "given", "kept"),
    [
        ("ask", [{"value": "inner"}], ('{"value":"inner"}',)),
        ("ask", [{"value": "", "order": 3}], ('{"value":"","order":3}',)),
        ("ask", [0], ("0",)),
        ("fixed", [""], ("FIXED", "")),
        ("jsonargs", [{"value": None}], ('{"value":null}',)),
        ("optional", ["a"], ("a", None)),
    ],
)
def test_input_arrives_as_it_was_given(key: str, given: list[Any], kept: Any, use: Use, sandbox: Sandbox) -> None:
    from airflow_provider_theeye.api import calls

    hook = use()
    values = [None] * len(hook.get_task(sandbox.task_id(key)).arguments)
    job = hook.run(calls.create_job(sandbox.task_id(key), values, held=True))
    hook.run(calls.hold_job(job.id))
    hook.submit_input(job.id, given)
    assert hook.get_job(job.id).arguments == kept


def test_input_whose_answer_is_lost_is_given_once(use: Use, journal: Sandbox) -> None:
    """TheEye may obey two that are under way at once, and hand the job out twice."""
    from airflow_provider_theeye.api import calls

    hook = use(extra={"timeout": 1})
    secret = journal.task_secret("ask")
    job = hook.run(calls.create_job_by_secret(journal.task_id("ask"), secret, ["thrown away"]))
    journal.set_faults([{"path": "*/input", "do": "overlap", "seconds": 3.0}])
    hook.submit_input(job.id, ["forty-two"])
    journal.wait(lambda: hook.get_job(job.id).is_over)
    assert journal.faults()[0]["fired"] == 1
    journal.set_faults([{"path": "*/input", "do": "close", "times": 1}])
    lost = hook.run(calls.create_job_by_secret(journal.task_id("ask"), secret, ["thrown away"]))
    hook.submit_input(lost.id, ["again"])
    journal.wait(lambda: hook.get_job(lost.id).is_over)
    started = {ident: one["started"] for ident, one in journal.journal()["jobs"].items()}
    assert started == {job.id: 1, lost.id: 1}


def test_input_that_does_not_fit_is_refused(use: Use, journal: Sandbox) -> None:
    from airflow_provider_theeye.api import calls

    hook = use()
    job = hook.run(calls.create_job_by_secret(journal.task_id("ask"), journal.task_secret("ask"), ["thrown away"]))
    with pytest.raises(TheEyeSettingsError, match=r"takes 1 argument \(.*\), but arguments has 2"):
        hook.submit_input(job.id, ["a", "b"])
    assert not [name for name in journal.journal()["requests"] if name.endswith("/input")]
    hook.cancel(job.id)


def test_somebody_else_may_not_approve(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_theeye.api import calls

    monkeypatch.setenv("AIRFLOW_CONN_THEEYE_DEFAULT", json.dumps(sandbox.airflow_connection("user")))
    hook = TheEyeHook()
    job = hook.run(calls.create_job(sandbox.task_id("approve"), []))
    with pytest.raises(Forbidden, match="unauthorized approver"):
        hook.approve(job.id)
    hook.cancel(job.id)


def test_refresh_tells_whether_the_token_changed(use: Use) -> None:
    hook = use()
    assert hook.settings.server.token
    assert hook.refresh() is False
    use(password="another")
    assert hook.refresh() is True


@pytest.mark.parametrize("port", [443, 0, None])
def test_hosted_service_is_known_with_its_port_too(port: int | None, use: Use) -> None:
    settings = use(host="https://supervisor.theeye.io", port=port, extra={}).settings
    assert (settings.server.url, settings.web_url) == ("https://supervisor.theeye.io", "https://app.theeye.io")


def test_a_lost_answer_that_leaves_doubt_is_said_so(use: Use, journal: Sandbox) -> None:
    """By a secret key nothing can be held, and without a token nobody can look whether it was started."""
    secrets = {journal.task_id("hello"): journal.task_secret("hello")}
    hook = use(password="", extra={"secrets": secrets})
    journal.set_faults([{"method": "POST", "do": "close", "when": "after"}])
    with pytest.raises(TheEyeSubmissionUnclear):
        hook.start_task(journal.task_id("hello"))
    assert journal.journal()["totals"]["created"] == 1


def test_what_cannot_be_sent_is_named_before_anything_is_sent(use: Use, journal: Sandbox) -> None:
    hook = use()
    with pytest.raises(TheEyeSettingsError, match="arguments"):
        hook.submit_input("0" * 24, [object()])
    with pytest.raises(TheEyeSettingsError, match="task_arguments"):
        hook.start_task(journal.task_id("hello"), [object()])
    assert journal.journal()["totals"]["requests"] == 0


def test_a_record_that_is_gone_cannot_be_cancelled(use: Use) -> None:
    assert use().cancel("f" * 24) is None
