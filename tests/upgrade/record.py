"""Write down what a release leaves in Airflow's database while its tasks are deferred.

    python -m tests.upgrade.record

makes ``tests/data/deferred/VERSION.json``. To be run once for a release and never again: the file says what that
release did, not what it should have done.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests import conftest  # sets up Airflow's environment, so it comes before all that imports Airflow

from airflow.providers.common.compat.sdk import TaskDeferred  # isort: skip

from airflow_provider_theeye import __version__
from airflow_provider_theeye.operators.base import TheEyeJobOperator
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator, TheEyeWorkflowOperator
from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sensors.theeye import TheEyeJobSensor
from airflow_provider_theeye.triggers.events import TheEyeJobEventTrigger
from airflow_provider_theeye.triggers.searching import TheEyeJobSearchTrigger
from tests.running import context, first_event

DATA = Path(__file__).resolve().parent.parent / "data" / "deferred"
OPTIONS: dict[str, Any] = {"task_id": "t", "deferrable": True, "poll_interval": 0.5}
LONG_AGO = "2026-01-01T00:00:00+00:00"


def operators(sandbox: Sandbox) -> Iterator[tuple[str, TheEyeJobOperator]]:
    """Each defers in another way."""
    slow = sandbox.task_id("slow")
    limits = {"timeout": 3600, "queue_timeout": 600, "poll_failure_tolerance": 900, "cancel_on_kill": False}
    yield "task", TheEyeTaskOperator(theeye_task_id=slow, **OPTIONS)
    yield "task with limits", TheEyeTaskOperator(theeye_task_id=slow, **limits, **OPTIONS)
    yield "task that cannot end in time", TheEyeTaskOperator(theeye_task_id=slow, timeout=0.6, **OPTIONS)
    yield "task by its secret key", TheEyeTaskOperator(theeye_task_id=slow, theeye_conn_id="theeye_secret", **OPTIONS)
    yield (
        "workflow",
        TheEyeWorkflowOperator(theeye_workflow_id=sandbox.workflow_id("chain"), task_arguments=["7"], **OPTIONS),
    )


def outcome(operator: Any, event: dict[str, Any]) -> dict[str, Any]:
    """What an operator or sensor makes of an event."""
    try:
        return {"result": operator.execute_complete(context(), event=event)}
    except Exception as error:
        return {"error": type(error).__name__}


def of_operator(name: str, operator: TheEyeJobOperator) -> dict[str, Any]:
    try:
        operator.execute(context())
    except TaskDeferred as deferred:
        return of_trigger(name, deferred.trigger, operator)
    raise AssertionError(f"{name} did not defer")


def of_trigger(name: str, trigger: Any, resumed: Any) -> dict[str, Any]:
    path, kwargs = trigger.serialize()
    event = asyncio.run(first_event(trigger))
    return {"name": name, "trigger": path, "kwargs": kwargs, "event": event, **outcome(resumed, event)}


def main() -> None:
    """Make the file for this release."""
    with Sandbox(conftest.WORLD) as sandbox:
        slow = sandbox.task_id("slow")
        secrets = {slow: sandbox.task_secret("slow")}
        connection = sandbox.airflow_connection(secrets=secrets)
        os.environ["AIRFLOW_CONN_THEEYE_DEFAULT"] = json.dumps(connection)
        os.environ["AIRFLOW_CONN_THEEYE_SECRET"] = json.dumps(connection | {"password": ""})
        entries = [of_operator(name, operator) for name, operator in operators(sandbox)]
        search = TheEyeJobSearchTrigger("theeye_default", slow, False, LONG_AGO, "first", poll_interval=0.5)
        entries.append(of_trigger("sensor by task", search, TheEyeJobSensor(theeye_task_id=slow, **OPTIONS)))
        path, kwargs = TheEyeJobEventTrigger(theeye_task_id=slow, outcomes=["succeeded"], poll_interval=0.5).serialize()
        entries.append({"name": "asset watcher", "trigger": path, "kwargs": kwargs})
    DATA.mkdir(parents=True, exist_ok=True)
    (DATA / f"{__version__}.json").write_text(json.dumps(entries, indent=1) + "\n")


if __name__ == "__main__":
    main()
