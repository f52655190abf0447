"""``@task.theeye``: the function returns the arguments."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_theeye.decorators.theeye import theeye_task
from airflow_provider_theeye.exceptions import TheEyeSettingsError
from airflow_provider_theeye.jobs.waiting import End
from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.triggers.theeye import JobEvent
from tests.running import FakeStore, FakeTaskInstance, context

pytestmark = pytest.mark.usefixtures("connection")


def operator(function: Any, *args: Any, **kwargs: Any) -> Any:
    with DAG("decorated", schedule=None):
        return theeye_task(function, poll_interval=0.3, **kwargs)(*args).operator


def test_function_returns_the_arguments(sandbox: Sandbox) -> None:
    def arguments(greeting: str, ti: Any) -> list[str]:
        return [f"{greeting} in try {ti.try_number}"]

    made = operator(arguments, "you", theeye_task_name="Greet")
    value = made.execute({**context()})
    assert value["output"] == ["Hello, you in try 1!"]


def test_function_is_called_once_in_each_try(journal: Sandbox) -> None:
    """What it returns tells whether a job of an earlier try is that of the same order."""
    calls: list[int] = []

    def arguments() -> list[str]:
        calls.append(1)
        return ["same" if len(calls) < 3 else "other"]

    store = FakeStore()
    first, again, other = (
        operator(arguments, theeye_task_name="Greet").execute(context(FakeTaskInstance(number, 3), store))
        for number in (1, 2, 3)
    )
    assert again["job_id"] == first["job_id"]
    assert other["output"] == ["Hello, other!"]
    assert calls == [1, 1, 1]


def test_a_job_in_place_of_one_that_is_gone_gets_the_functions_arguments(sandbox: Sandbox) -> None:
    def arguments(ti: Any) -> list[str]:
        return [f"try {ti.try_number}"]

    made = operator(arguments, theeye_task_name="Greet", on_missing="resubmit")
    event = JobEvent("0" * 24, End.GONE).to_json()
    assert made.execute_complete({**context()}, event)["output"] == ["Hello, try 1!"]


def test_what_is_no_list_is_refused(sandbox: Sandbox) -> None:
    def text() -> str:
        return "no list"

    with pytest.raises(TheEyeSettingsError, match="task_arguments must be a list"):
        operator(text, theeye_task_name="Greet").execute(context())
    with pytest.raises(TypeError, match="the function returns the arguments"):
        operator(text, theeye_task_name="Greet", task_arguments=["x"])
