"""What is sent again, how often, and after how long; counted by the server."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest

from airflow_provider_theeye.api import aio, calls, exchange
from airflow_provider_theeye.api import client as api_client
from airflow_provider_theeye.api.errors import (
    InvalidRequest,
    NoAnswer,
    RateLimited,
    TheEyeError,
    Unavailable,
    UnexpectedReply,
)
from airflow_provider_theeye.sandbox import Sandbox
from tests.api.servers import RawServer, read_request, reply

pytestmark = pytest.mark.usefixtures("_short_waits")

REAL_WAITS = exchange._Wait._growing
MISSING = "0123456789abcdef01234567"


@pytest.mark.parametrize(
    "trouble",
    [
        {"do": "status", "status": 500},
        {"do": "status", "status": 503, "body": "busy"},
        {"do": "status", "status": 429, "body": "slow down"},
        {"do": "close"},
        {"do": "close", "when": "after"},
        {"do": "half_body"},
        {"do": "html", "status": 200},
        {"do": "html", "status": 404},
    ],
    ids=lambda trouble: "-".join(map(str, trouble.values())),
)
def test_what_may_be_repeated_is(client: Any, journal: Sandbox, trouble: dict[str, Any]) -> None:
    journal.set_faults([trouble | {"times": 3}])
    assert client.run(calls.get_task(journal.task_id("hello"))).name == "Hello World"
    assert journal.journal()["requests"] == {"GET /{customer}/task/{id}": 4}


def test_a_held_creation_may_be_repeated(client: Any, journal: Sandbox) -> None:
    journal.set_faults([{"method": "POST", "do": "close", "when": "after", "times": 2}])
    job = client.run(calls.create_job(journal.task_id("hello"), [], held=True))
    counts = journal.journal()
    assert counts["requests"] == {"POST /job": 3}
    assert counts["totals"]["created"] == 3
    assert counts["totals"]["started"] == 0
    assert job.id in counts["jobs"]


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        ({"do": "status", "status": 500}, Unavailable),
        ({"do": "status", "status": 503}, Unavailable),
        ({"do": "close", "when": "before"}, NoAnswer),
        ({"do": "close", "when": "after"}, NoAnswer),
        ({"do": "html", "status": 200, "when": "after"}, UnexpectedReply),
        ({"do": "hang"}, NoAnswer),
    ],
    ids=lambda trouble: "-".join(map(str, trouble.values())) if isinstance(trouble, dict) else "",
)
def test_what_may_not_be_repeated_is_not_after_trouble_that_leaves_doubt(
    client: Any, journal: Sandbox, trouble: dict[str, Any], kind: type[TheEyeError]
) -> None:
    approval = client.run(calls.create_job(journal.task_id("approve"), [])).id
    journal.reset_journal()
    hello, secret = journal.task_id("hello"), journal.task_secret("hello")
    chain = journal.workflow_id("chain")
    for call in (
        calls.create_job(hello, []),
        calls.create_job_by_secret(hello, secret, []),
        calls.create_job_by_secret_alone(hello, secret, []),
        calls.create_workflow_job(chain, ["x"]),
        calls.create_workflow_job_by_secret(chain, journal.workflow_secret("chain"), ["x"]),
        calls.submit_input(approval, []),
        calls.approve(approval),
        calls.reject(approval),
    ):
        journal.set_faults([trouble])
        with pytest.raises(kind):
            client.run(call, timeout=0.2 if trouble["do"] == "hang" else None)
        assert journal.faults()[0]["fired"] == 1
    assert journal.journal()["totals"]["requests"] == 8


def test_half_an_answer_to_a_creation_is_no_reason_to_create_again(client: Any, journal: Sandbox) -> None:
    hello = journal.task_id("hello")
    journal.set_faults([{"method": "POST", "do": "half_body"}])
    with pytest.raises((NoAnswer, UnexpectedReply)):
        client.run(calls.create_job(hello, []))
    # Workflows of the tests before may still be creating their steps' jobs.
    assert sum(job["created"] for job in journal.journal()["jobs"].values() if job.get("task_id") == hello) == 1


def test_after_429_everything_is_repeated(client: Any, journal: Sandbox) -> None:
    journal.set_faults([{"method": "POST", "do": "status", "status": 429, "times": 2}])
    client.run(calls.create_job(journal.task_id("hello"), []))
    counts = journal.journal()
    assert counts["requests"] == {"POST /job": 3}
    assert counts["totals"]["created"] == 1


def test_after_a_connection_that_was_never_made_everything_is_repeated(connect: Any, settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    made = b'{"id": "%s", "lifecycle": "ready"}' % MISSING.encode()
    requests: list[bytes] = []

    def come_up_late() -> None:
        time.sleep(0.3)
        with socket.create_server(("127.0.0.1", port)) as late:
            late.settimeout(5)
            connection, _ = late.accept()
            with connection:
                requests.append(connection.recv(65536))
                connection.sendall(reply("200 OK", made))

    thread = threading.Thread(target=come_up_late)
    thread.start()
    driver = connect(settings(url=f"http://127.0.0.1:{port}"))
    job = driver.run(calls.create_job(MISSING, []), attempts=200)
    thread.join()
    assert job.id == MISSING
    assert len(requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409])
def test_a_refusal_is_not_asked_for_again(client: Any, journal: Sandbox, status: int) -> None:
    journal.set_faults([{"do": "status", "status": status, "body": "no"}])
    with pytest.raises(TheEyeError):
        client.run(calls.get_job(MISSING))
    assert journal.journal()["totals"]["requests"] == 1


def test_attempts_are_limited(client: Any, journal: Sandbox) -> None:
    journal.set_faults([{"do": "status", "status": 500}])
    for options, sent in (({}, exchange.ATTEMPTS), ({"attempts": 2}, 2), ({"attempts": 1}, 1)):
        journal.reset_journal()
        with pytest.raises(Unavailable):
            client.run(calls.get_job(MISSING), **options)
        assert journal.journal()["totals"]["requests"] == sent


def test_retry_after_is_honoured(client: Any, journal: Sandbox) -> None:
    rule = {"do": "status", "status": 503, "body": "busy", "headers": {"Retry-After": "0.7"}, "times": 1}
    journal.set_faults([rule])
    begin = time.monotonic()
    client.run(calls.get_task(journal.task_id("hello")))
    assert 0.7 <= time.monotonic() - begin < 2


@pytest.mark.parametrize("asked", ["86400", "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_retry_after_has_a_limit(client: Any, journal: Sandbox, monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    monkeypatch.setattr(exchange, "LONGEST_WAIT", 0.2)
    journal.set_faults([{"do": "status", "status": 429, "headers": {"Retry-After": asked}, "times": 1}])
    begin = time.monotonic()
    client.run(calls.get_task(journal.task_id("hello")))
    assert 0.2 <= time.monotonic() - begin < 2
    journal.set_faults([{"do": "status", "status": 429, "headers": {"Retry-After": asked}}])
    with pytest.raises(RateLimited) as caught:
        client.run(calls.get_job(MISSING), attempts=1)
    assert (caught.value.retry_after or 0) > 80000


def test_waits_grow_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real numbers, without waiting for them."""

    class State:
        outcome = None
        attempt_number = 1

    wait = exchange._Wait()
    monkeypatch.setattr(exchange._Wait, "_growing", REAL_WAITS)
    for attempt in range(1, 30):
        State.attempt_number = attempt
        assert 0 <= wait(State()) <= min(0.5 * 2**attempt, 15)  # type: ignore[arg-type]


