"""No token and no secret key in anything that could be read: log lines of all loggers at DEBUG, errors, reprs."""

from __future__ import annotations

import logging
import socket
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_theeye.api import calls, exchange, logs, webhooks
from airflow_provider_theeye.api.call import Call
from airflow_provider_theeye.api.errors import TheEyeError
from airflow_provider_theeye.api.settings import ServerSettings
from airflow_provider_theeye.sandbox import Sandbox
from tests.api.servers import RawServer, reply

pytestmark = pytest.mark.usefixtures("_short_waits")

MISSING = "0123456789abcdef01234567"


class Lines(logging.Handler):
    """Keeps everything that a handler could make of a record."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += [self.format(record), repr(vars(record))]


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What all loggers say from now on, with every level open, whatever Airflow has set."""
    handler = Lines()
    before = {}
    names = {"", "httpx", *logs._LOGGERS, *logging.root.manager.loggerDict}
    for logger in map(logging.getLogger, names):
        before[logger] = (logger.level, logger.disabled, logger.propagate)
        logger.setLevel(logging.DEBUG if logger.name == "root" else logging.NOTSET)
        logger.disabled, logger.propagate = False, True
    for name in ("httpx", "httpcore", "urllib3", "asyncio", "requests"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    disabled, logging.root.manager.disable = logging.root.manager.disable, 0
    logging.root.addHandler(handler)
    yield handler.lines
    logging.root.removeHandler(handler)
    logging.root.manager.disable = disabled
    for logger, (level, off, propagate) in before.items():
        logger.setLevel(level)
        logger.disabled, logger.propagate = off, propagate


class Watched:
    """Runs calls and remembers all that can be seen of them."""

    def __init__(self, driver: Any, settings: ServerSettings) -> None:
        self.driver = driver
        self.settings = settings
        self.seen = [repr(settings), str(settings), repr(driver.client), str(driver.client)]
        self.errors: list[TheEyeError] = []

    def run(self, call: Call[Any], **options: Any) -> Any:
        self.seen += [repr(call), str(call), call.shown("demo"), repr(exchange.build(call, self.settings))]
        try:
            value = self.driver.run(call, **options)
        except TheEyeError as error:
            self.errors.append(error)
            self.seen += [str(error), repr(error), repr(error.__dict__), *traceback.format_exception(error)]
            return None
        self.seen += [repr(value), str(value)]
        return value


def representative_run(watched: Watched, sandbox: Sandbox) -> set[str]:
    """Everything that carries a secret, well and badly; returns the secrets of the jobs made."""
    hello, chain = sandbox.task_id("hello"), sandbox.workflow_id("chain")
    key, chain_key = sandbox.task_secret("hello"), sandbox.workflow_secret("chain")
    jobs = [
        watched.run(calls.create_job(hello, [])),
        watched.run(calls.create_job_by_secret(hello, key, [])),
        watched.run(calls.create_job_by_secret_alone(hello, key, [])),
        watched.run(calls.create_workflow_job(chain, ["x"])),
        watched.run(calls.create_workflow_job_by_secret(chain, chain_key, ["x"])),
    ]
    watched.run(
        webhooks.trigger_webhook_by_secret(sandbox.webhook_id("orders"), sandbox.webhook_secret("orders"), ["a", "b"])
    )
    for job in jobs[:3]:
        watched.run(calls.await_result_by_secret(job.id, job.secret))
    watched.run(calls.get_jobs([job.id for job in jobs]))
    watched.run(calls.get_job(jobs[0].id))
    watched.run(calls.get_job(MISSING))
    watched.run(calls.create_job_by_secret(sandbox.task_id("slow"), key, []))
    watched.run(calls.create_job_by_secret(sandbox.task_id("echo"), sandbox.task_secret("echo"), []))
    return {job.secret for job in jobs}


def badly_answered(watched: Watched, sandbox: Sandbox, job_secret: str) -> None:
    """By a server that says back whatever secret it was sent, at the worst place for whoever cuts messages short."""
    hello, key, token = sandbox.task_id("hello"), sandbox.task_secret("hello"), sandbox.token()
    for kind, status in (("text", 403), ("errors", 400), ("text", 500), ("list", 200), ("redirect", 303)):
        rules = []
        for path, secret in (("/job", token), ("/job/*/result", job_secret), ("*/secret/*", key)):
            said = f"{'.' * 270}{secret} {sandbox.url}/job/secret/{secret}?access_token={secret}"
            body = {"text": said, "list": [said], "errors": {"message": "no", "errors": [said]}}.get(kind)
            headers = {"Location": f"{sandbox.url}/x?access_token={secret}"} if kind == "redirect" else {}
            rules.append({"path": path, "do": "status", "status": status, "body": body, "headers": headers})
        sandbox.set_faults(rules)
        asked(watched, hello, key, job_secret)
    for trouble in (
        {"do": "close", "when": "after"},
        {"do": "half_body"},
        {"do": "html", "status": 502},
        {"do": "hang"},
    ):
        sandbox.set_faults([trouble])
        asked(watched, hello, key, job_secret, timeout=0.2 if trouble["do"] == "hang" else None)
    sandbox.clear_faults()


def asked(watched: Watched, task: str, key: str, job_secret: str, timeout: float | None = None) -> None:
    watched.run(calls.create_job_by_secret(task, key, [], held=True), attempts=2, timeout=timeout)
    watched.run(calls.create_job_by_secret_alone(task, key, []), timeout=timeout)
    watched.run(calls.await_result_by_secret(MISSING, job_secret), attempts=2, timeout=timeout)
    watched.run(calls.create_job(task, []), attempts=1, timeout=timeout)


def assert_none(secrets: set[str], texts: list[str]) -> None:
    for secret in secrets:
        # Half of one would still be half of one.
        for part in (secret, secret[:24], secret[-24:]):
            assert not [text for text in texts if part in text]


def test_a_run_tells_no_secret(connect: Any, settings: Any, journal: Sandbox, logged: list[str]) -> None:
    given = settings()
    watched = Watched(connect(given), given)
    job_secrets = representative_run(watched, journal)
    badly_answered(watched, journal, min(job_secrets))
    assert len(job_secrets) == 5
    assert len(watched.errors) > 30
    keys = {journal.task_secret("hello"), journal.task_secret("echo"), journal.workflow_secret("chain")}
    secrets = {given.token, journal.webhook_secret("orders"), *keys, *job_secrets}
    assert_none(secrets, watched.seen)
    assert_none(secrets, logged)
    assert [line for line in logged if "/secret/***" in line], "the libraries' lines themselves must not be missing"


def test_nor_does_a_server_out_of_reach(connect: Any, settings: Any, sandbox: Sandbox, logged: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    given = settings(url=f"http://127.0.0.1:{port}", secrets={sandbox.task_id("hello"): sandbox.task_secret("hello")})
    watched = Watched(connect(given), given)
    secrets = {"a" * 30 + "b" * 34, "quoted/+ &secret" * 4, given.token}
    for secret in secrets - {given.token}:
        watched.run(calls.create_job_by_secret(MISSING, secret, []), attempts=2)
        watched.run(calls.await_result_by_secret(MISSING, secret), attempts=2)
    assert len(watched.errors) == 4
    assert_none({*secrets, "quoted%2F%2B%20%26secret"}, watched.seen + logged)


MALFORMED = b"HTTP/1.1 200 OK\r\nno colon in this line\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize(
    "answer",
    [MALFORMED, b"nonsense\r\n\r\n", b"", reply("200 OK", b"\x1f\x8b", Content_Encoding="gzip"), reply("200 OK", b"{")],
    ids=["malformed header", "no HTTP", "nothing", "bad gzip", "bad JSON"],
)
def test_nor_do_answers_that_make_libraries_warn(
    connect: Any, settings: Any, sandbox: Sandbox, logged: list[str], answer: bytes
) -> None:
    with RawServer(answer) as server:
        given = settings(url=server.url)
        watched = Watched(connect(given), given)
        watched.run(calls.create_job_by_secret(MISSING, sandbox.task_secret("hello"), []))
        watched.run(calls.await_result_by_secret(MISSING, sandbox.task_secret("echo")), attempts=1)
    assert len(watched.errors) == 2
    assert_none({given.token, sandbox.task_secret("hello"), sandbox.task_secret("echo")}, watched.seen + logged)


def test_other_services_keep_their_log_lines(logged: list[str]) -> None:
    logs.hide_secrets()
    logs.hide_secrets()
    logging.getLogger("urllib3.connectionpool").debug('%s "%s %s"', "https://vault", "GET", "/v1/secret/data/team")
    logging.getLogger("httpx").info("HTTP Request: %s %s", "POST", f"http://x/p/workflows/{MISSING}/secret/abc/job")
    text = "\n".join(logged)
    assert "/v1/secret/data/team" in text
    assert f"/p/workflows/{MISSING}/secret/***/job" in text
    assert len(logging.getLogger("httpx").filters) == 1


def test_what_is_hidden_is_hidden_whole() -> None:
    settings = ServerSettings("http://x", "demo", token="abc", secrets={MISSING: "abcdef"})
    assert settings.hide("abcdef abc other") == "*** *** other"
    assert settings.hide("other", "", "other") == "***"
