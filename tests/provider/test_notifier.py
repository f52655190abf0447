"""``TheEyeNotifier`` starts a job, waits for nothing, and never raises."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.notifications import theeye as notifications
from airflow_provider_theeye.notifications.theeye import TheEyeNotifier
from airflow_provider_theeye.sandbox import Sandbox
from tests.api.servers import RawServer, reply

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


# --- ten seconds in all -----------------------------------------------------------------------------------------------


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the real times."""
    monkeypatch.setattr(notifications, "PATIENCE", 1.0)
    monkeypatch.setattr(notifications, "_ANSWER_PATIENCE", 0.4)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """What was logged: by structlog from Airflow 3.2 on, by logging before."""
    return lambda: caplog.text + capsys.readouterr().out


def notify(notifier: TheEyeNotifier, how: str, then: Callable[[], None] = lambda: None) -> float:
    """Returns the seconds that it took. ``then`` is called before asyncio waits for its threads."""
    began = time.monotonic()

    async def on_the_loop() -> float:
        await notifier.async_notify(CONTEXT)
        seconds = time.monotonic() - began
        then()
        return seconds

    if how == "async":
        return asyncio.run(on_the_loop())
    notifier(CONTEXT)
    seconds = time.monotonic() - began
    then()
    return seconds


def trickle(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(100):
        connection.sendall(b" ")
        time.sleep(0.1)


def trickle_from_the_start(connection: socket.socket, request: bytes) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nX-Filler: " + b"x" * 20:
        connection.sendall(bytes([byte]))
        time.sleep(0.1)


def keep_silent(connection: socket.socket, request: bytes) -> None:
    connection.settimeout(15)
    connection.recv(1)


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize("answer", [keep_silent, trickle, trickle_from_the_start, reply("503 X", Retry_After="30")])
def test_a_server_that_takes_its_time_holds_nothing_up(
    answer: Any, how: str, monkeypatch: pytest.MonkeyPatch, said: Callable[[], str]
) -> None:
    with RawServer(answer) as server:
        connection = {"conn_type": "theeye", "host": server.url, "schema": "demo", "password": "t" * 20}
        monkeypatch.setenv("AIRFLOW_CONN_THEEYE_DEFAULT", json.dumps(connection))
        # Far more than the second that it has, for a busy machine.
        assert notify(TheEyeNotifier(theeye_task_id="f" * 24), how) < 5.0
        assert "not notified" in said()


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_connection_that_cannot_be_had_holds_nothing_up(
    how: str, journal: Sandbox, monkeypatch: pytest.MonkeyPatch, said: Callable[[], str]
) -> None:
    """Neither does it start anything when it comes after all."""
    found, ended = threading.Event(), threading.Event()
    real = TheEyeHook.get_connection
    monkeypatch.setattr(TheEyeHook, "get_connection", staticmethod(lambda conn_id: found.wait(30) and real(conn_id)))
    monkeypatch.setattr(TheEyeHook, "close", lambda hook: ended.set())
    try:
        assert notify(TheEyeNotifier(theeye_task_id=journal.task_id("hello")), how, found.set) < 5.0
    finally:
        found.set()
    assert "probably not notified: connection 'theeye_default' or its server took longer than 1 s" in said()
    assert ended.wait(20)
    assert started(journal, "Hello World") == []


def test_a_lost_answer_is_asked_for_again_in_that_time(journal: Sandbox) -> None:
    journal.set_faults([{"method": "GET", "do": "hang", "times": 1}])
    TheEyeNotifier(theeye_task_id=journal.task_id("hello"))(CONTEXT)
    assert started(journal, "Hello World") == [()]


def test_it_takes_ten_seconds_at_most() -> None:
    assert notifications.PATIENCE == 10
