"""``TheEyeClient``: runs calls with requests. Not for several threads at once, like the session that it holds."""

from __future__ import annotations

import math
import os
import ssl
import time
from types import TracebackType
from typing import Any, TypeVar

import requests
import urllib3
from tenacity import Retrying

from airflow_provider_theeye.api.call import Call
from airflow_provider_theeye.api.certificates import trusted
from airflow_provider_theeye.api.errors import InvalidRequest, UnexpectedReply
from airflow_provider_theeye.api.exchange import (
    ATTEMPTS,
    IDLE_SECONDS,
    Reply,
    Request,
    broken_off,
    build,
    ignored,
    never_sendable,
    patience,
    read,
    retry_rules,
    too_large,
)
from airflow_provider_theeye.api.logs import hide_secrets
from airflow_provider_theeye.api.proxies import Proxy, proxy_for, speaks_socks
from airflow_provider_theeye.api.settings import ServerSettings

__all__ = ["TheEyeClient"]

T = TypeVar("T")
_CHUNK = 64 * 1024


class TheEyeClient:
    """Asks a TheEye server, one request at a time.

    :param settings: which server, which organization, which token.
    :param until: time by ``time.monotonic()`` after which nothing is sent any more and no answer is waited for.
    """

    def __init__(self, settings: ServerSettings, *, until: float = math.inf) -> None:
        hide_secrets()
        self.settings = settings
        self._until = until
        self._session = _Session()
        # Certificates and proxies are chosen below, and what a ~/.netrc says about the host must not replace our token.
        self._session.trust_env = False
        self._used = time.monotonic()

    def __repr__(self) -> str:
        return f"<TheEyeClient {self.settings.url} {self.settings.organization}>"

    def __enter__(self) -> TheEyeClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._session.close()

    def run(self, call: Call[T], *, attempts: int = ATTEMPTS, timeout: float | None = None) -> T:
        """Send a call and return its value.

        A call that may be repeated is sent up to ``attempts`` times, any other only again if it certainly did
        not arrive.

        :param timeout: seconds for one answer, instead of the connection's own.
        :raises TheEyeError: of the kind that fits.
        """
        request = build(call, self.settings)
        value: T = Retrying(**retry_rules(call, attempts, self._until))(self._once, call, request, timeout)
        return value

    def _once(self, call: Call[T], request: Request, timeout: float | None) -> T:
        if time.monotonic() - self._used > IDLE_SECONDS:
            self._session.close()
        left = self._until - time.monotonic()
        if left <= 0:
            raise InvalidRequest("no time was left for this", request=request.shown)
        seconds = min(left, timeout or max(self.settings.read_timeout, call.read_timeout or 0.0))
        proxy = proxy_for(self.settings.url, os.environ)
        try:
            reply = self._exchange(request, seconds, patience(call, seconds), proxy)
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, UnicodeEncodeError) as error:
            raise never_sendable(error, call, self.settings) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            if call.may_be_ignored and isinstance(error, requests.ReadTimeout):
                raise ignored(call, self.settings, seconds) from None
            raise broken_off(error, call, self.settings, sent=not _never_connected(error), proxy=proxy) from None
        finally:
            self._used = time.monotonic()
        return read(call, reply, self.settings)

    def _exchange(self, request: Request, seconds: float, patience: float, proxy: Proxy | None) -> Reply:
        """:raises requests.ReadTimeout: if nothing came, for as long as ``patience`` says."""
        until = time.monotonic() + seconds
        with self._session.request(
            request.method,
            request.url,
            params=request.query,
            data=request.content,
            headers=request.headers,
            verify=trusted(self.settings) or False,
            proxies=_by_scheme(proxy),
            timeout=(min(self.settings.connect_timeout, seconds), patience),
            allow_redirects=False,
            stream=True,
        ) as response:
            content = bytearray()
            # Not iter_content, which waits for a whole chunk, however slowly its bytes come.
            while chunk := response.raw.read1(_CHUNK, decode_content=True):
                content += chunk
                if len(content) > self.settings.max_response_bytes:
                    raise too_large(request.shown, self.settings)
                if time.monotonic() > until:
                    raise requests.Timeout(f"the answer was not complete after {seconds:g} s")
            headers = {name.lower(): value for name, value in response.headers.items()}
            _complete(headers, len(content), response, request.shown)
            return Reply(response.status_code, headers, bytes(content))


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Redirects are not followed; requests would prepare one all the same, for which it reads the whole body."""


def _by_scheme(proxy: Proxy | None) -> dict[str, str]:
    """As requests wants it. It distinguishes ``socks5``, which looks names up here, and httpx does not."""
    if proxy is None:
        return {}
    speaks_socks(proxy, "socks")
    return {"all": f"socks5h://{proxy.netloc}" if proxy.is_socks else proxy.url}


def _complete(headers: dict[str, str], received: int, response: requests.Response, shown: str) -> None:
    """requests takes an answer that was cut short for a whole one, so its length is checked here."""
    promised = headers.get("content-length", "")
    if promised.isdigit() and "content-encoding" not in headers and received < int(promised):
        raise UnexpectedReply(
            f"the answer was cut short: {received} of {promised} bytes", request=shown, status=response.status_code
        )


def _never_connected(error: Exception) -> bool:
    """Whether no connection was made, so that the server cannot have seen the request."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    reason: Any = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(error, requests.exceptions.SSLError):
        # Any other trouble with TLS may also come after the request, for example when the server goes away.
        return bool(reason and reason.args) and isinstance(reason.args[0], ssl.SSLCertVerificationError)
    return type(reason).__name__ in ("NewConnectionError", "NameResolutionError", "ProxyError")
