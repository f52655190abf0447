"""Whatever a server sends: a value of the declared type or a TheEyeError, nothing else."""

from __future__ import annotations

import dataclasses
import json
import pickle
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from airflow_provider_theeye.api import calls, exchange
from airflow_provider_theeye.api.call import Call
from airflow_provider_theeye.api.errors import TheEyeError, UnexpectedReply
from airflow_provider_theeye.api.models import (
    Edge,
    Job,
    JobResult,
    Task,
    TaskArgument,
    Workflow,
    parse_jobs,
    parse_tasks,
    parse_workflows,
)
from airflow_provider_theeye.api.settings import ServerSettings, base_url

#: How long an example takes says nothing on a machine that others use too.
CALM = hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
ID = "5cdc367240f0bb000f8e9653"
SETTINGS = ServerSettings("http://127.0.0.1:1", "demo", token="the-token", secrets={ID: "the-secret"})

#: Field names, so that anything at all stands where a parser looks.
KNOWN = """
    id _id _type type name lifecycle state trigger_name task_id task workflow_id workflow workflow_job_id
    host host_id hostname origin customer_name creation_date last_update user_id user email username
    approvers output result secret task_arguments_values task_arguments timeout order label value required
    code log lastline signal killed version graph edges v w start_task_id multitasking user_inputs
    arguments_type message errors statusCode stack
""".split()  # noqa: SIM905

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**400), 0, 1])
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.sampled_from([ID, "finished", "success", "normal", "2019-05-15T16:23:56.393Z", "2019-05-15", "9999-12-31"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6) | st.sampled_from(KNOWN), inner, max_size=6)
    ),
    max_leaves=20,
)


def documents() -> st.SearchStrategy[dict[str, Any]]:
    """Objects that have an id and, often, fields of the right names with anything in them."""
    fields = st.dictionaries(st.sampled_from(KNOWN), JSON, max_size=12)
    return fields.map(lambda row: {**row, "id": ID})


def is_a(value: object, *kinds: type | None) -> bool:
    """Exactly of one of these types: a bool is no int here."""
    return any(value is None if kind is None else type(value) is kind for kind in kinds)


def check_job(job: Job) -> None:
    assert all(is_a(getattr(job, name), str) for name in ("id", "kind", "name", "lifecycle", "state"))
    for name in (
        "trigger_name",
        "task_id",
        "workflow_id",
        "workflow_job_id",
        "host_id",
        "hostname",
        "origin",
        "organization",
    ):
        assert is_a(getattr(job, name), str, None)
    for name in ("created", "updated", "user_id", "secret"):
        assert is_a(getattr(job, name), str, None)
    assert is_a(job.approvers, tuple)
    assert all(is_a(who, str) for who in job.approvers)
    assert is_a(job.arguments, tuple)
    assert is_a(job.result, JobResult, None)
    assert is_a(job.seconds, float, None)
    assert {type(job.is_over), type(job.is_held), type(job.is_workflow)} == {bool}
    if job.result is not None:
        check_result(job.result)
    assert repr(job)


def check_result(result: JobResult) -> None:
    assert is_a(result.code, int, None)
    assert is_a(result.log, str)
    assert is_a(result.lastline, str)
    assert is_a(result.signal, str, None)
    assert is_a(result.user, str, None)
    assert is_a(result.killed, bool)
    assert is_a(result.has_log, bool)


def check_task(task: Task) -> None:
    assert all(is_a(getattr(task, name), str) for name in ("id", "kind", "name", "arguments_type"))
    assert all(is_a(getattr(task, name), str, None) for name in ("hostname", "host_id", "workflow_id"))
    assert is_a(task.timeout, float, None)
    assert task.timeout is None or 0 < task.timeout < float("inf")
    assert {type(task.multitasking), type(task.user_inputs), type(task.can_be_held)} == {bool}
    for argument in task.arguments:
        assert is_a(argument, TaskArgument)
        assert is_a(argument.order, int)
        assert is_a(argument.label, str)
        assert is_a(argument.kind, str)
        assert is_a(argument.required, bool)
    orders = [argument.order for argument in task.arguments]
    assert orders == sorted(orders)


def check_workflow(workflow: Workflow) -> None:
    assert is_a(workflow.id, str)
    assert is_a(workflow.name, str)
    assert is_a(workflow.version, int, None)
    assert is_a(workflow.multitasking, bool)
    assert is_a(workflow.start_task_id, str, None)
    for edge in workflow.edges:
        assert is_a(edge, Edge)
        assert all(is_a(part, str) and part for part in dataclasses.astuple(edge))


PARSERS: list[tuple[Callable[[Any], Any], Callable[[Any], None]]] = [
    (Job.parse, check_job),
    (Task.parse, check_task),
    (Workflow.parse, check_workflow),
]
LISTS = [(parse_jobs, check_job), (parse_tasks, check_task), (parse_workflows, check_workflow)]


@pytest.mark.parametrize(("parse", "check"), PARSERS, ids=["job", "task", "workflow"])
@CALM
@given(data=documents() | JSON)
@example(data={"id": ID, "timeout": 10**400})
@example(data={"id": ID, "creation_date": "2019-05-15", "last_update": "2019-05-15T16:23:56.393Z"})
@example(data={"id": ID, "creation_date": "0001-01-01T00:00:00+23:59", "last_update": "9999-12-31T23:59:59-23:59"})
def test_documents(parse: Any, check: Any, data: Any) -> None:
    try:
        parsed = parse(data)
    except UnexpectedReply:
        assert not (isinstance(data, dict) and data.get("id") == ID)
    else:
        check(parsed)


