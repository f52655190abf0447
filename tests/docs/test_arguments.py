"""Every argument is described once, in its docstring, and the pages speak of no argument that does not exist."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_theeye.buttons import action_button
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.notifications.theeye import TheEyeNotifier
from airflow_provider_theeye.operators.base import TheEyeJobOperator
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator, TheEyeWorkflowOperator
from airflow_provider_theeye.retries import theeye_retry_policy
from airflow_provider_theeye.sensors.theeye import TheEyeJobSensor
from airflow_provider_theeye.triggers.events import TheEyeJobEventTrigger
from tests.docs.pages import PAGES, prose

PUBLIC: tuple[Callable[..., Any], ...] = (
    TheEyeJobOperator,
    TheEyeTaskOperator,
    TheEyeWorkflowOperator,
    TheEyeJobSensor,
    TheEyeHook,
    TheEyeNotifier,
    TheEyeJobEventTrigger,
    action_button,
    theeye_retry_policy,
)
#: Pages about other things that are written so: sandbox.md has columns and options of its own.
ELSEWHERE = {"sandbox.md"}
#: Arguments of Airflow itself that the pages speak of.
AIRFLOWS = {
    "do_xcom_push",
    "map_index_template",
    "mode",
    "render_template_as_native_obj",
    "retries",
    "retry_delay",
    "retry_policy",
    "soft_fail",
    "user_defined_macros",
}


def own_arguments(thing: Callable[..., Any]) -> set[str]:
    """Those in the signature, without ``self`` and what is handed on."""
    function = vars(thing)["__init__"] if inspect.isclass(thing) else thing
    inner = inspect.unwrap(function)
    parameters = list(inspect.signature(inner).parameters.values())
    return {one.name for one in parameters if one.kind is not one.VAR_KEYWORD and one.name != "self"}


def described(thing: Callable[..., Any]) -> list[str]:
    return re.findall(r":param (\w+):", inspect.getdoc(thing) or "")


@pytest.mark.parametrize("thing", PUBLIC, ids=lambda thing: thing.__name__)
def test_the_docstring_describes_each_argument_once(thing: Callable[..., Any]) -> None:
    told = described(thing)
    assert sorted(told) == sorted(own_arguments(thing))


def known() -> set[str]:
    return AIRFLOWS.union(*(own_arguments(thing) for thing in PUBLIC))


def unknown_arguments(text: str) -> list[str]:
    """Written as ``name=`` or ``name=value`` between backticks."""
    return [name for name in re.findall(r"`(\w+)=[^`\n]*`", text) if name not in known()]


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in ELSEWHERE], ids=lambda page: page.name)
def test_no_page_speaks_of_an_argument_that_does_not_exist(page: Path) -> None:
    assert unknown_arguments(prose(page)) == []


def test_one_that_does_not_exist_would_be_noticed() -> None:
    assert unknown_arguments("set `task_argument=[1]` and `retries=2`") == ["task_argument"]
