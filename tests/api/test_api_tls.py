"""Certificates: which are trusted, and what a connection that breaks inside TLS means."""

from __future__ import annotations

import datetime
import ipaddress
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.errors import InvalidRequest, NoAnswer, TheEyeError
from airflow_provider_theeye.sandbox import Sandbox
from tests.api.servers import RawServer, reply

MISSING = "0123456789abcdef01234567"
VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")

pytestmark = [
    pytest.mark.usefixtures("_short_waits", "_no_variables"),
    pytest.mark.filterwarnings("ignore:Unverified HTTPS request"),
]


@pytest.fixture
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "SSL_CERT_DIR", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, in one file with its key."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(certificate_and_key())
    return path


def certificate_and_key() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + made.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def context(certificate: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate)
    return made


@pytest.fixture
def server(context: ssl.SSLContext) -> Iterator[RawServer]:
    with RawServer(reply("200 OK", b"[]"), tls=context) as running:
        yield running


def test_a_certificate_that_nobody_vouches_for_is_refused(connect: Any, settings: Any, server: RawServer) -> None:
    with pytest.raises(NoAnswer, match="certificate verify failed") as caught:
        connect(settings(url=server.url)).run(calls.create_job(MISSING, []), attempts=2)
    assert not caught.value.sent
    assert server.requests == []
    assert server.connections == 2
    said = str(caught.value)
    assert said.startswith(
        f"no answer from TheEye: the certificate of {server.url} was refused: certificate verify failed"
    )
    assert "name its CA bundle in 'verify' (extra of the Airflow connection)" in said


def test_verification_can_be_switched_off(connect: Any, settings: Any, server: RawServer) -> None:
    assert connect(settings(url=server.url, verify=False)).run(calls.list_tasks()) == []


def test_switched_off_is_off_whatever_the_environment_says(
    connect: Any, settings: Any, server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
    assert connect(settings(url=server.url, verify=False)).run(calls.list_tasks()) == []


def test_a_bundle_of_ones_own(connect: Any, settings: Any, server: RawServer, certificate: Path) -> None:
    assert connect(settings(url=server.url, verify=str(certificate))).run(calls.list_tasks()) == []


def test_a_bundle_that_is_renewed_is_read_again(
    connect: Any, settings: Any, server: RawServer, certificate: Path, tmp_path: Path
) -> None:
    """By a client that lives on, as the triggerer's does, and by one that is made afterwards."""
    bundle, renewed = tmp_path / "authorities.pem", tmp_path / "renewed.pem"
    bundle.write_bytes(certificate_and_key())
    renewed.write_bytes(certificate.read_bytes())
    given = settings(url=server.url, verify=str(bundle))
    lives_on = connect(given)
    with pytest.raises(NoAnswer, match="certificate verify failed"):
        lives_on.run(calls.list_tasks(), attempts=2)
    renewed.replace(bundle)
    assert lives_on.run(calls.list_tasks(), attempts=2) == []
    assert lives_on.run(calls.list_tasks(), attempts=1) == []
    assert connect(given).run(calls.list_tasks(), attempts=1) == []


def test_a_bundle_that_is_missing_while_it_is_renewed(
    connect: Any, settings: Any, server: RawServer, certificate: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "authorities.pem"
    bundle.write_bytes(certificate_and_key())
    driver = connect(settings(url=server.url, verify=str(bundle)))
    with pytest.raises(NoAnswer, match="certificate verify failed"):
        driver.run(calls.list_tasks(), attempts=1)
    bundle.unlink()
    with pytest.raises(TheEyeError):
        driver.run(calls.list_tasks(), attempts=1)
    bundle.write_bytes(certificate.read_bytes())
    assert driver.run(calls.list_tasks(), attempts=2) == []


def test_a_folder_of_certificates(
    connect: Any, settings: Any, server: RawServer, certificate: Path, tmp_path: Path
) -> None:
    name = f"{_subject_hash(certificate):08x}.0"
    (tmp_path / name).write_bytes(certificate.read_bytes())
    assert connect(settings(url=server.url, verify=str(tmp_path))).run(calls.list_tasks()) == []


def _subject_hash(certificate: Path) -> int:
    """The name under which OpenSSL looks for a certificate in a folder: of its subject without the outer two bytes."""
    subject = x509.load_pem_x509_certificate(certificate.read_bytes().partition(b"-----END PRIVATE KEY-----\n")[2])
    digest = hashes.Hash(hashes.SHA1())
    digest.update(subject.subject.public_bytes()[2:])
    return int.from_bytes(digest.finalize()[:4], "little")


@pytest.mark.parametrize("variable", VARIABLES)
def test_the_bundle_of_the_environment(
    connect: Any, settings: Any, server: RawServer, certificate: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(certificate))
    assert connect(settings(url=server.url)).run(calls.list_tasks()) == []
    with pytest.raises(NoAnswer, match="certificate verify failed"):
        connect(settings(url=server.url, verify=certifi.where())).run(calls.list_tasks(), attempts=1)


def test_an_empty_path_does_not_switch_verification_off(connect: Any, settings: Any, server: RawServer) -> None:
    with pytest.raises(NoAnswer, match="certificate verify failed"):
        connect(settings(url=server.url, verify="")).run(calls.list_tasks(), attempts=1)


def test_a_bundle_that_is_not_there(
    connect: Any, settings: Any, server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidRequest, match="there is no CA bundle '/no/such/file'"):
        connect(settings(url=server.url, verify="/no/such/file")).run(calls.list_tasks())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nor/this")
    with pytest.raises(InvalidRequest, match="there is no CA bundle '/nor/this'"):
        connect(settings(url=server.url)).run(calls.list_tasks())


def test_a_bundle_that_is_none(connect: Any, settings: Any, server: RawServer, tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_bytes(os.urandom(100))
    with pytest.raises(TheEyeError):
        connect(settings(url=server.url, verify=str(rubbish))).run(calls.list_tasks(), attempts=1)
    assert server.requests == []


def test_a_name_that_is_not_the_certificates(connect: Any, settings: Any, server: RawServer, certificate: Path) -> None:
    given = settings(url=f"https://localhost:{server.port}", verify=str(certificate))
    with pytest.raises(NoAnswer, match="certificate verify failed") as caught:
        connect(given).run(calls.create_job(MISSING, []), attempts=1)
    assert not caught.value.sent


def test_a_server_without_tls(connect: Any, settings: Any, sandbox: Sandbox) -> None:
    with pytest.raises(NoAnswer, match=r"(?i)ssl"):
        connect(settings(url=sandbox.url.replace("http:", "https:"))).run(calls.list_tasks(), attempts=1)


def vanish(connection: socket.socket) -> None:
    """Without TLS's goodbye, like a process that is killed."""


def talk_nonsense(connection: socket.socket) -> None:
    """What is no TLS, like a proxy that reports its own trouble."""
    connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")


@pytest.mark.parametrize("trouble", [vanish, talk_nonsense])
def test_trouble_inside_tls_does_not_mean_that_nothing_arrived(
    connect: Any, settings: Any, context: ssl.SSLContext, trouble: Callable[[socket.socket], None]
) -> None:
    """No second POST: here the library names the same kind of error as for a certificate that it refused."""

    def below_tls(connection: socket.socket, request: bytes) -> None:
        with socket.socket(fileno=connection.detach()) as bare:
            trouble(bare)

    with RawServer(below_tls, tls=context) as server:
        driver = connect(settings(url=server.url, verify=False))
        with pytest.raises(NoAnswer) as caught:
            driver.run(calls.create_job(MISSING, []))
        assert caught.value.sent
        assert len(server.requests) == 1
