"""Which certificates a server may show: the same for both clients, whose libraries have different opinions."""

from __future__ import annotations

import os

import certifi

from airflow_provider_theeye.api.errors import InvalidRequest
from airflow_provider_theeye.api.settings import ServerSettings

__all__ = ["trusted"]

#: Where people name the CA bundle of their company; requests reads the first two, OpenSSL the last.
_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def trusted(settings: ServerSettings) -> str | None:
    """The CA bundle (a file, or a folder as OpenSSL wants it) to check a server's certificate with; ``None``: no check.

    Left to themselves, requests and httpx look in different places, so that a task would run and the same one fail
    once it is deferrable.

    :raises InvalidRequest: if there is no such bundle on this machine.
    """
    if settings.verify is False or not settings.url.startswith("https"):
        return None
    named = settings.verify if isinstance(settings.verify, str) else ""
    path = named or next(filter(None, map(os.environ.get, _VARIABLES)), None) or certifi.where()
    if not os.path.exists(path):
        raise InvalidRequest(f"there is no CA bundle {path!r} on this machine to check the server's certificate with")
    return path
