"""Names that nothing has: what is said of them."""

from __future__ import annotations

import json
import re

import pytest

from airflow_provider_theeye.exceptions import TheEyeSettingsError
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.sandbox import Sandbox


def said(call: str, hook: TheEyeHook, name: str) -> str:
    with pytest.raises(TheEyeSettingsError) as caught:
        getattr(hook, call)(name=name)
    return str(caught.value)


@pytest.mark.usefixtures("connection")
def test_another_case(sandbox: Sandbox) -> None:
    hook = TheEyeHook()
    task, workflow = said("get_task", hook, "hello world"), said("get_workflow", hook, "CHAIN ")
    known = "organization 'demo' has no task with the name 'hello world' that this token may see"
    assert f"{known}. Similar names: 'Hello World' ({sandbox.task_id('hello')})" in task
    assert "Correct the name, or give the id (theeye_task_id)" in task
    assert "has no workflow with the name 'CHAIN ' that this token may see. Similar names: 'Chain' (" in workflow
    assert sandbox.workflow_id("chain") in workflow
    assert "(theeye_workflow_id)" in workflow


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("call", ["get_task", "get_workflow"])
def test_nothing_like_it(call: str) -> None:
    text = said(call, TheEyeHook(), "xqzy" * 5)
    assert re.search(r"that this token may see, and none with a similar one\. It lists \d+ with other names$", text)
    assert "Candidates" not in text


@pytest.mark.usefixtures("connection")
def test_the_list_of_all_is_not_needed(journal: Sandbox) -> None:
    journal.set_faults([{"method": "GET", "path": "/demo/task", "do": "status", "status": 403, "skip": 1}])
    text = said("get_task", TheEyeHook(), "hello world")
    assert text.startswith("organization 'demo' has no task with the name 'hello world' that this token may see")


@pytest.mark.parametrize("call", ["get_task", "get_workflow"])
def test_an_agents_token(call: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """TheEye shows it empty lists, and takes its question for jobs for one for work."""
    monkeypatch.setenv("AIRFLOW_CONN_THEEYE_DEFAULT", json.dumps(sandbox.airflow_connection("agent:host-a")))
    hook = TheEyeHook()
    worked, problem = hook.test_connection()
    for text in (problem, said(call, hook, "Hello World")):
        assert "the token is that of a host's agent" in text
        assert "Put an integration token into the password field" in text
    assert not worked
