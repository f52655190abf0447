"""Answers above the limit are refused before they fill the memory."""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.aio import AsyncTheEyeClient
from airflow_provider_theeye.api.call import Call
from airflow_provider_theeye.api.errors import InvalidRequest, NoAnswer, UnexpectedReply
from airflow_provider_theeye.api.models import Job
from tests.api.servers import RawServer, reply

MISSING = "0123456789abcdef01234567"
MEGABYTE = 1024 * 1024


def endless(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    while True:
        connection.sendall(chunk)


ANSWERS = {
    "with its length": reply("200 OK", b" " * 3 * MEGABYTE),
    "gzip-encoded": reply("200 OK", gzip.compress(b" " * 50 * MEGABYTE), Content_Encoding="gzip"),
    "an error": reply("500 X", b" " * 3 * MEGABYTE),
    "endless": endless,
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_too_large_answers_are_refused(connect: Any, settings: Any, answer: Any) -> None:
    with RawServer(answer) as server:
        driver = connect(settings(url=server.url, max_response_bytes=MEGABYTE))
        with pytest.raises(InvalidRequest, match="larger than the limit of 1048576 bytes"):
            driver.run(calls.get_job(MISSING))
        assert len(server.requests) == 1


def test_the_page_of_a_redirect_is_not_read_whole_either(connect: Any, settings: Any) -> None:
    sent = 0

    def redirect(connection: socket.socket, request: bytes) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(1000):
            connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
            sent += 65536

    with RawServer(redirect) as server, pytest.raises(InvalidRequest, match="larger than the limit"):
        connect(settings(url=server.url, max_response_bytes=MEGABYTE)).run(calls.get_job(MISSING))
    assert sent < 30 * MEGABYTE


def test_an_answer_at_the_limit_is_read(connect: Any, settings: Any) -> None:
    body = b'"' + b"x" * (MEGABYTE - 2) + b'"'
    for answer in (reply("200 OK", body), reply("200 OK", gzip.compress(body), Content_Encoding="gzip")):
        with RawServer(answer) as server:
            driver = connect(settings(url=server.url, max_response_bytes=MEGABYTE))
            word = Call("GET", "/{customer}/job/lifecycle", str)
            assert len(driver.run(word)) == MEGABYTE - 2


def test_a_large_log_comes_back_whole(client: Any, sandbox: Any, until_over: Any) -> None:
    made = client.run(calls.create_job(sandbox.task_id("big"), []))
    job = until_over(client, made.id)
    assert len(job.output[0]) == 400_000
    assert len(job.result.log) > 800_000


def test_a_body_that_is_not_what_its_encoding_says(connect: Any, settings: Any) -> None:
    with RawServer(reply("200 OK", b"no gzip at all", Content_Encoding="gzip")) as server:
        with pytest.raises(Exception) as caught:  # noqa: PT011
            connect(settings(url=server.url)).run(calls.get_job(MISSING), attempts=1)
        assert caught.value.transient  # type: ignore[attr-defined]


def test_a_gzip_body_that_was_cut(connect: Any, settings: Any) -> None:
    whole = gzip.compress(b'{"id": "%s", "name": "%s"}' % (MISSING.encode(), bytes(range(97, 123)) * 50))
    with RawServer(reply("200 OK", whole[: len(whole) // 2], Content_Encoding="gzip")) as server:
        driver = connect(settings(url=server.url))
        with pytest.raises(UnexpectedReply):
            driver.run(calls.get_job(MISSING), attempts=1)


def test_an_answer_that_trickles_is_not_waited_for_without_end(connect: Any, settings: Any) -> None:
    """Each byte is in time for itself."""
    sent = 0

    def trickle(connection: socket.socket, request: bytes) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n")
        for _ in range(400):
            connection.sendall(b" ")
            sent += 1
            time.sleep(0.05)

    with RawServer(trickle) as server:
        driver = connect(settings(url=server.url, read_timeout=0.5))
        with pytest.raises(NoAnswer, match=r"the answer was not complete after 0\.5 s"):
            driver.run(calls.get_job(MISSING), attempts=1)
    assert sent < 200


def job_of(size: int) -> bytes:
    return b'{"id": "%s", "lifecycle": "ready", "result": {"log": "%s"}}' % (MISSING.encode(), b"x" * size)


@pytest.mark.parametrize(("size", "on_the_loop"), [(100_000, True), (1_200_000, False)])
def test_large_answers_are_read_beside_the_loop(settings: Any, size: int, on_the_loop: bool) -> None:
    readers: list[int] = []

    def parse(data: Any) -> Job:
        readers.append(threading.get_ident())
        return Job.parse(data)

    async def ask(url: str) -> Job:
        async with await AsyncTheEyeClient.open(settings(url=url)) as client:
            return await client.run(dataclasses.replace(calls.get_job(MISSING), parse=parse))

    with RawServer(reply("200 OK", job_of(size))) as server:
        job = asyncio.run(ask(server.url))
    assert job.result is not None
    assert len(job.result.log) == size
    assert (readers == [threading.get_ident()]) is on_the_loop


def test_and_the_loop_goes_on_meanwhile(settings: Any) -> None:
    """A thread alone does not help: the decoder of JSON lets no other one run as long as it stays in C."""
    content = json.dumps([{"id": MISSING, "tags": [str(n)]} for n in range(1_000_000)]).encode()
    turns_while_read = 0
    began: list[int] = []

    async def ask(url: str) -> None:
        nonlocal turns_while_read
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.001)
                turns += 1

        def decoded(content: bytes, decode: Callable[[], Any]) -> int:
            began.append(turns)
            return len(decode())

        call = Call("GET", "/task", decoded, reads_content=True)
        turning = asyncio.create_task(turn())
        async with await AsyncTheEyeClient.open(settings(url=url)) as client:
            assert await client.run(call) == 1_000_000
        turns_while_read = turns - began[0]
        turning.cancel()

    with RawServer(reply("200 OK", content)) as server:
        asyncio.run(ask(server.url))
    assert turns_while_read > 20


def test_a_large_answer_that_is_none_is_an_error_like_a_small_one(connect: Any, settings: Any) -> None:
    with RawServer(reply("200 OK", job_of(1_200_000)[:-1])) as server, pytest.raises(UnexpectedReply):
        connect(settings(url=server.url)).run(calls.get_job(MISSING), attempts=1)
