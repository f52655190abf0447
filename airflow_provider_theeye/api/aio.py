"""``AsyncTheEyeClient``: runs the same calls with httpx, for code on an event loop."""

from __future__ import annotations

import asyncio
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
    Reply,
    Request,
    broken_off,
    build,
    never_sendable,
    read,
    retry_rules,
    too_large,
)
from airflow_provider_theeye.api.logs import hide_secrets
from airflow_provider_theeye.api.settings import ServerSettings

__all__ = ["AsyncTheEyeClient"]

T = TypeVar("T")
#: Connections to one server at a time; a long poll holds one for up to a minute.
_CONNECTIONS = 200


class AsyncTheEyeClient:
    """Asks a TheEye server without blocking the loop. Belongs to the loop it was opened on; share it there."""

    def __init__(self, settings: ServerSettings, http: httpx.AsyncClient) -> None:
        self.settings = settings
        self._http = http

    @classmethod
    async def open(cls, settings: ServerSettings) -> AsyncTheEyeClient:
        """Make a client. Loading the certificates takes some 20 ms of CPU, so that is done in a thread and once.

        :raises InvalidRequest: if the CA bundle or the proxies of the environment cannot be used.
        """
        hide_secrets()
        limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=20, keepalive_expiry=IDLE_SECONDS)
        try:
            bundle = trusted(settings)
            verify = False if bundle is None else await asyncio.to_thread(_tls, bundle)
            # The timeout is set for each request.
            http = httpx.AsyncClient(verify=verify, follow_redirects=False, timeout=None, limits=limits)  # noqa: S113
        except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:
            raise InvalidRequest(f"no connection can be made from here: {type(error).__name__}: {error}") from None
        return cls(settings, http)

    def __repr__(self) -> str:
        return f"<AsyncTheEyeClient {self.settings.url} {self.settings.organization}>"

    async def __aenter__(self) -> AsyncTheEyeClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

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
                reply = await self._exchange(request, seconds)
        except TimeoutError:
            error = httpx.ReadTimeout(f"the answer was not complete after {seconds:g} s")
            raise broken_off(error, call, self.settings, sent=True) from None
        except (httpx.HTTPError, OSError) as error:
            # httpx lets OpenSSL's complaints about a connection in use through as they are.
            raise broken_off(error, call, self.settings, sent=not _never_connected(error)) from None
        except RuntimeError as error:
            if not self._http.is_closed:
                raise
            # Somebody else who shares this client has replaced it by one with a new token.
            raise broken_off(error, call, self.settings, sent=False) from None
        except (httpx.InvalidURL, UnicodeEncodeError) as error:
            raise never_sendable(error, call, self.settings) from None
        return read(call, reply, self.settings)

    async def _exchange(self, request: Request, seconds: float) -> Reply:
        limits = httpx.Timeout(seconds, connect=min(self.settings.connect_timeout, seconds))
        async with self._http.stream(
            request.method,
            _parsed(request.full_url) if request.query else request.url,
            content=request.content,
            headers=request.headers,
            timeout=limits,
        ) as response:
            content = bytearray()
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > self.settings.max_response_bytes:
                    raise too_large(request.shown, self.settings)
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Reply(response.status_code, headers, bytes(content))


def _never_connected(error: Exception) -> bool:
    # The oldest httpcore that we allow lets OpenSSL's complaint about a certificate through as it is.
    kinds = httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | ssl.SSLCertVerificationError
    return isinstance(error, kinds)


@functools.lru_cache(maxsize=8)
def _tls(bundle: str) -> ssl.SSLContext:
    if os.path.isdir(bundle):
        return ssl.create_default_context(capath=bundle)
    return ssl.create_default_context(cafile=bundle)


@functools.lru_cache(maxsize=128)
def _parsed(url: str) -> httpx.URL:
    """httpx looks at every character of a URL, and a list's has thousands; a poll asks the same again and again."""
    return httpx.URL(url)
