"""Proxies: which one the environment means for a server, and that both clients do as it says."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.errors import InvalidRequest, NoAnswer
from airflow_provider_theeye.api.proxies import proxy_for, speaks_socks
from tests.api.servers import RawServer, reply

MISSING = "0123456789abcdef01234567"
PROXY = "http://proxy.example:3128"
SERVER = "http://10.1.2.3:8080"
NAMED = "https://supervisor.theeye.example"
IPV6 = "http://[fd00::17]:8080"


def used(url: str, **environment: str) -> str | None:
    proxy = proxy_for(url, environment)
    return proxy.url if proxy is not None else None


# --- the decision -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "url", "expected"),
    [
        ({}, SERVER, None),
        ({"HTTP_PROXY": PROXY}, SERVER, PROXY),
        ({"HTTP_PROXY": PROXY}, NAMED, None),
        ({"HTTPS_PROXY": PROXY}, SERVER, None),
        ({"HTTPS_PROXY": PROXY}, NAMED, PROXY),
        ({"ALL_PROXY": PROXY}, SERVER, PROXY),
        ({"all_proxy": PROXY}, NAMED, PROXY),
        ({"ALL_PROXY": "http://other", "HTTP_PROXY": PROXY}, SERVER, PROXY),
        ({"Http_Proxy": PROXY}, SERVER, PROXY),
        ({"HTTP_PROXY": "http://other", "http_proxy": PROXY}, SERVER, PROXY),
        ({"http_proxy": PROXY, "HTTP_PROXY": "http://other"}, SERVER, PROXY),
        ({"HTTP_PROXY": "http://other", "http_proxy": ""}, SERVER, None),
        ({"HTTP_PROXY": "", "ALL_PROXY": PROXY}, SERVER, PROXY),
        ({"HTTP_PROXY": "  "}, SERVER, None),
        ({"HTTP_PROXY": f" {PROXY}/ "}, SERVER, PROXY),
        ({"HTTP_PROXY": "proxy.example:3128"}, SERVER, PROXY),
        ({"HTTP_PROXY": "10.0.0.1:3128"}, SERVER, "http://10.0.0.1:3128"),
        ({"HTTP_PROXY": "[::1]:3128"}, SERVER, "http://[::1]:3128"),
        ({"HTTP_PROXY": "http://me:pass%40word@proxy:1"}, SERVER, "http://me:pass%40word@proxy:1"),
        ({"HTTPS_PROXY": "https://proxy"}, NAMED, "https://proxy"),
        ({"HTTP_PROXY": PROXY, "REQUEST_METHOD": "GET"}, SERVER, None),
        ({"http_proxy": PROXY, "REQUEST_METHOD": "GET"}, SERVER, PROXY),
        ({"HTTPS_PROXY": PROXY, "REQUEST_METHOD": "GET"}, NAMED, PROXY),
        ({"ALL_PROXY": "socks5://proxy:1080"}, NAMED, "socks5://proxy:1080"),
        ({"ALL_PROXY": "SOCKS5H://proxy:1080"}, NAMED, "socks5://proxy:1080"),
        ({"ALL_PROXY": "socks://proxy:1080/"}, NAMED, "socks5://proxy:1080"),
        ({"ALL_PROXY": "socks5://proxy:1080", "HTTPS_PROXY": PROXY}, NAMED, PROXY),
        ({"NO_PROXY": "*"}, SERVER, None),
        ({"MY_PROXY": PROXY, "_PROXY": PROXY, "PROXY": PROXY}, SERVER, None),
    ],
    ids=str,
)
def test_which_proxy(environment: dict[str, str], url: str, expected: str | None) -> None:
    assert used(url, **environment) == expected


@pytest.mark.parametrize(
    ("no_proxy", "url"),
    [
        ("*", SERVER),
        ("localhost, *", SERVER),
        ("10.1.2.3", SERVER),
        (" localhost , 10.1.2.3 ", SERVER),
        ("localhost 10.1.2.3", SERVER),
        ("10.1.2.3:8080", SERVER),
        ("10.0.0.0/8", SERVER),
        ("10.1.2.3/8", SERVER),
        ("10.1.0.0/255.255.0.0", SERVER),
        ("localhost,127.0.0.0/8,10.0.0.0/8,.example.com", SERVER),
        ("http://10.1.2.3", SERVER),
        ("http://10.1.2.3:8080/", SERVER),
        ("10.0.0.0/8", "http://[::ffff:10.1.2.3]"),
        ("10.1.2.3:80", "http://10.1.2.3"),
        ("127.0.0.1", "http://127.0.0.1:60080/apiv3"),
        ("[::1]", "http://[::1]:60080"),
        ("::1", "http://[::1]:60080"),
        ("0:0:0:0:0:0:0:1", "http://[::1]:60080"),
        ("[::1]:60080", "http://[::1]:60080"),
        ("fd00::/8", IPV6),
        ("[fd00::]/8", IPV6),
        ("FD00:0::17", IPV6),
        ("[fd00::17]:8080", IPV6),
        ("supervisor.theeye.example", NAMED),
        ("Supervisor.TheEye.EXAMPLE", NAMED),
        ("supervisor.theeye.example.", NAMED),
        ("supervisor.theeye.example", f"{NAMED}.:8443"),
        ("supervisor.theeye.example:443", NAMED),
        ("https://supervisor.theeye.example", NAMED),
        ("theeye.example", NAMED),
        (".theeye.example", NAMED),
        (".supervisor.theeye.example", NAMED),
        ("*.theeye.example", NAMED),
        (".example:443", NAMED),
        ("example", NAMED),
        ("bücher.example", "https://xn--bcher-kva.example"),
        ("localhost", "http://localhost:1"),
    ],
)
@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_no_proxy_covers(variable: str, no_proxy: str, url: str) -> None:
    assert used(url, HTTP_PROXY=PROXY, HTTPS_PROXY=PROXY, **{variable: no_proxy}) is None
    assert used(url, ALL_PROXY="what is no proxy at all", **{variable: no_proxy}) is None


@pytest.mark.parametrize(
    ("no_proxy", "url"),
    [
        ("", SERVER),
        (",", SERVER),
        (".", SERVER),
        ("localhost,[::1]", SERVER),
        ("10.1.2.3:80", SERVER),
        ("10.1.2", SERVER),
        ("2.3", SERVER),
        ("11.0.0.0/8", SERVER),
        ("10.0.0.0/99", SERVER),
        ("https://10.1.2.3", SERVER),
        ("::/0", SERVER),
        ("0.0.0.0/0", NAMED),
        ("0.0.0.0/0", IPV6),
        ("[::1]:1", "http://[::1]:60080"),
        ("fd01::/16", IPV6),
        ("[", IPV6),
        ("visor.theeye.example", NAMED),
        ("heeye.example", NAMED),
        ("a.supervisor.theeye.example", NAMED),
        ("supervisor.theeye.example:8443", NAMED),
        ("supervisor.theeye.example:", NAMED),
        ("http://supervisor.theeye.example", NAMED),
        ("example.com", NAMED),
    ],
)
def test_no_proxy_does_not_cover(no_proxy: str, url: str) -> None:
    assert used(url, HTTP_PROXY=PROXY, HTTPS_PROXY=PROXY, NO_PROXY=no_proxy) == PROXY


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("gopher://me:pass-word@proxy", "speaks gopher"),
        ("socks4://proxy:1", "speaks socks4"),
        ("socks4a://proxy:1", "speaks socks4a"),
        ("http://me:pass-word@", "does not hold the address of a proxy"),
        ("http://me:pass-word#1@proxy:1", "must be percent-encoded"),
        ("http://me:pass-word/1@proxy:1", "must be percent-encoded"),
        ("http://[bad", "does not hold the address of a proxy"),
        ("http://proxy:port", "does not hold the address of a proxy"),
        ("http://proxy:99999", "does not hold the address of a proxy"),
    ],
)
def test_what_is_no_proxy(value: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=f"HTTP_PROXY.*{said}") as caught:
        used(SERVER, HTTP_PROXY=value)
    assert "pass-word" not in str(caught.value)
    assert used(NAMED, HTTP_PROXY=value) is None


def test_a_proxys_password_is_not_shown() -> None:
    proxy = proxy_for(SERVER, {"HTTP_PROXY": "http://me:pass-word@proxy:1"})
    assert str(proxy) == "http://proxy:1 (HTTP_PROXY)"
    assert "pass-word" not in repr(proxy)


def test_socks_takes_a_package_only_where_it_is_spoken() -> None:
    socks, plain = proxy_for(SERVER, {"ALL_PROXY": "socks5://proxy"}), proxy_for(SERVER, {"ALL_PROXY": PROXY})
    assert socks is not None
    assert plain is not None
    speaks_socks(plain, "no_such_module")
    speaks_socks(socks, "json")
    with pytest.raises(
        InvalidRequest, match=r"ALL_PROXY names a SOCKS proxy.*install PySocks .* and socksio .*NO_PROX"
    ):
        speaks_socks(socks, "no_such_module")


# --- the clients ------------------------------------------------------------------------------------------------------


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets the variables of proxies, and no others of their kind."""

    def only(**values: str) -> None:
        for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
            monkeypatch.delenv(name)
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    only()
    return only


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.mark.parametrize(
    "no_proxy",
    ["127.0.0.1", "localhost,127.0.0.0/8", "127.0.0.1,[::1]", "127.0.0.1:{port}", "fd00::/8, 127.0.0.1", "*"],
)
@pytest.mark.parametrize(
    "proxy", ["http://127.0.0.1:{closed}", "127.0.0.1:{closed}", "socks5://h", "socks://h", "x://y"]
)
def test_a_server_that_needs_no_proxy_is_asked_directly(
    connect: Any, settings: Any, environment: Any, closed_port: int, no_proxy: str, proxy: str
) -> None:
    with RawServer(reply("200 OK", b"[]")) as server:
        environment(ALL_PROXY=proxy.format(closed=closed_port), NO_PROXY=no_proxy.format(port=server.port))
        assert connect(settings(url=server.url)).run(calls.list_tasks(), attempts=1) == []


