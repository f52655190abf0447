"""What both clients have in common: making the request of a call, judging its answer, and when to try again."""

from __future__ import annotations

import email.utils
import functools
import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timezone
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote_plus, urlsplit

from tenacity import RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from airflow_provider_theeye import __version__
from airflow_provider_theeye.api.call import CUSTOMER_PLACEHOLDER, Call
from airflow_provider_theeye.api.carried import clean
from airflow_provider_theeye.api.errors import (
    AgentsToken,
    AuthenticationFailed,
    CertificateRefused,
    Conflict,
    Forbidden,
    ForeignJob,
    InvalidRequest,
    NoAnswer,
    NotFound,
    Page,
    RateLimited,
    RouteNotFound,
    Silence,
    TheEyeError,
    TooLarge,
    Unavailable,
    UnexpectedReply,
    WrongOrganization,
)
from airflow_provider_theeye.api.models import Job
from airflow_provider_theeye.api.proxies import Proxy
from airflow_provider_theeye.api.settings import ServerSettings

__all__ = [
    "ATTEMPTS",
    "IDLE_SECONDS",
    "LARGE",
    "Reply",
    "Request",
    "broken_off",
    "build",
    "ignored",
    "never_sendable",
    "patience",
    "read",
    "retry_rules",
    "too_large",
]

T = TypeVar("T")

#: How often a call that may be repeated is sent in all.
ATTEMPTS = 5
#: Seconds, and attempts, after which it is believed that a call is ignored, if that may be.
SILENCE_SECONDS = 15.0
SILENT_ATTEMPTS = 2
#: Bytes of an answer that takes long enough to read that nothing else must wait for it.
LARGE = 1_000_000
#: Longest wait in seconds between two attempts, also if ``Retry-After`` asks for more.
LONGEST_WAIT = 60.0
#: TheEye closes a connection that was idle for 5 seconds; one that is older than this is not used again.
IDLE_SECONDS = 4.0

#: Whatever else a token holds cannot stand in a header.
_SENDABLE = re.compile(r"[!-~]+")

#: What OpenSSL says, within what the HTTP libraries make of it.
_REFUSED_CERTIFICATE = re.compile(r"certificate verify failed: .+?(?= \(_ssl)")
#: TheEye's answer to an agent that asks for work and does not say for which host.
_ASKED_AS_AGENT = (400, "host is required")

_JSON_HEADERS = {
    "Accept": "application/json",
    "User-Agent": f"airflow-provider-theeye/{__version__}",
}


@dataclass(frozen=True)
class Request:
    """What goes over the wire."""

    method: str
    url: str = field(repr=False)
    shown: str
    query: tuple[tuple[str, str], ...]
    headers: dict[str, str] = field(repr=False)
    content: bytes | None = field(repr=False)

    @property
    def full_url(self) -> str:
        """With the query, written as browsers do: brackets and dollar signs stay."""
        return f"{self.url}?{_written(self.query)}" if self.query else self.url


