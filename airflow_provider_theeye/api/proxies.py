"""Which proxy a server is reached through: the same for both clients, whose libraries read the environment differently.

The variables are those of curl and of Python's ``urllib``: ``HTTP_PROXY`` or ``HTTPS_PROXY``, whichever the server's
scheme asks for, else ``ALL_PROXY``, unless ``NO_PROXY`` covers the server. A name in lower case wins.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from airflow_provider_theeye.api.errors import InvalidRequest

__all__ = ["Proxy", "proxy_for", "speaks_socks"]

_SOCKS = "socks5"
#: ``socks://`` is what desktops write.
_SCHEMES = {"http": "http", "https": "https", "socks": _SOCKS, "socks5": _SOCKS, "socks5h": _SOCKS}
_USUAL_PORTS = {"http": 80, "https": 443}
_WITH_PORT = re.compile(r"(\[.*\]|[^:]*):(\d+)")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Proxy:
    """A proxy that is to be used.

    :param scheme: ``http``, ``https`` or ``socks5``; the last resolves the server's name itself.
    :param netloc: host and port, with the credentials if there are any.
    :param variable: the environment variable that names it.
    """

    scheme: str
    netloc: str = field(repr=False)
    variable: str

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.netloc}"

    @property
    def is_socks(self) -> bool:
        return self.scheme == _SOCKS

    def __str__(self) -> str:
        """For messages: address without credentials, and who says so."""
        return f"{self.scheme}://{self.netloc.rpartition('@')[2]} ({self.variable})"


def proxy_for(url: str, environment: Mapping[str, str]) -> Proxy | None:
    """The proxy for requests to the server at ``url``; ``None`` to ask it directly.

    :raises InvalidRequest: if there is to be one and the variable holds no proxy that both clients can use.
    """
    server = urlsplit(url)
    named = _variables(environment)
    variable, value = named.get(server.scheme) or named.get("all") or ("", "")
    host, port = (server.hostname or "").rstrip("."), server.port or _USUAL_PORTS[server.scheme]
    no_proxy = named.get("no", ("", ""))[1]
    if not value or any(_covers(entry, server.scheme, host, port) for entry in re.split(r"[\s,]+", no_proxy.lower())):
        return None
    return _parsed(variable, value)


def speaks_socks(proxy: Proxy, module: str) -> None:
    """:raises InvalidRequest: if the proxy speaks SOCKS and the ``module`` that a client needs for it is missing."""
    if proxy.is_socks and importlib.util.find_spec(module) is None:
        raise InvalidRequest(
            f"{proxy.variable} names a SOCKS proxy, and the Python package to speak SOCKS is not installed: install "
            "PySocks for workers and socksio for triggerers. If the server can be reached without the proxy, add its "
            "host to NO_PROXY"
        )


def _variables(environment: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Name and value of the variable by what it is for: a scheme, ``all`` or ``no``. As ``urllib`` reads them."""
    given = [(name, value.strip()) for name, value in environment.items() if name.lower().endswith("_proxy")]
    found = {name[:-6].lower(): (name, value) for name, value in given if value}
    if "REQUEST_METHOD" in environment:
        found.pop("http", None)  # in a CGI script HTTP_PROXY is a header of the client's choice
    for name, value in given:
        if name.endswith("_proxy"):
            found.pop(name[:-6].lower(), None)
            if value:
                found[name[:-6].lower()] = (name, value)
    return found


def _parsed(variable: str, value: str) -> Proxy:
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        scheme = _SCHEMES.get(parts.scheme)
        good = bool(parts.hostname) and parts.port != 0
    except ValueError:
        scheme, good = "http", False
    if scheme is None:
        raise InvalidRequest(
            f"{variable} names a proxy that speaks {parts.scheme}, which cannot be used: "
            f"{', '.join(_SCHEMES)} are possible"
        )
    if not good:
        # Not repeated, since it may hold a password.
        raise InvalidRequest(
            f"{variable} does not hold the address of a proxy, such as http://proxy.example.com:3128. Special "
            "characters of a user name or password in it must be percent-encoded"
        )
    return Proxy(scheme, parts.netloc, variable)


# --- NO_PROXY ---------------------------------------------------------------------------------------------------------


def _covers(entry: str, scheme: str, host: str, port: int) -> bool:
    """Whether an entry of ``NO_PROXY`` in lower case means that server."""
    if entry == "*":
        return True
    only_scheme, _, entry = entry.rpartition("://")
    with_port = _WITH_PORT.fullmatch(entry.rstrip("/"))
    if with_port:
        entry = with_port[1]
    if only_scheme not in ("", scheme) or (with_port and int(with_port[2]) != port):
        return False
    bare = entry.translate({ord("["): None, ord("]"): None}).rstrip("/")
    network, address = _network(bare), _address(host)
    if network is not None or address is not None:
        return network is not None and address is not None and address in network
    name = _ascii(bare.removeprefix("*").strip("."))
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _address(host: str) -> Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address


def _ascii(name: str) -> str:
    """As the host of a server's address is written."""
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        return name