def test_a_proxy_for_another_scheme_does_not_matter(connect: Any, settings: Any, environment: Any) -> None:
    environment(HTTPS_PROXY="socks5://127.0.0.1:9")
    with RawServer(reply("200 OK", b"[]")) as server:
        assert connect(settings(url=server.url)).run(calls.list_tasks(), attempts=1) == []


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("form", ["http://{}", "{}", "http://me:p%40ss@{}"])
def test_plain_requests_go_to_the_proxy(
    connect: Any, settings: Any, environment: Any, variable: str, form: str
) -> None:
    with RawServer(reply("200 OK", b"[]")) as proxy, RawServer(reply("200 OK", b"[]")) as server:
        environment(**{variable: form.format(f"127.0.0.1:{proxy.port}"), "NO_PROXY": "localhost"})
        connect(settings(url=server.url)).run(calls.list_tasks())
        assert (proxy.connections, server.connections) == (1, 0)
        (request,) = proxy.requests
    assert request.startswith(f"GET {server.url}/demo/task HTTP/1.1".encode())
    # "me:p@ss" in Base64, as HTTP wants it.
    assert (b"proxy-authorization: basic bwu6cebzcw==" in request.lower()) == ("me" in form)


def test_a_tunnel_for_tls(connect: Any, settings: Any, environment: Any) -> None:
    with RawServer(reply("503 no way through", b"")) as proxy:
        environment(HTTPS_PROXY=proxy.url)
        given = settings(url="https://theeye.invalid")
        with pytest.raises(NoAnswer) as caught:
            connect(given).run(calls.create_job_by_secret(MISSING, "s" * 64, []), attempts=1)
        (request,) = proxy.requests
    assert request.startswith(b"CONNECT theeye.invalid:443 HTTP/1.")
    assert given.token.encode() not in request
    assert b"s" * 64 not in request
    assert "s" * 64 not in str(caught.value)