@dataclass(frozen=True)
class Reply:
    """What came back; ``headers`` by lower-case name."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)


def build(call: Call[Any], settings: ServerSettings) -> Request:
    """Nothing is sent if this fails.

    :raises AuthenticationFailed: if the call needs a token and there is none that could be sent.
    :raises InvalidRequest: if the body is no JSON.
    """
    shown = call.shown(settings.organization)
    headers = dict(_JSON_HEADERS)
    if call.with_token:
        if not settings.token:
            raise AuthenticationFailed("this needs an integration token and the connection has none", request=shown)
        if not _SENDABLE.fullmatch(settings.token):
            # The HTTP libraries would repeat it, escaped beyond recognition, in their own errors.
            raise AuthenticationFailed("the integration token holds characters that no token has", request=shown)
        headers["Authorization"] = f"Bearer {settings.token}"
    content = None
    if call.body is not None:
        headers["Content-Type"] = "application/json"
        body = call.body
        if isinstance(body, Mapping):
            body = {k: _filled(k, v, settings) for k, v in body.items()}
        content = _encoded(body, shown)
    query = tuple((k, _filled(k, v, settings)) for k, v in call.query)
    return Request(call.method, settings.url + call.path(settings.organization), shown, query, headers, content)


def read(call: Call[T], reply: Reply, settings: ServerSettings) -> T:
    """The value of an answer.

    :raises TheEyeError: of the kind that fits, with everything secret taken out of TheEye's message.
    """
    shown = call.shown(settings.organization)
    if 200 <= reply.status < 300 or reply.status in call.judged_by_body:
        try:
            if call.reads_content:
                value = call.parse(reply.content, functools.partial(_decoded, reply))
            else:
                value = call.parse(_decoded(reply))
            _check_owner(value, call, settings)
            return value
        except UnexpectedReply as problem:
            if reply.status < 300:
                message = settings.hide(problem.message, *call.secrets())
                kind = Page if _is_page(reply) else UnexpectedReply
                raise kind(message, request=shown, status=reply.status) from None
    error = _error(reply, shown, settings, call.secrets())
    if call.is_list and (error.status, error.message) == _ASKED_AS_AGENT:
        raise AgentsToken("the token is that of a host's agent", request=shown, status=reply.status)
    raise error


def _check_owner(value: Any, call: Call[Any], settings: ServerSettings) -> None:
    """A token opens the jobs of all organizations, whichever the path names (CONTRACT: reading jobs)."""
    owner = value.organization if isinstance(value, Job) and call.with_token else None
    if owner is not None and owner.casefold() != settings.organization.casefold():
        shown = call.shown(settings.organization)
        raise ForeignJob(f"job {value.id} belongs to organization {owner!r}", request=shown)


def patience(call: Call[Any], seconds: float) -> float:
    """Seconds to wait for the next bytes of an answer that may take ``seconds`` in all."""
    return min(0.9 * seconds, max(SILENCE_SECONDS, seconds / 4)) if call.may_be_ignored else seconds


def ignored(call: Call[Any], settings: ServerSettings, seconds: float) -> Silence:
    """The error for a call that was taken and left unanswered, as it may be."""
    message = f"not a byte came within {patience(call, seconds):g} s"
    return Silence(message, request=call.shown(settings.organization))


def broken_off(
    error: Exception, call: Call[Any], settings: ServerSettings, *, sent: bool, proxy: Proxy | None = None
) -> NoAnswer:
    """The error for a request that got no answer; ``sent`` tells whether it may have arrived."""
    kind, words = NoAnswer, _in_words(error, call, settings)
    refused = _REFUSED_CERTIFICATE.search(str(error))
    if refused:
        kind, words = CertificateRefused, f"the certificate of {settings.url} was refused: {refused[0]}"
    through = f", through the proxy {proxy}" if proxy is not None else ""
    return kind(words + through, request=call.shown(settings.organization), sent=sent)


def never_sendable(error: Exception, call: Call[Any], settings: ServerSettings) -> InvalidRequest:
    """The error for a request that the HTTP library refused to make."""
    return InvalidRequest(_in_words(error, call, settings), request=call.shown(settings.organization))


def too_large(shown: str, settings: ServerSettings) -> TooLarge:
    limit = settings.max_response_bytes
    return TooLarge(f"the answer is larger than the limit of {limit} bytes and was refused", request=shown)


@functools.lru_cache(maxsize=128)
def _written(query: tuple[tuple[str, str], ...]) -> str:
    """httpx would take a millisecond for the ids of a list, and a poll asks for the same ones again and again."""
    return "&".join(f"{quote_plus(name, safe='[]$')}={quote_plus(value)}" for name, value in query)


def _filled(key: str, value: Any, settings: ServerSettings) -> Any:
    """The organization's name in place of its placeholder; an argument that happens to look like it stays."""
    return settings.organization if (key, value) == ("customer", CUSTOMER_PLACEHOLDER) else value


def _encoded(body: Any, shown: str) -> bytes:
    try:
        return json.dumps(body, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"this cannot be sent as JSON: {error}", request=shown) from None


def _in_words(error: Exception, call: Call[Any], settings: ServerSettings) -> str:
    text = settings.hide(str(error), *call.secrets()) or "no details"
    return f"{type(error).__name__}: {text[:300]}"


# --- trying again -------------------------------------------------------------------------------------------------


def retry_rules(call: Call[Any], attempts: int, until: float = math.inf) -> dict[str, Any]:
    """Arguments for tenacity's ``Retrying`` and ``AsyncRetrying``; ``until`` is monotonic time."""

    def worth_it(error: BaseException) -> bool:
        if not isinstance(error, TheEyeError) or not error.transient:
            return False
        never_arrived = isinstance(error, NoAnswer) and not error.sent
        return call.repeatable or never_arrived or isinstance(error, RateLimited)

    stop: stop_base = stop_after_attempt(attempts) | _NoTimeLeft(until) | _Ignored()
    return {"retry": retry_if_exception(worth_it), "wait": _Wait(), "stop": stop, "reraise": True}


class _Wait(wait_base):
    """Exponential with jitter; at least what the server asked for in ``Retry-After``, at most ``LONGEST_WAIT``."""

    _growing = wait_random_exponential(multiplier=0.5, max=15)

    def __call__(self, retry_state: RetryCallState) -> float:
        return max(self._growing(retry_state), _asked(retry_state))