@pytest.mark.parametrize(("parse", "check"), LISTS, ids=["jobs", "tasks", "workflows"])
@CALM
@given(data=st.lists(documents(), max_size=3) | st.lists(JSON, max_size=2) | JSON)
def test_lists(parse: Any, check: Any, data: Any) -> None:
    try:
        rows = parse(data)
    except UnexpectedReply:
        return
    assert len(rows) == len(data)
    for row in rows:
        check(row)


@CALM
@given(data=st.dictionaries(st.sampled_from(KNOWN), JSON))
def test_results(data: dict[str, Any]) -> None:
    check_result(JobResult.parse(data))


def bodies() -> st.SearchStrategy[bytes]:
    texts = (documents() | JSON).map(json.dumps)
    encoded = st.tuples(texts, st.sampled_from(["utf-8", "utf-16", "utf-32", "latin-1"])).map(
        lambda pair: pair[0].encode(pair[1], errors="replace")
    )
    deep = st.sampled_from([b"[" * 100_000, b'{"a":' * 5000, b"[" * 900 + b"]" * 900, b"9" * 5000, b"1e999", b"NaN"])
    nested_errors = st.integers(500, 1100).map(lambda n: b'{"errors":' + b"[" * n + b"1" + b"]" * n + b"}")
    return st.binary() | encoded | deep | nested_errors


HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "retry-after", "location", "content-length"]),
    st.text(st.characters(max_codepoint=255))
    | st.sampled_from(
        ["http://[bad", "//[::1", "Mon, 01 Jan 2024 00:00:00 +99999999999999", "nan", "1e400", "-1", "0"]
    ),
)
CALLS: list[Call[Any]] = [
    calls.get_job(ID),
    calls.get_jobs([ID]),
    calls.get_task(ID),
    calls.list_tasks(),
    calls.get_workflow(ID),
    calls.list_workflows(),
    calls.cancel_job(ID),
    calls.get_steps(ID, ID),
    calls.await_result_by_secret(ID, "s" * 64),
    calls.create_job_by_secret(ID, "s" * 64, []),
]


def outcome(call: Call[Any], reply: exchange.Reply) -> tuple[Any, TheEyeError | None]:
    try:
        return exchange.read(call, reply, SETTINGS), None
    except TheEyeError as error:
        return None, error


@CALM
@given(
    call=st.sampled_from(CALLS),
    status=st.sampled_from([200, 204, 303, 400, 401, 403, 404, 405, 408, 409, 429, 500, 503]) | st.integers(100, 999),
    headers=HEADERS,
    content=bodies(),
)
@example(call=CALLS[0], status=302, headers={"location": "http://[bad"}, content=b"")
@example(call=CALLS[0], status=503, headers={"retry-after": "Mon, 01 Jan 2024 00:00:00 +99999999999999"}, content=b"")
@example(call=CALLS[0], status=404, headers={}, content=b'"half \\ud800 a character"')
def test_answers(call: Call[Any], status: int, headers: dict[str, str], content: bytes) -> None:
    value, error = outcome(call, exchange.Reply(status, headers, content))
    if error is not None:
        assert error.status == status
        assert error.request == call.shown("demo")
        str(error).encode()
        assert error.retry_after is None or 0 <= error.retry_after < float("inf")
        assert len(error.message) <= 600
        assert str(pickle.loads(pickle.dumps(error))) == str(error)
    else:
        assert 200 <= status < 300 or status in call.judged_by_body
        checks: dict[type, Callable[[Any], None]] = {Job: check_job, Task: check_task, Workflow: check_workflow}
        for row in value if isinstance(value, list) else [value]:
            assert row is None or isinstance(row, str) or checks[type(row)](row) is None


@CALM
@given(
    secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8),
    around=st.text(max_size=400),
    where=st.sampled_from(["text", "message", "errors"]),
)
def test_no_message_holds_a_secret_that_the_server_says_back(secret: str, around: str, where: str) -> None:
    said = f"{around}{secret}{around}"
    body: Any = said if where == "text" else {"statusCode": 400, where: said}
    settings = ServerSettings("http://x", "demo", token=secret)
    call = calls.get_job(ID)
    with pytest.raises(TheEyeError) as caught:
        exchange.read(call, exchange.Reply(400, {}, json.dumps(body).encode()), settings)
    if secret not in around and secret not in "***" and json.dumps(secret) == f'"{secret}"':
        assert secret not in caught.value.message


@CALM
@given(
    host=st.text() | st.from_regex(r"(https?://)?[a-z0-9.:\[\]@-]{0,20}(:\d{0,6})?(/[a-z]*)?"),
    port=st.none() | st.integers(-1, 70000),
)
@example(host="https://[::1", port=None)
@example(host="host:port", port=None)
@example(host="a..b", port=1)
@example(host=" ", port=None)
def test_addresses(host: str, port: int | None) -> None:
    try:
        url = base_url(host, port)
    except ValueError:
        return
    parts = urlsplit(url)
    assert parts.scheme in ("http", "https")
    assert parts.hostname
    assert parts.hostname.isascii()
    assert parts.port is None or 0 < parts.port < 65536
    assert not any((parts.username, parts.password, parts.query, parts.fragment, url.endswith("/")))
    assert base_url(url) == url
