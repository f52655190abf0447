"""``AsyncTheEyeClient``: runs the same calls with httpx, for code on an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import ssl
from types import TracebackType
from typing import TypeVar

import anyio
import httpx
from tenacity import AsyncRetrying

from airflow_provider_theeye.api.call import Call
from airflow_provider_theeye.api.certificates import trusted
from airflow_provider_theeye.api.errors import InvalidRequest
from airflow_provider_theeye.api.exchange import (
    ATTEMPTS,
    IDLE_SECONDS,
    LARGE,
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

__all__ = ["CONNECTIONS", "AsyncTheEyeClient"]

T = TypeVar("T")
#: Connections to one server at a time; a long poll holds one for up to a minute.
CONNECTIONS = 200


class AsyncTheEyeClient:
    """Asks a TheEye server without blocking the loop. Belongs to the loop it was opened on; share it there."""

    def __init__(self, settings: ServerSettings, proxy: Proxy | None, tls: ssl.SSLContext | None) -> None:
        """Use ``open``. ``tls`` has the certificates to check the server's with; ``None``: no check."""
        self.settings = settings
        self._proxy = proxy
        self._tls = tls
        self._http = _http(proxy, tls)
        self._replaced: list[httpx.AsyncClient] = []

    @classmethod
    async def open(cls, settings: ServerSettings) -> AsyncTheEyeClient:
        """Make a client. Loading the certificates takes some 20 ms of CPU, so that is done in a thread and once.

        :raises InvalidRequest: if the CA bundle or the proxies of the environment cannot be used.
        """
        hide_secrets()
        proxy = proxy_for(settings.url, os.environ)
        if proxy is not None:
            speaks_socks(proxy, "socksio")
        try:
            return cls(settings, proxy, await asyncio.to_thread(_certificates, settings))
        except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:
            raise InvalidRequest(f"no connection can be made from here: {type(error).__name__}: {error}") from None

    def __repr__(self) -> str:
        return f"<AsyncTheEyeClient {self.settings.url} {self.settings.organization}>"

    async def __aenter__(self) -> AsyncTheEyeClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        for http in (self._http, *self._replaced):
            await http.aclose()

    async def run(self, call: Call[T], *, attempts: int = ATTEMPTS, timeout: float | None = None) -> T:  # noqa: ASYNC109
        """Send a call and return its value; the same rules as ``TheEyeClient.run``."""
        request = build(call, self.settings)
        seconds = timeout or max(self.settings.read_timeout, call.read_timeout or 0.0)
        if attempts == 1:
            return await self._once(call, request, seconds)
        return await AsyncRetrying(**retry_rules(call, attempts))(self._once, call, request, seconds)

    async def _once(self, call: Call[T], request: Request, seconds: float) -> T:
        try:
            # Not asyncio.wait_for: before Python 3.12 it loses a cancellation that meets the answer, and whoever waits
            # for the end of a cancelled trigger would wait for ever.
            with anyio.fail_after(seconds):
                reply = await self._exchange(request, seconds, patience(call, seconds))
        except _Silent:
            raise ignored(call, self.settings, seconds) from None
        except TimeoutError:
            error = httpx.ReadTimeout(f"the answer was not complete after {seconds:g} s")
            raise broken_off(error, call, self.settings, sent=True, proxy=self._proxy) from None
        except (httpx.HTTPError, OSError) as error:
            # httpx lets OpenSSL's complaints about a connection in use through as they are.
            if _is_about_the_certificate(error):
                await self._read_renewed_bundle()
            raise broken_off(error, call, self.settings, sent=not _never_connected(error), proxy=self._proxy) from None
        except RuntimeError as error:
            if not self._http.is_closed:
                raise
            # Somebody else who shares this client has replaced it by one with a new token.
            raise broken_off(error, call, self.settings, sent=False) from None
        except (httpx.InvalidURL, UnicodeEncodeError) as error:
            raise never_sendable(error, call, self.settings) from None
        if len(reply.content) > LARGE:
            return await asyncio.to_thread(read, call, reply, self.settings)
        return read(call, reply, self.settings)

    async def _read_renewed_bundle(self) -> None:
        """A client may live for weeks, in which the authority's certificates are replaced on this machine."""
        with contextlib.suppress(OSError, ValueError, InvalidRequest):
            tls = await asyncio.to_thread(_certificates, self.settings)
            if tls is not self._tls:
                # Others may be reading answers through the old one.
                self._replaced.append(self._http)
                self._tls, self._http = tls, _http(self._proxy, tls)

    async def _exchange(self, request: Request, seconds: float, patience: float) -> Reply:
        """:raises _Silent: if nothing came, for as long as ``patience`` says."""
        limits = httpx.Timeout(seconds, connect=min(self.settings.connect_timeout, seconds), read=patience)
        answered = False
        try:
            async with self._http.stream(
                request.method,
                _parsed(request.full_url) if request.query else request.url,
                content=request.content,
                headers=request.headers,
                timeout=limits,
            ) as response:
                answered = True
                content = bytearray()
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > self.settings.max_response_bytes:
                        raise too_large(request.shown, self.settings)
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Reply(response.status_code, headers, bytes(content))
        except httpx.ReadTimeout as error:
            if answered or patience == seconds:
                raise
            raise _Silent(str(error)) from None


class _Silent(Exception):
    """Not a byte of an answer."""


def _never_connected(error: Exception) -> bool:
    # The oldest httpcore that we allow lets OpenSSL's complaint about a certificate through as it is.
    kinds = httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | ssl.SSLCertVerificationError
    return isinstance(error, kinds)


def _is_about_the_certificate(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, ssl.SSLCertVerificationError):
        seen = seen.__cause__ or seen.__context__
    return seen is not None


def _http(proxy: Proxy | None, tls: ssl.SSLContext | None) -> httpx.AsyncClient:
    """What httpx would read from the environment has been read already."""
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=20, keepalive_expiry=IDLE_SECONDS)
    verify = False if tls is None else tls
    way = None
    if proxy is not None:
        way = httpx.Proxy(proxy.url, ssl_context=(tls or _unchecked()) if proxy.scheme == "https" else None)
    transport = httpx.AsyncHTTPTransport(verify=verify, trust_env=False, limits=limits, proxy=way)
    # The timeout is set for each request.
    return httpx.AsyncClient(transport=transport, trust_env=False, follow_redirects=False, timeout=None)  # noqa: S113


def _unchecked() -> ssl.SSLContext:
    """For a proxy that speaks TLS, whose certificate requests checks only together with the server's."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _certificates(settings: ServerSettings) -> ssl.SSLContext | None:
    """What to check a server's certificate with, read anew if the file is not the one that it was."""
    bundle = trusted(settings)
    if bundle is None:
        return None
    state = os.stat(bundle)
    return _tls(bundle, (state.st_mtime_ns, state.st_size, state.st_ino))


@functools.lru_cache(maxsize=8)
def _tls(bundle: str, state: tuple[int, ...]) -> ssl.SSLContext:
    """:param state: of the file: another one is another bundle."""
    if os.path.isdir(bundle):
        return ssl.create_default_context(capath=bundle)
    return ssl.create_default_context(cafile=bundle)


@functools.lru_cache(maxsize=128)
def _parsed(url: str) -> httpx.URL:
    """httpx looks at every character of a URL, and a list's has thousands; a poll asks the same again and again."""
    return httpx.URL(url)
