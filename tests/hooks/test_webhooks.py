"""``TheEyeHook.trigger_webhook`` against the sandbox."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_theeye.api.errors import AuthenticationFailed, Forbidden, InvalidRequest, NoAnswer, NotFound
from airflow_provider_theeye.api.models import Job
from airflow_provider_theeye.exceptions import TheEyeSettingsError
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.sandbox import Sandbox

BY_TOKEN = "POST /{customer}/webhook/{id}/trigger"
BY_SECRET = "POST /{customer}/webhook/{id}/trigger/secret/{secret}"
BOTH = [("echo", ("a", '{"b":1}')), ("pair", ("a", '{"b":1}'))]


def started(sandbox: Sandbox) -> list[tuple[str, tuple[Any, ...]]]:
    """What the webhook's task and workflow were started with."""
    reader = TheEyeHook("theeye_default")
    jobs: list[Job] = [reader.get_job(job_id) for job_id in sandbox.journal()["jobs"]]
    names = {"Echo": "echo", "Pair": "pair"}
    return sorted((names[job.name], job.arguments) for job in jobs if job.name in names)


def hook(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, **change: Any) -> TheEyeHook:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps({**sandbox.airflow_connection(), **change}))
    return TheEyeHook("other")


def test_by_token(journal: Sandbox, connection: str) -> None:
    TheEyeHook().trigger_webhook(journal.webhook_id("orders"), payload=["a", {"b": 1}])
    assert started(journal) == BOTH
    assert journal.journal()["requests"][BY_TOKEN] == 1


def test_by_secret_although_there_is_a_token(journal: Sandbox, connection: str) -> None:
    secret = journal.webhook_secret("orders")
    TheEyeHook().trigger_webhook(journal.webhook_id("orders"), secret, ["a", {"b": 1}])
    assert started(journal) == BOTH
    assert journal.journal()["requests"][BY_SECRET] == 1


def test_by_the_secret_of_the_connection(journal: Sandbox, connection: str, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"secrets": {journal.webhook_id("orders"): journal.webhook_secret("orders")}}
    hook(journal, monkeypatch, password="", extra=extra).trigger_webhook(
        journal.webhook_id("orders"), payload=["a", {"b": 1}]
    )
    assert started(journal) == BOTH


def test_without_arguments(journal: Sandbox, connection: str) -> None:
    """TheEye makes jobs that cannot run, and does not say so."""
    TheEyeHook().trigger_webhook(journal.webhook_id("orders"))
    reader = TheEyeHook("theeye_default")
    dead = [job for job in map(reader.get_job, journal.journal()["jobs"]) if job.name == "Echo"]
    assert [(job.lifecycle, job.state) for job in dead] == [("terminated", "error")]


def test_a_lost_answer_is_not_asked_for_again(journal: Sandbox, connection: str) -> None:
    journal.set_faults([{"method": "POST", "path": "*/webhook/*", "do": "close", "when": "after", "times": 1}])
    with pytest.raises(NoAnswer) as caught:
        TheEyeHook().trigger_webhook(journal.webhook_id("orders"), journal.webhook_secret("orders"), ["a", "b"])
    assert journal.webhook_secret("orders") not in str(caught.value)
    assert len(started(journal)) == 2


@pytest.mark.parametrize(
    ("ident", "options", "kind", "message"),
    [
        ("x", {}, InvalidRequest, "'x' is not the id of a webhook"),
        ("f" * 24, {}, NotFound, "webhook not found"),
        ("orders", {"secret": "wrong"}, Forbidden, "invalid secret"),
        ("orders", {"secret": " "}, TheEyeSettingsError, "is empty"),
        ("orders", {"payload": "abc"}, TheEyeSettingsError, "payload must be a list"),
        ("orders", {"payload": [object()]}, TheEyeSettingsError, r"payload\[0\] cannot be sent as JSON"),
    ],
)
def test_what_cannot_work(
    ident: str, options: dict[str, Any], kind: type[Exception], message: str, journal: Sandbox, connection: str
) -> None:
    ident = journal.webhook_id(ident) if ident == "orders" else ident
    with pytest.raises(kind, match=message):
        TheEyeHook().trigger_webhook(ident, **options)
    assert started(journal) == []


def test_nothing_to_trigger_it_with(journal: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TheEyeSettingsError, match=r"nothing to trigger webhook .* with"):
        hook(journal, monkeypatch, password="", extra={}).trigger_webhook(journal.webhook_id("orders"))


def test_token_of_somebody_who_is_no_admin(journal: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Forbidden):
        hook(journal, monkeypatch, password=journal.token("viewer")).trigger_webhook(journal.webhook_id("orders"))
    with pytest.raises(AuthenticationFailed):
        hook(journal, monkeypatch, password="unknown").trigger_webhook(journal.webhook_id("orders"))


def test_webhook_of_another_organization(journal: Sandbox, connection: str) -> None:
    """TheEye does not look whose it is."""
    TheEyeHook().trigger_webhook(journal.webhook_id("foreign"), journal.webhook_secret("foreign"))
    assert len(journal.journal()["jobs"]) == 1
