"""How large requests may be, how long connections live, who may ask what of the sandbox itself."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from airflow_provider_theeye.sandbox import Sandbox

from .conftest import Client, world

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(world(note={"arguments": ["text"]}), runner=False) as running:
        yield running


def list_of(client: Client, count: int) -> int:
    name = quote("where[_id][$in][]", safe="")
    query = "&".join(f"{name}={number:024x}" for number in range(count))
    return client.ask("GET", f"/demo/job?{query}").status_code


def test_two_hundred_ids_pass_and_three_hundred_do_not(client: Client) -> None:
    assert list_of(client, 200) == 200
    answer = client.ask("GET", "/demo/job?x=" + "y" * 17_000)
    assert (answer.status_code, answer.content, answer.headers.get("Content-Type")) == (431, b"", None)
    assert client.ask("GET", "/demo/task?x=" + "y" * 11_400).status_code == 200
    assert list_of(client, 300) == 431


def test_headers_count_as_well(client: Client) -> None:
    assert client.ask("GET", "/demo/task", headers={"X-Long": "y" * 17_000}).status_code == 431


def test_numbered_brackets_break_above_twenty(client: Client) -> None:
    def numbered(count: int) -> int:
        params = [(f"where[_id][$in][{n}]", f"{n:024x}") for n in range(count)]
        return client.ask("GET", "/demo/job", params=params).status_code

    assert (numbered(21), numbered(22)) == (200, 500)


def test_body_size(client: Client, sandbox: Sandbox) -> None:
    assert client.create("note", "x" * (15 * MIB))["lifecycle"] == "ready"
    body = json.dumps({"task": sandbox.task_id("note"), "task_arguments": ["x" * (17 * MIB)]})
    answer = client.ask("POST", "/job", data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


def test_an_idle_connection_is_closed_after_five_seconds(sandbox: Sandbox) -> None:
    host, port = sandbox.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = connection.recv(4096)
        while not answer.endswith(b'exist"}') and (more := connection.recv(4096)):
            answer += more
        assert answer.startswith(b"HTTP/1.1 404")
        began = time.monotonic()
        assert connection.recv(4096) == b""
        assert 4 < time.monotonic() - began < 7


def test_gzip_only_if_asked_for(client: Client, sandbox: Sandbox) -> None:
    plain = client.ask("GET", "/demo/task", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    asked = client.session.get(sandbox.url + "/demo/task", headers={"Accept-Encoding": "gzip"}, stream=True, timeout=5)
    assert asked.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(asked.raw.read(decode_content=False))) == plain.json()


def test_many_requests_at_once(client: Client, sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(60) as pool:
        answers = list(pool.map(lambda n: Client(sandbox).create("note", f"n{n}")["id"], range(60)))
    assert len(set(answers)) == 60
    assert len(client.ask("GET", "/demo/job", params={"where[task_id]": sandbox.task_id("note")}).json()) >= 60


def test_routes_of_its_own_are_for_this_machine_alone() -> None:
    own = socket.gethostbyname(socket.gethostname())
    if own.startswith("127."):
        pytest.skip("this machine has no address but the loopback one")
    with Sandbox(extra_args=["--host", "0.0.0.0"]) as running:
        port = running.url.rpartition(":")[2]
        client = Client(running)
        answer = client.session.get(f"http://{own}:{port}/_sandbox/journal", timeout=5)
        assert answer.status_code == 403
        assert client.session.get(f"http://{own}:{port}/demo/task", timeout=5).status_code == 200
