"""What both clients have in common: making the request of a call, judging its answer, and when to try again."""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tenacity import RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from airflow_provider_theeye import __version__
from airflow_provider_theeye.api.calls import CUSTOMER_PLACEHOLDER, Call
from airflow_provider_theeye.api.errors import (
    AuthenticationFailed,
    Conflict,
    Forbidden,
    InvalidRequest,
    NoAnswer,
    NotFound,
    RateLimited,
    RouteNotFound,
    TheEyeError,
    Unavailable,
    UnexpectedReply,
    WrongOrganization,
)
from airflow_provider_theeye.api.settings import ServerSettings

T = TypeVar("T")

#: How often a call that may be repeated is sent in all.
ATTEMPTS = 5
#: Longest wait in seconds between two attempts, also if ``Retry-After`` asks for more.
LONGEST_WAIT = 60.0
#: TheEye closes a connection that was idle for 5 seconds; one that is older than this is not used again.
IDLE_SECONDS = 4.0

_JSON_HEADERS = {
    "Accept": "application/json",
    "User-Agent": f"airflow-provider-theeye/{__version__}",
}


@dataclass(frozen=True)
class Request:
    """What goes over the wire."""

    method: str
    url: str
    shown: str
    query: tuple[tuple[str, str], ...]
    headers: dict[str, str] = field(repr=False)
    content: bytes | None = field(repr=False)


@dataclass(frozen=True)
class Reply:
    """What came back; ``headers`` by lower-case name."""

    status: int
    headers: Mapping[str, str]
    content: bytes


def build(call: Call[Any], settings: ServerSettings) -> Request:
    """:raises AuthenticationFailed: if the call needs a token and there is none; nothing is sent then."""
    shown = call.shown(settings.organization)
    headers = dict(_JSON_HEADERS)
    if call.with_token:
        if not settings.token:
            raise AuthenticationFailed("this needs an integration token and the connection has none", request=shown)
        headers["Authorization"] = f"Bearer {settings.token}"
    content = None
    if call.body is not None:
        headers["Content-Type"] = "application/json"
        body = {k: settings.organization if v == CUSTOMER_PLACEHOLDER else v for k, v in call.body.items()}
        content = json.dumps(body, allow_nan=False).encode()
    query = tuple((k, settings.organization if v == CUSTOMER_PLACEHOLDER else v) for k, v in call.query)
    return Request(call.method, settings.url + call.path(settings.organization), shown, query, headers, content)


def read(call: Call[T], reply: Reply, settings: ServerSettings) -> T:
    """The value of an answer.

    :raises TheEyeError: of the kind that fits, with everything secret taken out of TheEye's message.
    """
    shown = call.shown(settings.organization)
    if 200 <= reply.status < 300 or reply.status in call.judged_by_body:
        try:
            return call.parse(_decoded(reply))
        except UnexpectedReply as problem:
            if reply.status < 300:
                raise UnexpectedReply(problem.message, request=shown, status=reply.status) from None
    raise _error(reply, shown, settings, tuple(call.keys.values()))


def broken_off(error: Exception, shown: str, settings: ServerSettings, *, sent: bool) -> NoAnswer:
    """The error for a request that got no answer; ``sent`` tells whether it may have arrived."""
    text = settings.hide(str(error)) or type(error).__name__
    return NoAnswer(f"{type(error).__name__}: {text[:300]}", request=shown, sent=sent)


def too_large(shown: str, settings: ServerSettings) -> InvalidRequest:
    limit = settings.max_response_bytes
    return InvalidRequest(f"the answer is larger than the limit of {limit} bytes and was refused", request=shown)


# --- trying again -------------------------------------------------------------------------------------------------


def retry_rules(call: Call[Any], attempts: int) -> dict[str, Any]:
    """Arguments for tenacity's ``Retrying`` and ``AsyncRetrying``."""

    def worth_it(error: BaseException) -> bool:
        if not isinstance(error, TheEyeError) or not error.transient:
            return False
        never_arrived = isinstance(error, NoAnswer) and not error.sent
        return call.repeatable or never_arrived or isinstance(error, RateLimited)

    stop: stop_base = stop_after_attempt(attempts)
    return {"retry": retry_if_exception(worth_it), "wait": _Wait(), "stop": stop, "reraise": True}


class _Wait(wait_base):
    """Exponential with jitter; at least what the server asked for in ``Retry-After``, at most ``LONGEST_WAIT``."""

    _growing = wait_random_exponential(multiplier=0.5, max=15)

    def __call__(self, retry_state: RetryCallState) -> float:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        asked = error.retry_after if isinstance(error, TheEyeError) else None
        return min(max(self._growing(retry_state), asked or 0.0), LONGEST_WAIT)


# --- reading answers ----------------------------------------------------------------------------------------------


def _decoded(reply: Reply) -> Any:
    if not reply.content:
        return None
    try:
        return json.loads(reply.content)
    except (ValueError, RecursionError):
        kind = reply.headers.get("content-type", "no content type")
        raise UnexpectedReply(f"the answer is no JSON ({kind}, {len(reply.content)} bytes)") from None


def _error(reply: Reply, shown: str, settings: ServerSettings, keys: tuple[str, ...]) -> TheEyeError:
    message, route_missing = _explanation(reply)
    message = settings.hide(message, *keys)[:500]
    kind = _kind(reply.status, message, route_missing)
    if 300 <= reply.status < 400:
        target = urlsplit(reply.headers.get("location", ""))
        message = f"redirected to {target.hostname or 'another path'}; redirects are not followed with credentials"
    return kind(message, request=shown, status=reply.status, retry_after=_seconds(reply.headers.get("retry-after")))


def _explanation(reply: Reply) -> tuple[str, bool]:
    """TheEye's message out of any of its five shapes of error body, and whether it says that there is no such route."""
    try:
        body = _decoded(reply)
    except UnexpectedReply as problem:
        return problem.message, False
    if isinstance(body, str):
        return body, False
    if isinstance(body, dict):
        message = body.get("message")
        details = body.get("errors")
        text = message if isinstance(message, str) else ""
        if details:
            text = f"{text} {json.dumps(details)[:300]}".strip()
        return text, body.get("code") in ("ResourceNotFound", "MethodNotAllowed")
    return "", False


def _kind(status: int, message: str, route_missing: bool) -> type[TheEyeError]:
    if 300 <= status < 400:
        return UnexpectedReply
    if status == 404 and message == "organization not found":
        return WrongOrganization
    if status == 409:
        return WrongOrganization if message.startswith("Incorrect Organizations") else Conflict
    if status in (404, 405):
        return RouteNotFound if route_missing else NotFound
    if status in (408, 429) or status >= 500:
        return RateLimited if status == 429 else Unavailable
    return {401: AuthenticationFailed, 403: Forbidden}.get(status, InvalidRequest)


def _seconds(retry_after: str | None) -> float | None:
    """``Retry-After`` as seconds from now; it may be a number or a date."""
    if not retry_after:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, TypeError):
        return None
