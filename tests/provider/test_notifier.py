"""``TheEyeNotifier`` starts a job, waits for nothing, and never raises."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.notifications.theeye import TheEyeNotifier
from airflow_provider_theeye.sandbox import Sandbox

pytestmark = pytest.mark.usefixtures("connection")
#: Airflow 2 takes the environment of templates from there.
CONTEXT: Any = {"dag": DAG("notifies", schedule=None)}


def started(sandbox: Sandbox, name: str) -> list[tuple[Any, ...]]:
    jobs = sandbox.journal()["jobs"]
    hook = TheEyeHook()
    return [hook.get_job(job_id).arguments for job_id, row in jobs.items() if row["name"] == name]


def test_task_with_templated_arguments(journal: Sandbox) -> None:
    notifier = TheEyeNotifier(theeye_task_id=journal.task_id("echo"), task_arguments=["{{ what }}", 5])
    notifier({**CONTEXT, "what": "the load failed"})
    assert started(journal, "Echo") == [("the load failed", "5")]


def test_workflow(journal: Sandbox) -> None:
    TheEyeNotifier(theeye_workflow_id=journal.workflow_id("chain"), task_arguments=["n"])(CONTEXT)
    assert started(journal, "Chain") == [("n",)]


def test_on_the_triggerers_loop(journal: Sandbox) -> None:
    notifier = TheEyeNotifier(theeye_task_id=journal.task_id("hello"))
    asyncio.run(notifier.async_notify(CONTEXT))
    assert started(journal, "Hello World") == [()]


@pytest.mark.parametrize("fault", [{"do": "status", "status": 403}, {"do": "close"}, {"do": "html"}])
def test_trouble_goes_no_further(fault: dict[str, Any], journal: Sandbox) -> None:
    journal.set_faults([{"method": "POST", "path": "/job", **fault}])
    TheEyeNotifier(theeye_task_id=journal.task_id("hello"))(CONTEXT)
    TheEyeNotifier(theeye_task_id="f" * 24)(CONTEXT)
    assert started(journal, "Hello World") == []


def test_wrong_ids_are_noticed_when_the_dag_is_written() -> None:
    with pytest.raises(ValueError, match="either theeye_task_id or theeye_workflow_id"):
        TheEyeNotifier()
    with pytest.raises(ValueError, match="theeye_task_id must be an id"):
        TheEyeNotifier(theeye_task_id="x")


def test_text_is_no_list_of_arguments() -> None:
    with pytest.raises(ValueError, match="task_arguments must be a list"):
        TheEyeNotifier(theeye_task_id="f" * 24, task_arguments="the load failed")
