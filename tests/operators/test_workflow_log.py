"""What the task log tells of a workflow while it runs: each step's end once, in order, and who is waited for."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable

import pytest

from airflow_provider_theeye.exceptions import JobNotTaken, TheEyeJobError
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.sandbox import Sandbox
from tests.operators.test_workflow_people import somebody, waiting_step, workflow
from tests.running import MODES, run

pytestmark = pytest.mark.usefixtures("connection")
both_modes = pytest.mark.parametrize("mode", MODES)
STEP_ENDS = re.compile(r"step '[^']+ / (\w+)' \(job (\w+)\) is ((?:finished|terminated|canceled)/\w+)")
RUN_ENDS = re.compile(r"TheEye job \w+ is (finished/\w+)")
#: The ends of each workflow's steps; those of a fork's branches come in any order.
ENDS = {
    "chain": [("t1", "finished/success"), ("t2", "finished/success"), ("t3", "finished/success")],
    "failing-chain": [("t1", "finished/failure")],
    "handler": [("t1", "finished/failure"), ("t2", "finished/success")],
    "no-edge": [("t1", "finished/success")],
    "fork-hides": {("t1", "finished/success"), ("t2", "finished/failure"), ("t3", "finished/success")},
    "fork-fails-last": {("t1", "finished/success"), ("t2", "finished/success"), ("t3", "finished/failure")},
    "stuck": [("t1", "finished/success"), ("t2", "terminated/error")],
    "old": [("t1", "finished/success"), ("t2", "finished/success")],
    "queued": [("t1", "finished/success")],
}


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """Everything that was logged. Airflow 2 uses Python's loggers and the output, Airflow 3 that alone."""
    caplog.set_level(logging.INFO)

    def everything() -> str:
        printed = capsys.readouterr().out
        return caplog.text if "TheEye job" in caplog.text else printed

    return everything


@both_modes
@pytest.mark.parametrize("key", list(ENDS))
def test_each_steps_end_is_told_once(mode: str, key: str, sandbox: Sandbox, said: Callable[[], str]) -> None:
    arguments = ["x"] if key == "chain" else []
    try:
        run(workflow(sandbox, key, task_arguments=arguments), mode)
    except TheEyeJobError:
        assert key in ("failing-chain", "fork-hides", "fork-fails-last", "stuck")
    text = said()
    told = STEP_ENDS.findall(text)
    assert len({job_id for _, job_id, _ in told}) == len(told)
    ends = [(name, end) for name, _, end in told]
    wanted = ENDS[key]
    assert (ends == wanted) if isinstance(wanted, list) else (len(ends) == len(wanted) and set(ends) == wanted)
    if key not in ("stuck", "old"):  # these never end by themselves
        (over,) = RUN_ENDS.finditer(text)
        assert over.start() > max(match.start() for match in STEP_ENDS.finditer(text))


@both_modes
def test_the_log_names_the_host_of_a_step(mode: str, sandbox: Sandbox, said: Callable[[], str]) -> None:
    run(workflow(sandbox, "slow-chain"), mode)
    assert len(re.findall(r"step 'Slow Chain / t[12]' .* is finished/success on host-a", said())) == 2


@both_modes
def test_a_gate_says_who_is_waited_for(mode: str, sandbox: Sandbox, said: Callable[[], str]) -> None:
    def approve(hook: TheEyeHook) -> None:
        step = waiting_step(sandbox, hook, "gate", "onhold")
        time.sleep(1.5)  # until the operator has seen it too
        hook.approve(step.id)

    with somebody(approve):
        run(workflow(sandbox, "gate"), mode)
    assert re.search(
        r"step 'Approval Gate / ok' .* is onhold and waits for one of its approvers \(.*\) since 20", said()
    )


@both_modes
def test_a_queued_run_meets_its_queue_timeout(mode: str, sandbox: Sandbox, said: Callable[[], str]) -> None:
    hook = TheEyeHook()
    first = hook.start_workflow(sandbox.workflow_id("queued-long"))
    with pytest.raises(JobNotTaken, match="within queue_timeout"):
        run(workflow(sandbox, "queued-long", queue_timeout=2), mode)
    assert "is queued (" in said()
    hook.cancel(first.id)
