"""Where a TheEye server is and how to speak to it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit, urlunsplit

__all__ = ["DEFAULT_URL", "Place", "ServerSettings", "base_url"]

DEFAULT_URL = "https://supervisor.theeye.io"

_HOST = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Place:
    """Where a job lives: an id means something on one server, in one organization, and nothing elsewhere.

    :param server: base URL without a trailing slash.
    :param organization: the organization's name.
    """

    server: str
    organization: str

    @classmethod
    def of(cls, server: str | None, organization: str | None) -> Place | None:
        """``None`` if it is not known: what was stored by an older release does not say it."""
        return cls(server, organization) if server is not None and organization is not None else None

    def __str__(self) -> str:
        return f"organization {self.organization!r} at {self.server}"


@dataclass(frozen=True)
class ServerSettings:
    """All that a client needs to know; holds no live objects.

    :param url: base URL without a trailing slash, for example ``https://supervisor.theeye.io``.
    :param organization: the organization's name (TheEye's URLs call it *customer*).
    :param token: integration token, or ``None`` to work with secret keys alone.
    :param secrets: secret keys by task or workflow id.
    :param verify: check the server's TLS certificate; a string is the path of a CA bundle.
    :param connect_timeout: seconds to make a connection.
    :param read_timeout: seconds for a whole answer. Never infinite: TheEye leaves some requests unanswered
        (a job whose ``acl`` is empty, asked for by a user below admin).
    :param max_response_bytes: larger answers are refused. Logs of several megabytes come back whole.
    """

    url: str
    organization: str
    token: str | None = field(default=None, repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    verify: bool | str = True
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    max_response_bytes: int = 64 * 1024 * 1024

    @property
    def place(self) -> Place:
        """Where the jobs live that are made with these settings."""
        return Place(self.url, self.organization)

    @property
    def identity(self) -> Hashable:
        """The same for settings whose requests can share a client: secret keys are not sent unless a call has one."""
        return (self.place, self.token, self.verify, self.connect_timeout, self.read_timeout, self.max_response_bytes)

    def hide(self, text: str, *more: str) -> str:
        """Return ``text`` without the token, the secret keys and the further secrets ``more``."""
        plain = {secret for secret in (self.token, *self.secrets.values(), *more) if secret}
        quoted = {quote(secret, safe="") for secret in plain}
        for secret in sorted(plain | quoted, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text


#: Not written into an address, so that the hosted service is known by it whether the port was given or not.
_USUAL_PORTS = frozenset({("https", 443), ("http", 80)})


def base_url(host: str | None, port: int | None = None) -> str:
    """Make a base URL of what people write into the fields of a connection.

    ``host`` may be empty (TheEye's hosted service), a name, a name with port, a whole URL, and may end in a path
    prefix such as ``/apiv3``. Without a scheme it is https, except on the loopback interface.

    :raises ValueError: if that makes no http or https URL.
    """
    text = _bracketed((host or "").strip()) or DEFAULT_URL
    if any(character in text for character in "@?#"):
        raise ValueError("the address of the TheEye server must not hold credentials, a query or a fragment")
    if "://" not in text:
        text = f"{_usual_scheme(text)}://{text}"
    try:
        parts = urlsplit(text)
        # Airflow's connection page stores 0 for a port that was left empty.
        asked = parts.port if parts.port is not None else port or None
        netloc = _netloc(parts.hostname or "", None if (parts.scheme, asked) in _USUAL_PORTS else asked)
    except ValueError:
        netloc = ""
    if not netloc or parts.scheme not in ("http", "https"):
        raise ValueError(f"{host!r} is no http or https address of a TheEye server")
    return urlunsplit((parts.scheme, netloc, parts.path.rstrip("/"), "", ""))


def _netloc(name: str, port: int | None) -> str:
    """:raises ValueError: if no server can have that name or port."""
    if ":" in name:
        name = f"[{ipaddress.IPv6Address(name)}]"
    else:
        name = name.encode("idna").decode()
        if not _HOST.fullmatch(name):
            raise ValueError(name)
    if port is None:
        return name
    if not 0 < port < 65536:
        raise ValueError(port)
    return f"{name}:{port}"


def _bracketed(host: str) -> str:
    """A bare IPv6 address, which is what Airflow makes of one in a connection's URI, as URLs want it."""
    try:
        return f"[{ipaddress.IPv6Address(host)}]"
    except ValueError:
        return host


def _usual_scheme(host: str) -> str:
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        name = None
    return "http" if name in ("localhost", "127.0.0.1", "::1") else "https"
