"""``TheEyeJobTrigger``: what it stores, what it says, and that it never blocks the loop."""

from __future__ import annotations

import asyncio
import json

import pytest

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.jobs.reading import Ended
from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sealing import seal, unseal
from airflow_provider_theeye.triggers.theeye import MAX_EVENT_BYTES, TheEyeJobTrigger
from airflow_provider_theeye.version_compat import HAS_TASK_STATE_STORE
from tests.running import first_event

pytestmark = pytest.mark.usefixtures("connection")
tells_of_kills = pytest.mark.skipif(
    not HAS_TASK_STATE_STORE, reason="only Airflow 3.3 and newer call on_kill of triggers"
)
AN_ID = "5cdb424d7dbdc0000fd3112a"


def test_serialized_form_is_ids_and_numbers() -> None:
    """Deferred tasks live through upgrades: this form must be understood for ever."""
    trigger = TheEyeJobTrigger(
        theeye_conn_id="c",
        job_id=AN_ID,
        is_workflow=True,
        submitted=5e8,
        poll_interval=3.0,
        deadline=1e9,
        queue_deadline=1e8,
        max_failures=7,
        failure_seconds=60.0,
        targets=["assigned"],
        hosts={AN_ID: "host-a"},
        ends_itself=False,
        sealed_secret="gAAA",
        cancel_on_kill=True,
        not_before=4e8,
        server="https://theeye.example",
        organization="demo",
    )
    path, kwargs = trigger.serialize()
    assert path == "airflow_provider_theeye.triggers.theeye.TheEyeJobTrigger"
    assert kwargs == {
        "theeye_conn_id": "c",
        "job_id": AN_ID,
        "is_workflow": True,
        "submitted": 5e8,
        "poll_interval": 3.0,
        "deadline": 1e9,
        "queue_deadline": 1e8,
        "max_failures": 7,
        "failure_seconds": 60.0,
        "targets": ["assigned"],
        "hosts": {AN_ID: "host-a"},
        "ends_itself": False,
        "sealed_secret": "gAAA",
        "cancel_on_kill": True,
        "not_before": 4e8,
        "server": "https://theeye.example",
        "organization": "demo",
    }
    assert TheEyeJobTrigger(**json.loads(json.dumps(kwargs))).serialize() == (path, kwargs)


def test_event_is_json_and_holds_no_secret(sandbox: Sandbox) -> None:
    job = TheEyeHook().run(calls.create_job(sandbox.task_id("greet"), ["x"]))
    event = asyncio.run(first_event(TheEyeJobTrigger("theeye_default", job.id, poll_interval=0.3)))
    text = json.dumps(event)
    assert event["end"] == "over"
    assert event["ended"]["job"]["result"]["log"].startswith("greeting x")
    assert job.secret
    assert job.secret not in text
    assert "THEEYE_" not in text


def test_an_event_is_small_and_carries_a_long_log(sandbox: Sandbox) -> None:
    """Airflow writes each event whole into its log."""
    job = TheEyeHook().run(calls.create_job(sandbox.task_id("many-lines"), []))
    event = asyncio.run(first_event(TheEyeJobTrigger("theeye_default", job.id, poll_interval=0.3)))
    assert len(json.dumps(event)) < 1.1 * MAX_EVENT_BYTES < 20_000
    assert event["whole"]
    result = Ended.parse(json.loads(json.dumps(event["ended"]))).job.result
    assert result is not None
    assert len(result.log) > 250_000
    assert result == TheEyeHook().get_job(job.id).result


def test_large_document_is_left_to_the_worker(sandbox: Sandbox) -> None:
    job = TheEyeHook().run(calls.create_job(sandbox.task_id("big"), []))
    event = asyncio.run(first_event(TheEyeJobTrigger("theeye_default", job.id, poll_interval=0.3)))
    assert (event["job_id"], event["end"], event["ended"]) == (job.id, "over", None)


@tells_of_kills
@pytest.mark.parametrize("cancel_on_kill", [True, False])
def test_on_kill_cancels_if_asked_to(cancel_on_kill: bool, sandbox: Sandbox) -> None:
    hook = TheEyeHook()
    job = hook.run(calls.create_job(sandbox.task_id("endless"), []))
    asyncio.run(TheEyeJobTrigger("theeye_default", job.id, cancel_on_kill=cancel_on_kill).on_kill())
    assert hook.get_job(job.id).is_over is cancel_on_kill
    hook.cancel(job.id)


@tells_of_kills
def test_on_kill_cancels_every_branch(sandbox: Sandbox) -> None:
    hook = TheEyeHook()
    run = hook.run(calls.create_workflow_job(sandbox.workflow_id("endless-fork"), []))
    sandbox.wait(lambda: len(hook.run(calls.get_steps_of([run.id]))) == 3)
    asyncio.run(TheEyeJobTrigger("theeye_default", run.id, is_workflow=True, cancel_on_kill=True).on_kill())
    assert all(step.is_over for step in hook.run(calls.get_steps_of([run.id])))


def test_the_end_of_a_trigger_cancels_nothing(sandbox: Sandbox) -> None:
    """A triggerer that stops, or hands its triggers to another one, must leave the jobs alone."""
    hook = TheEyeHook()
    job = hook.run(calls.create_job(sandbox.task_id("endless"), []))

    async def stopped() -> None:
        trigger = TheEyeJobTrigger("theeye_default", job.id, cancel_on_kill=True)
        waiting = asyncio.create_task(first_event(trigger))
        await asyncio.sleep(0.8)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await trigger.cleanup()

    asyncio.run(stopped())
    assert hook.get_job(job.id).lifecycle == "assigned"
    hook.cancel(job.id)


def test_sealed_secret_can_be_read_with_airflows_key_only() -> None:
    sealed = seal("a secret")
    assert sealed is not None
    assert "a secret" not in sealed
    assert unseal(sealed) == "a secret"


def test_nothing_is_sealed_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_theeye import sealing

    class NoKey:
        is_encrypted = False

    monkeypatch.setattr(sealing, "get_fernet", NoKey)
    assert seal("a secret") is None
