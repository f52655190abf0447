"""Errors by kind, out of all shapes in which TheEye and what stands before it say no."""

from __future__ import annotations

import email.utils
import json
import pickle
import re
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from tenacity import wait_random_exponential

from airflow_provider_theeye.api import calls, errors, exchange
from airflow_provider_theeye.api.call import Call
from airflow_provider_theeye.api.errors import (
    AgentsToken,
    AuthenticationFailed,
    Conflict,
    Forbidden,
    ForeignJob,
    InvalidRequest,
    NoAnswer,
    NotFound,
    Page,
    RateLimited,
    RouteNotFound,
    Silence,
    TheEyeError,
    Unavailable,
    UnexpectedReply,
    WrongOrganization,
)
from airflow_provider_theeye.api.settings import ServerSettings
from airflow_provider_theeye.sandbox import Sandbox
from tests.api.servers import RawServer, reply

MISSING = "0123456789abcdef01234567"
HTML = b"<html><head><title>404 Not Found</title></head><body>nginx</body></html>"

Settings = Callable[..., ServerSettings]


def error_of(driver: Any, call: Call[Any], **options: Any) -> TheEyeError:
    with pytest.raises(TheEyeError) as caught:
        driver.run(call, **{"attempts": 1} | options)
    return caught.value


# --- TheEye's own -------------------------------------------------------------------------------------------------


def test_a_token_that_theeye_does_not_know(connect: Any, settings: Settings) -> None:
    error = error_of(connect(settings(token="of-nobody")), calls.get_job(MISSING))
    assert type(error) is AuthenticationFailed
    assert (error.status, error.message, error.request) == (401, "authentication failed", f"GET /demo/job/{MISSING}")
    assert "of-nobody" not in str(error)
    assert "integration token" in str(error)


@pytest.mark.parametrize("token", [None, "", "line\nbreak", "snow☃man", "two words"])
def test_a_token_that_cannot_be_sent_is_not(connect: Any, settings: Settings, journal: Sandbox, token: Any) -> None:
    error = error_of(connect(settings(token=token)), calls.get_job(MISSING))
    assert type(error) is AuthenticationFailed
    assert error.status is None
    assert not token or token not in str(error)
    assert not token or token.encode("unicode_escape").decode() not in str(error)
    assert journal.journal()["totals"]["requests"] == 0


def test_a_role_that_is_too_low(connect: Any, settings: Settings, sandbox: Sandbox) -> None:
    error = error_of(connect(settings("viewer")), calls.create_job(sandbox.task_id("hello"), []))
    assert (type(error), error.status, error.message, error.request) == (Forbidden, 403, "forbidden", "POST /job")


@pytest.mark.parametrize(("organization", "status"), [("other", 409), ("nobody at all/..", 404)])
def test_the_wrong_organization(connect: Any, settings: Settings, organization: str, status: int) -> None:
    driver = connect(settings(organization=organization))
    for call in (calls.get_job(MISSING), calls.get_jobs([MISSING]), calls.release_job(MISSING)):
        error = error_of(driver, call)
        assert (type(error), error.status) == (WrongOrganization, status)
        assert "schema field" in str(error)
    assert "Error: " not in error.message


def test_a_job_of_another_organization_is_refused(connect: Any, settings: Settings, sandbox: Sandbox) -> None:
    """TheEye serves it to everybody who knows its id."""
    theirs = connect(settings("other-integration", organization="other"))
    job = theirs.run(calls.create_job(sandbox.task_id("foreign"), []))
    assert theirs.run(calls.get_job(job.id)).organization == "other"
    error = error_of(connect(settings()), calls.get_job(job.id))
    assert (type(error), job.id in str(error), "'other'" in str(error)) == (ForeignJob, True, True)


def test_what_is_not_there(client: Any) -> None:
    older = error_of(client, calls.get_job(MISSING))
    assert (type(older), older.status, older.message) == (NotFound, 404, "job not found")
    newer = error_of(client, calls.get_task(MISSING))
    assert (type(newer), newer.status, newer.message) == (NotFound, 404, "task not found")


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/no/such/route/at/all", 404), ("GET", "/job", 405)])
def test_a_route_that_this_server_does_not_have(client: Any, method: str, path: str, status: int) -> None:
    error = error_of(client, Call(method, path, lambda data: data))
    assert (type(error), error.status, error.request) == (RouteNotFound, status, f"{method} {path}")


def test_what_can_never_succeed(client: Any, sandbox: Sandbox) -> None:
    error = error_of(client, calls.create_job(sandbox.task_id("echo"), ["one"]))
    assert (type(error), error.status) == (InvalidRequest, 400)
    assert error.message.startswith("Invalid Task Arguments. An array of length 2 is required")