def test_a_connection_that_the_server_closed_meanwhile_is_nothing_to_notice(client: Any, journal: Sandbox) -> None:
    """TheEye closes a connection after 5 s without a request; the next POST must not fall into that hole."""
    client.run(calls.list_tasks(limit=1))
    call = calls.create_job(journal.task_id("hello"), [])
    assert not call.repeatable
    client.idle(5.6)
    assert client.run(call, attempts=1).lifecycle == "ready"
    assert journal.journal()["requests"]["POST /job"] == 1


def test_a_connection_that_was_idle_for_long_is_not_trusted_even_if_it_looks_open(
    connect: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server may be about to close it: it would take the request and never answer."""
    for module in (api_client, aio):
        monkeypatch.setattr(module, "IDLE_SECONDS", 0.3)
    made = b'{"id": "%s", "lifecycle": "ready"}' % MISSING.encode()
    kept = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(made), made)

    def one_more_at_most(connection: socket.socket, request: bytes) -> None:
        connection.settimeout(0.8)
        connection.sendall(kept)
        if read_request(connection):
            connection.sendall(kept)
            read_request(connection)

    with RawServer(one_more_at_most) as server:
        driver = connect(settings(url=server.url))
        driver.run(calls.create_job(MISSING, []), attempts=1)
        driver.run(calls.create_job(MISSING, []), attempts=1)
        assert server.connections == 1
        driver.idle(0.5)
        driver.run(calls.create_job(MISSING, []), attempts=1)
        assert server.connections == 2


def test_nor_is_one_that_a_proxy_closes_after_each_answer(connect: Any, settings: Any) -> None:
    made = b'{"id": "%s", "lifecycle": "ready"}' % MISSING.encode()
    kept = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(made), made)
    with RawServer(kept) as server:
        driver = connect(settings(url=server.url))
        for _ in range(3):
            driver.run(calls.create_job(MISSING, []), attempts=1)
            driver.idle(0.1)
        assert len(server.requests) == 3


def test_too_many_arguments_to_search_for_are_a_clear_error(client: Any, journal: Sandbox) -> None:
    for size in (20_000, 100_000):
        with pytest.raises(InvalidRequest):
            client.run(calls.find_jobs(task_id=MISSING, arguments=["x" * size]), attempts=1)
