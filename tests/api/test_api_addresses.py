"""What people write into the host field, and requests that go where it says."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.settings import DEFAULT_URL, base_url
from airflow_provider_theeye.sandbox import Sandbox
from tests.api.servers import RawServer, reply

MISSING = "0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        (None, None, DEFAULT_URL),
        ("  ", None, DEFAULT_URL),
        ("", 8443, f"{DEFAULT_URL}:8443"),
        ("supervisor.theeye.io", None, "https://supervisor.theeye.io"),
        ("Supervisor.TheEye.io.", None, "https://supervisor.theeye.io."),
        ("https://theeye.example.org/", None, "https://theeye.example.org"),
        ("HTTPS://theeye.example.org", None, "https://theeye.example.org"),
        ("http://theeye.example.org:8080/apiv3/", None, "http://theeye.example.org:8080/apiv3"),
        ("theeye.example.org/apiv3", None, "https://theeye.example.org/apiv3"),
        ("theeye.example.org/a/b", 8443, "https://theeye.example.org:8443/a/b"),
        ("theeye.example.org:1", 2, "https://theeye.example.org:1"),
        ("theeye.example.org:", 2, "https://theeye.example.org:2"),
        ("localhost", 60080, "http://localhost:60080"),
        ("127.0.0.1:60080", None, "http://127.0.0.1:60080"),
        ("https://localhost", None, "https://localhost"),
        ("[::1]:60080", None, "http://[::1]:60080"),
        ("::1", 60080, "http://[::1]:60080"),
        ("2001:DB8::1", None, "https://[2001:db8::1]"),
        ("http://[::1]/apiv3", 80, "http://[::1]/apiv3"),
        ("http://theeye_supervisor", 60080, "http://theeye_supervisor:60080"),
        ("bücher.example", None, "https://xn--bcher-kva.example"),
    ],
)
def test_addresses(host: str | None, port: int | None, url: str) -> None:
    assert base_url(host, port) == url


@pytest.mark.parametrize(
    "host",
    ["user:pass-word@h", "https://token@h/", "https://@h", "ftp://u:pass-word@h", "h?access_token=pass-word", "h#top"],
)
def test_credentials_queries_and_fragments_are_refused_and_not_repeated(host: str) -> None:
    with pytest.raises(ValueError, match="must not hold credentials, a query or a fragment") as caught:
        base_url(host)
    assert "pass-word" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("ftp://h", None),
        ("https://", None),
        ("//h", None),
        ("h:abc", None),
        ("h:99999", None),
        ("h", 99999),
        ("h", -1),
        ("[::1", None),
        ("/", None),
        ("a..b", None),
        ("a" * 64 + ".example", None),
        ("two words", None),
        ("h\\x", None),
    ],
)
def test_what_is_no_address(host: str, port: int | None) -> None:
    with pytest.raises(ValueError, match="is no http or https address"):
        base_url(host, port)


@pytest.mark.parametrize("prefix", ["", "/apiv3", "/a/b"])
def test_requests_go_below_the_path_prefix(connect: Any, settings: Any, prefix: str) -> None:
    made = reply("200 OK", b'{"id": "%s", "lifecycle": "ready"}' % MISSING.encode())
    with RawServer(made) as server:
        given = settings(url=base_url(f"{server.url}{prefix}/"), organization="de mo/ü")
        driver = connect(given)
        driver.run(calls.create_job(MISSING, ["a"]))
        driver.run(calls.get_job(MISSING))
        driver.run(calls.create_job_by_secret(MISSING, "s" * 64, ["ü"]))
        posted, got, keyed = server.requests
    quoted = b"de%20mo%2F%C3%BC"
    assert posted.startswith(f"POST {prefix}/job?customer=".encode())
    assert f"Authorization: Bearer {given.token}".encode().lower() in posted.lower()
    assert b'"customer": "de mo/\\u00fc"' in posted
    assert b"content-type: application/json" in posted.lower()
    assert got.startswith(b"GET %s/%s/job/%s HTTP/1.1\r\n" % (prefix.encode(), quoted, MISSING.encode()))
    assert b"content-type" not in got.lower()
    assert keyed.startswith(b"POST %s/task/%s/secret/%s/job HTTP/1.1" % (prefix.encode(), MISSING.encode(), b"s" * 64))
    assert b"authorization" not in keyed.lower()
    for request in server.requests:
        assert request.lower().count(b"accept: application/json\r\n") == 1
        assert b"access_token" not in request


def test_the_loopback_name_leads_to_a_real_server(connect: Any, settings: Any, sandbox: Sandbox) -> None:
    port = int(sandbox.url.rpartition(":")[2])
    assert connect(settings(url=base_url("localhost", port))).run(calls.list_tasks(limit=1))


# --- what the machine says about networks -------------------------------------------------------------------------


def test_netrc_is_not_used(connect: Any, settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1\nlogin somebody\npassword else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with RawServer(reply("200 OK", b"[]")) as server:
        given = settings(url=server.url)
        driver = connect(given)
        driver.run(calls.list_tasks())
        with pytest.raises(Exception, match="expected a job"):
            driver.run(calls.create_job_by_secret(MISSING, "s" * 64, []))
        with_token, with_secret = server.requests
    assert f"Bearer {given.token}".encode() in with_token
    assert b"Basic" not in with_token
    assert b"authorization" not in with_secret.lower()