@pytest.mark.parametrize("arguments", [[float("nan")], [object()], [{1, 2}]])
def test_arguments_that_are_no_json_are_not_sent(client: Any, journal: Sandbox, arguments: Any) -> None:
    error = error_of(client, calls.create_job(journal.task_id("echo"), arguments))
    assert (type(error), error.status) == (InvalidRequest, None)
    assert journal.journal()["totals"]["requests"] == 0


def test_a_decision_that_was_made_before(client: Any, sandbox: Sandbox) -> None:
    job = client.run(calls.create_job(sandbox.task_id("approve"), []))
    client.run(calls.approve(job.id))
    error = error_of(client, calls.reject(job.id))
    assert (type(error), error.status, error.message) == (Conflict, 409, "approval request no longer available")


SHAPES = [
    (401, "Unauthorized", AuthenticationFailed, "Unauthorized"),
    (403, "organization is required", Forbidden, "organization is required"),
    (404, {"statusCode": 404, "message": "task not found"}, NotFound, "task not found"),
    (400, {"statusCode": 400, "message": "bad", "errors": [{"x": 1}]}, InvalidRequest, 'bad [{"x": 1}]'),
    (404, {"code": "ResourceNotFound", "message": "/x does not exist"}, RouteNotFound, "/x does not exist"),
    (405, {"code": "MethodNotAllowed", "message": "GET is not allowed"}, RouteNotFound, "GET is not allowed"),
    (406, {"code": "NotAcceptable", "message": "no"}, InvalidRequest, "no"),
    (409, {"stack": "Error: x\n  at y", "message": "Incorrect Organizations."}, WrongOrganization, None),
    (500, {"code": "Internal", "message": "Error: connect ECONNREFUSED"}, Unavailable, "Error: connect ECONNREFUSED"),
    (500, "Internal Server Error", Unavailable, "Internal Server Error"),
    (503, ["odd"], Unavailable, ""),
    (404, {"message": "no Route matched with those values"}, UnexpectedReply, "no Route matched with those values"),
    (400, {"message": {"deep": 1}, "errors": "text"}, InvalidRequest, '"text"'),
    (404, "half \ud800 a character", NotFound, "half ? a character"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "kind", "message"), SHAPES)
def test_shapes_of_error_body(
    client: Any, journal: Sandbox, status: int, body: Any, kind: type[TheEyeError], message: str | None
) -> None:
    journal.set_faults([{"path": "/demo/job/*", "do": "status", "status": status, "body": body}])
    error = error_of(client, calls.get_job(MISSING))
    assert (type(error), error.status, error.request) == (kind, status, f"GET /demo/job/{MISSING}")
    assert error.message == (body["message"] if message is None else message)
    assert "at y" not in str(error)
    assert error.transient is issubclass(kind, RateLimited | Unavailable | UnexpectedReply)


@pytest.mark.parametrize(
    ("status", "kind"),
    [("431 X", InvalidRequest), ("500 X", Unavailable), ("404 X", UnexpectedReply), ("403 X", Forbidden)],
)
def test_an_error_without_a_body(connect: Any, settings: Settings, status: str, kind: type[TheEyeError]) -> None:
    with RawServer(reply(status)) as server:
        error = error_of(connect(settings(url=server.url)), calls.get_job(MISSING))
    assert (type(error), error.status, error.message) == (kind, int(status[:3]), "")


@pytest.mark.parametrize(
    ("value", "wanted"),
    [("7", 7), ("1.5", 1.5), (None, None), ("-3", 0), ("soon", None), ("inf", None), ("Mon, 99 Foo 2026", None)],
)
def test_rate_limits(client: Any, journal: Sandbox, value: str | None, wanted: float | None) -> None:
    headers = {} if value is None else {"Retry-After": value}
    journal.set_faults([{"do": "status", "status": 429, "body": "slow down", "headers": headers}])
    error = error_of(client, calls.get_job(MISSING))
    assert (type(error), error.status, error.message) == (RateLimited, 429, "slow down")
    assert error.retry_after == wanted


def test_retry_after_as_a_date(client: Any, journal: Sandbox) -> None:
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    journal.set_faults([{"do": "status", "status": 503, "body": "busy", "headers": {"Retry-After": date}}])
    error = error_of(client, calls.get_job(MISSING))
    assert type(error) is Unavailable
    assert error.retry_after is not None
    assert 27 <= error.retry_after <= 32  # the server's Date may be a second old


