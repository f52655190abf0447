"""Each call about workflows, over a real socket, by both clients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.errors import Forbidden, InvalidRequest, NotFound
from airflow_provider_theeye.api.models import Job
from airflow_provider_theeye.sandbox import Sandbox

MISSING = "0123456789abcdef01234567"


def test_lists_and_single_workflows(client: Any, sandbox: Sandbox) -> None:
    everything = client.run(calls.list_workflows())
    assert {sandbox.workflow_id("chain"), sandbox.workflow_id("fork")} <= {one.id for one in everything}
    assert [one.id for one in client.run(calls.list_workflows(name="Chain"))] == [sandbox.workflow_id("chain")]
    assert len(client.run(calls.list_workflows(limit=2))) == 2
    chain = client.run(calls.get_workflow(sandbox.workflow_id("chain")))
    assert (chain.name, chain.version, chain.multitasking) == ("Chain", 2, True)
    assert [edge.event for edge in chain.edges] == ["success", "success"]
    assert chain.edges[0].source == chain.start_task_id
    assert chain.edges[0].target == chain.edges[1].source
    assert client.run(calls.get_workflow(sandbox.workflow_id("handler"))).edges[0].event == "failure"
    assert not client.run(calls.get_workflow(sandbox.workflow_id("queued"))).multitasking
    with pytest.raises(NotFound):
        client.run(calls.get_workflow(MISSING))


def test_a_run_by_token_and_its_steps(client: Any, sandbox: Sandbox, until_over: Callable[[Any, str], Job]) -> None:
    chain = sandbox.workflow_id("chain")
    run = client.run(calls.create_workflow_job(chain, ["x"]))
    assert run.is_workflow
    assert run.workflow_id == chain
    over = until_over(client, run.id)
    assert (over.lifecycle, over.state) == ("finished", "success")
    steps = sorted(client.run(calls.get_steps(chain, run.id)), key=lambda step: step.created or "")
    assert [step.output for step in steps] == [["x-1"], ["x-1-2"], ["x-1-2-3"]]
    assert {step.workflow_job_id for step in steps} == {run.id}
    assert {row.id for row in client.run(calls.get_steps_of([run.id]))} == {step.id for step in steps}
    with pytest.raises(InvalidRequest, match="does not belong"):
        client.run(calls.get_steps(sandbox.workflow_id("fork"), run.id))


def test_a_run_by_secret(client: Any, sandbox: Sandbox, connect: Any, settings: Any) -> None:
    keyed = connect(settings(token=None))
    chain = sandbox.workflow_id("chain")
    held = calls.create_workflow_job_by_secret(chain, sandbox.workflow_secret("chain"), ["x"], held=True)
    run = keyed.run(held)
    assert (run.is_workflow, run.is_held, run.origin) == (True, True, "secret")
    assert client.run(calls.get_job(run.id)).is_held
    with pytest.raises(Forbidden, match="invalid secret"):
        keyed.run(calls.create_workflow_job_by_secret(chain, "0" * 64, ["x"]))


@pytest.mark.parametrize("by_secret", [False, True])
def test_a_run_that_starts_at_a_later_step(
    client: Any, sandbox: Sandbox, by_secret: bool, until_over: Callable[[Any, str], Job]
) -> None:
    ident = sandbox.workflow_id("chain")
    chain = client.run(calls.get_workflow(ident))
    last = chain.edges[-1].target
    if by_secret:
        secret = sandbox.workflow_secret("chain")
        call = calls.create_workflow_job_by_secret(ident, secret, ["late"], start_task_id=last)
    else:
        call = calls.create_workflow_job(ident, ["late"], start_task_id=last)
    run = client.run(call)
    assert until_over(client, run.id).state == "success"
    assert [step.task_id for step in client.run(calls.get_steps(ident, run.id))] == [last]


def test_a_run_that_starts_at_no_step_of_its_workflow(client: Any, sandbox: Sandbox) -> None:
    """TheEye takes it, and it stays as it is for ever: so it is refused before it is sent, by the operator."""
    ident = sandbox.workflow_id("chain")
    run = client.run(calls.create_workflow_job(ident, [], start_task_id=sandbox.task_id("hello")))
    assert (run.lifecycle, client.run(calls.get_steps(ident, run.id))) == ("ready", [])


def test_releasing_the_first_step_starts_a_held_run(
    client: Any, sandbox: Sandbox, until_over: Callable[[Any, str], Job]
) -> None:
    run = client.run(calls.create_workflow_job(sandbox.workflow_id("chain"), ["h"], held=True))
    (step,) = client.run(calls.get_steps_of([run.id]))
    client.run(calls.release_job(step.id))
    assert until_over(client, run.id).state == "success"