class _NoTimeLeft(stop_base):
    """The next attempt would come too late."""

    def __init__(self, until: float) -> None:
        self._until = until

    def __call__(self, retry_state: RetryCallState) -> bool:
        return time.monotonic() + _asked(retry_state) >= self._until


class _Ignored(stop_base):
    def __call__(self, retry_state: RetryCallState) -> bool:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        return isinstance(error, Silence) and retry_state.attempt_number >= SILENT_ATTEMPTS


def _asked(retry_state: RetryCallState) -> float:
    """Seconds that the server wants to be left alone, as far as we do it."""
    error = retry_state.outcome.exception() if retry_state.outcome else None
    asked = error.retry_after if isinstance(error, TheEyeError) else None
    return min(asked or 0.0, LONGEST_WAIT)


# --- reading answers ----------------------------------------------------------------------------------------------


def _decoded(reply: Reply) -> Any:
    if not reply.content:
        return None
    try:
        return json.loads(reply.content, object_hook=_lets_others_run if len(reply.content) > LARGE else None)
    except (ValueError, RecursionError):
        kind = reply.headers.get("content-type", "no content type")
        raise UnexpectedReply(f"the answer is no JSON ({kind}, {len(reply.content)} bytes)") from None


def _lets_others_run(value: dict[str, Any]) -> dict[str, Any]:
    """The decoder keeps all of Python's threads waiting until it has read the whole, unless it has to call Python."""
    return value


def _error(reply: Reply, shown: str, settings: ServerSettings, secrets: tuple[str, ...]) -> TheEyeError:
    said = _explanation(reply)
    kind = _kind(reply.status, said, is_page=_is_page(reply))
    message = _redirection(reply) if 300 <= reply.status < 400 else said.message
    # Hidden before it is cut: half a secret would not be recognized.
    message = settings.hide(message, *secrets)[:500]
    return kind(message, request=shown, status=reply.status, retry_after=_seconds(reply.headers))


class _Said(NamedTuple):
    """What an error answer says: TheEye's message, whether it is about the route, whether it is TheEye that speaks."""

    message: str = ""
    no_such_route: bool = False
    by_theeye: bool = False


def _explanation(reply: Reply) -> _Said:
    """Reads TheEye's five shapes of error body."""
    try:
        body = _decoded(reply)
    except UnexpectedReply as problem:
        return _Said(problem.message)
    if isinstance(body, str):
        return _Said(clean(body), by_theeye=True)
    if not isinstance(body, dict):
        return _Said()
    message = body.get("message")
    text = message if isinstance(message, str) else ""
    if body.get("errors"):
        text = f"{text} {_details(body['errors'])}".strip()
    code = body.get("code")
    return _Said(
        clean(text),
        no_such_route=code in ("ResourceNotFound", "MethodNotAllowed") if isinstance(code, str) else False,
        by_theeye="statusCode" in body or "code" in body,
    )


def _details(errors: object) -> str:
    try:
        return json.dumps(errors)
    except RecursionError:
        return ""


def _redirection(reply: Reply) -> str:
    try:
        target = urlsplit(reply.headers.get("location", "")).hostname
    except ValueError:
        target = None
    return f"redirected to {target or 'another path'}; redirects are not followed with credentials"


def _is_page(reply: Reply) -> bool:
    return "html" in reply.headers.get("content-type", "")


def _kind(status: int, said: _Said, *, is_page: bool) -> type[TheEyeError]:
    if 300 <= status < 400:
        return UnexpectedReply
    if status == 404 and said.message == "organization not found":
        return WrongOrganization
    if status == 409:
        return WrongOrganization if said.message.startswith("Incorrect Organizations") else Conflict
    if status in (404, 405):
        if said.no_such_route:
            return RouteNotFound
        # A proxy whose server is being replaced answers 404 too, and that must not pass for a job that is gone.
        if said.by_theeye:
            return NotFound
        return Page if is_page else UnexpectedReply
    if status in (408, 429) or status >= 500:
        return RateLimited if status == 429 else Unavailable
    if is_page:
        return Page  # TheEye never answers with one, so a proxy did: this is not about the token
    return {401: AuthenticationFailed, 403: Forbidden}.get(status, InvalidRequest)


def _seconds(headers: Mapping[str, str]) -> float | None:
    """``Retry-After`` as seconds from now; it may be a number, or a date by the clock of who answers."""
    asked = headers.get("retry-after", "")
    try:
        seconds = float(asked)
    except ValueError:
        then = _epoch(asked)
        if then is None:
            return None
        answered = _epoch(headers.get("date", ""))
        seconds = then - (time.time() if answered is None else answered)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _epoch(date: str) -> float | None:
    """Epoch seconds of a date as HTTP writes it; one that names no zone is UTC."""
    try:
        moment = email.utils.parsedate_to_datetime(date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