@pytest.mark.parametrize("hours", [-1, 0, 1, 24 * 365])
def test_retry_after_as_a_date_counts_by_the_clock_of_who_answers(connect: Any, settings: Any, hours: int) -> None:
    there = time.time() + hours * 3600
    answered, then = (email.utils.formatdate(moment, usegmt=True) for moment in (there, there + 20))
    with RawServer(reply("503 X", b'"busy"', Date=answered, Retry_After=then)) as server:
        assert error_of(connect(settings(url=server.url)), calls.get_job(MISSING)).retry_after == 20


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 99 Dec 2100 23:59:59 GMT"])
def test_and_by_ours_if_the_answer_has_no_date(connect: Any, settings: Any, date: str) -> None:
    then = email.utils.formatdate(time.time() + 30, usegmt=True)
    with RawServer(reply("503 X", b'"busy"', Date=date, Retry_After=then)) as server:
        error = error_of(connect(settings(url=server.url)), calls.get_job(MISSING))
    assert 0 < (error.retry_after or 0) <= 30


# --- no answer ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_connection_that_breaks_off(client: Any, journal: Sandbox, when: str) -> None:
    journal.set_faults([{"method": "POST", "do": "close", "when": when}])
    error = error_of(client, calls.create_job(journal.task_id("hello"), [], held=True))
    assert isinstance(error, NoAnswer)
    assert (error.sent, error.status, error.request) == (True, None, "POST /job")
    assert journal.journal()["totals"]["created"] == (when == "after")


def test_a_server_that_never_answers(client: Any, journal: Sandbox) -> None:
    journal.set_faults([{"do": "hang"}])
    begin = time.monotonic()
    error = error_of(client, calls.get_job(MISSING), timeout=0.3)
    assert 0.25 < time.monotonic() - begin < 2
    assert isinstance(error, NoAnswer)
    assert error.sent


def test_a_job_that_theeye_never_shows_does_not_hold_anybody_for_ever(
    connect: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "SILENCE_SECONDS", 0.3)
    asked = threading.Event()
    with RawServer(lambda connection, request: asked.wait(30)) as server:
        # The limits for a byte and for the whole answer are far apart, since a busy machine may miss both at once.
        error = error_of(connect(settings(url=server.url, read_timeout=5.0)), calls.get_job(MISSING))
        asked.set()
    assert type(error) is Silence
    assert "not a byte came within" in str(error)


def test_an_answer_that_stops_in_the_middle(client: Any, journal: Sandbox) -> None:
    journal.set_faults([{"do": "half_body"}])
    error = error_of(client, calls.get_task(journal.task_id("hello")))
    assert isinstance(error, NoAnswer | UnexpectedReply)
    assert error.transient