def test_a_proxy_out_of_reach_is_named_and_nothing_was_sent(
    connect: Any, settings: Any, environment: Any, closed_port: int
) -> None:
    environment(HTTP_PROXY=f"http://me:pass-word@127.0.0.1:{closed_port}")
    with pytest.raises(NoAnswer) as caught:
        connect(settings(url="http://theeye.invalid")).run(calls.create_job(MISSING, []), attempts=1)
    assert f"through the proxy http://127.0.0.1:{closed_port} (HTTP_PROXY)" in str(caught.value)
    assert "pass-word" not in str(caught.value)
    assert not caught.value.sent


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        ("socks5://127.0.0.1:9", "names a SOCKS proxy.*install PySocks for workers and socksio for triggerers"),
        ("socks://127.0.0.1:9", "names a SOCKS proxy"),
        ("socks4://127.0.0.1:9", "names a proxy that speaks socks4"),
        ("gopher://127.0.0.1:1", "names a proxy that speaks gopher"),
        ("http://[bad", "does not hold the address of a proxy"),
        ("http://proxy:port", "does not hold the address of a proxy"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named(
    connect: Any, settings: Any, environment: Any, monkeypatch: pytest.MonkeyPatch, proxy: str, said: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    environment(HTTPS_PROXY=proxy)
    with pytest.raises(InvalidRequest, match=f"HTTPS_PROXY {said}"):
        connect(settings(url="https://theeye.invalid")).run(calls.list_tasks(), attempts=1)