def test_nobody_listens(connect: Any, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = error_of(connect(settings(url=f"http://127.0.0.1:{port}")), calls.get_job(MISSING))
    assert isinstance(error, NoAnswer)
    assert not error.sent
    assert error.request == f"GET /demo/job/{MISSING}"


def test_a_name_that_nobody_knows(connect: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(host: object, *rest: object, **more: object) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = error_of(connect(settings(url="http://theeye.invalid")), calls.get_job(MISSING))
    assert isinstance(error, NoAnswer)
    assert not error.sent
    assert "Name or service not known" in str(error)


# --- answers that are not TheEye's --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [*((status, Page) for status in (200, 400, 401, 403, 404)), (502, Unavailable)],
)
def test_a_page_of_a_proxy(client: Any, journal: Sandbox, status: int, kind: type[TheEyeError]) -> None:
    journal.set_faults([{"do": "html", "status": status}])
    error = error_of(client, calls.get_job(MISSING))
    assert (type(error), error.status) == (kind, status)
    assert "no JSON (text/html" in error.message


@pytest.mark.parametrize("body", [[], {}, "word", 7, None, {"id": 5}, [{"id": None}]])
def test_json_of_another_shape(client: Any, journal: Sandbox, body: Any) -> None:
    journal.set_faults([{"do": "status", "status": 200, "body": body}])
    for call in (calls.get_job(MISSING), calls.get_task(MISSING), calls.get_workflow(MISSING)):
        assert type(error_of(client, call)) is UnexpectedReply
    if body not in ([], "word"):
        assert type(error_of(client, calls.list_tasks())) is UnexpectedReply


@pytest.mark.parametrize("target", ["{elsewhere}/x?access_token={token}", "/x?access_token={token}", "http://[bad", ""])
@pytest.mark.parametrize("status", ["303 See Other", "308 Permanent Redirect"])
def test_redirects_are_not_followed(connect: Any, settings: Settings, target: str, status: str) -> None:
    given = settings()
    with RawServer(reply("200 OK", b'"not here"')) as elsewhere:
        location = target.format(elsewhere=elsewhere.url, token=given.token)
        with RawServer(reply(status, b"{}", Location=location)) as server:
            error = error_of(connect(settings(url=server.url)), calls.cancel_job(MISSING))
            assert len(server.requests) == 1
        assert elsewhere.connections == 0
    assert isinstance(error, UnexpectedReply | NoAnswer)
    assert given.token is not None
    assert given.token not in f"{error!s} {error!r} {error.__dict__}"
    if target.startswith(("{", "/")):
        assert error.status == int(status[:3])
        assert "redirects are not followed" in error.message


@pytest.mark.parametrize("kind", errors.__all__)
def test_errors_travel_between_processes(kind: str) -> None:
    error = getattr(errors, kind)("what", request="GET /x", status=418, retry_after=2.5)
    if isinstance(error, NoAnswer):
        error.sent = False
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert copy.__dict__ == error.__dict__
    assert json.dumps(copy.__dict__)


# --- silence ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "SILENCE_SECONDS", 0.3)
    monkeypatch.setattr(exchange._Wait, "_growing", wait_random_exponential(multiplier=0.01, max=0.02))


@pytest.mark.usefixtures("_impatient")
def test_a_job_that_theeye_keeps_silent_about(connect: Any, settings: Settings, journal: Sandbox) -> None:
    """Its access list is empty, so nobody below admin may see it."""
    job_id = connect(settings()).run(calls.create_job(journal.task_id("hidden"), [])).id
    driver = connect(settings("user", read_timeout=1.2))
    journal.reset_journal()
    with pytest.raises(
        Silence, match=r"no answer.*not a byte came within 0\.3 s.*role.*below admin.*access list \(acl\)"
    ):
        driver.run(calls.get_job(job_id))
    assert journal.journal()["requests"] == {"GET /{customer}/job/{id}": 2}


@pytest.mark.usefixtures("_impatient")
def test_how_long_is_waited_for_a_byte(connect: Any, settings: Settings, journal: Sandbox) -> None:
    """The longer the longer a connection gives for a whole answer; and other calls are not given up so soon."""
    journal.set_faults([{"do": "delay", "seconds": 0.6}])
    task_id = journal.task_id("hello")
    impatient, patient = (connect(settings(read_timeout=seconds)) for seconds in (1.2, 60))
    assert impatient.run(calls.get_task(task_id), attempts=1).id == task_id
    job_id = patient.run(calls.create_job(task_id, [])).id
    assert patient.run(calls.get_job(job_id), attempts=1).id == job_id
    with pytest.raises(Silence):
        impatient.run(calls.get_job(job_id), attempts=1)


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
def test_silence_is_what_comes_before_the_first_byte(connect: Any, settings: Settings, sent: bytes) -> None:
    def stop_there(connection: socket.socket, request: bytes) -> None:
        connection.sendall(sent)
        connection.recv(1)

    with RawServer(stop_there) as server:
        error = error_of(connect(settings(url=server.url, read_timeout=1.2)), calls.get_job(MISSING))
    assert type(error) is (NoAnswer if sent else Silence)
    assert ("access list" in str(error)) is (not sent)


def test_silence_is_believed_after_half_a_minute() -> None:
    assert exchange.SILENT_ATTEMPTS * exchange.patience(calls.get_job(MISSING), 60.0) == 30
    assert exchange.patience(calls.get_job(MISSING), 10.0) == 9
    assert exchange.patience(calls.list_tasks(), 60.0) == 60


# --- what a person can do about it ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["200 OK", "401 X", "403 X", "404 X", "400 X"])
def test_a_page_may_be_a_gateways(connect: Any, settings: Settings, status: str) -> None:
    with RawServer(reply(status, HTML, Content_Type="text/html; charset=utf-8")) as server:
        error = error_of(connect(settings(url=server.url)), calls.list_tasks())
    assert type(error) is Page
    assert error.transient
    assert re.search(r"the answer is no JSON \(text/html.*gateway, its address must end in /apiv3", str(error))


@pytest.mark.parametrize("call", [calls.get_jobs([MISSING]), calls.ended_jobs(None, 5)], ids=["ids", "ended"])
def test_an_agents_token_is_recognized(connect: Any, settings: Settings, call: Call[Any]) -> None:
    error = error_of(connect(settings("agent:host-a")), call)
    assert type(error) is AgentsToken
    assert "(GET /demo/job). TheEye shows an agent no lists. Put an integration token" in str(error)


def test_the_same_words_about_something_else_are_no_agents(connect: Any, settings: Settings) -> None:
    with RawServer(reply("400 X", b'"host is required"')) as server:
        assert type(error_of(connect(settings(url=server.url)), calls.get_job(MISSING))) is InvalidRequest
