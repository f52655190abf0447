"""The server as an ASGI application: reads requests, lets faults strike, finds the route, writes answers."""

from __future__ import annotations

import asyncio
import gzip
import inspect
import traceback
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from . import longpoll, routes_create, routes_hosts, routes_jobs, routes_tasks, routes_webhooks
from .call import Answer, Call, NeverAnswered, parse_body
from .control import LOOPBACK, PREFIX, Control
from .engine import Engine
from .errors import Refused, code, internal, message
from .faults import HTML, Faults, Rule
from .pages import guard
from .pages.site import Site, Visit
from .router import Found, Router

LARGEST_HEAD = 16 * 1024  # bytes of request line and headers; beyond it 431
KEPT_ALIVE = b"timeout=5"
LARGEST_BODY = 16 * 1024 * 1024  # bytes; beyond it 413
OFFERED = ("application/json", "text/plain", "application/octet-stream", "application/javascript")
SMALLEST_GZIP = 512
BODILESS = (204, 304)  # a body would be taken for the beginning of the next answer
AT_ONCE = 0.1  # seconds between reading and writing of the requests that a stall has held up


class App:
    """The ASGI application."""

    def __init__(self, engine: Engine, control: Control, faults: Faults, site: Site, *, everyone: bool) -> None:
        self.engine = engine
        self._control = control
        self._faults = faults
        self._site = site
        self._everyone = everyone
        modules = (routes_create, routes_hosts, routes_jobs, routes_tasks, routes_webhooks, longpoll)
        self._router = Router([route for module in modules for route in module.routes])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if _head_size(scope) > LARGEST_HEAD:
            await _respond(send, Answer(431, headers={"Connection": "close"}), headers)
            return
        body = await _body(receive)
        if body is None:
            refusal = code(413, "PayloadTooLarge", f"Request body size exceeds {LARGEST_BODY}")
            answer = Answer.refused(refusal)
            answer.headers["Connection"] = "close"
            await _respond(send, answer, headers)
            return
        if self._site.owns(scope["path"]):
            await _respond(send, self._page(scope, headers, body), headers)
            return
        if scope["path"].startswith(PREFIX):
            await _respond(send, self._own(scope, headers, body), headers)
            return
        await self._api(scope, headers, body, receive, send)

    def _own(self, scope: Scope, headers: dict[str, str], body: bytes) -> Answer:
        client = scope.get("client")
        if client is None or client[0] not in LOOPBACK:
            return Answer.refused(message(403, "only for clients on this machine"))
        objection = guard.objection_to_call(headers, by_secret=False, everyone=self._everyone)
        if objection is not None:
            return Answer.refused(message(403, objection))
        return self._control.answer(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), body)

    def _page(self, scope: Scope, headers: dict[str, str], body: bytes) -> Answer:
        client = scope.get("client")
        query = scope["query_string"].decode("latin-1")
        visit = Visit(scope["method"], scope["path"], query, headers, body, client[0] if client else None)
        try:
            return self._site.answer(visit)
        except Exception:
            traceback.print_exc()
            return Answer(500, b"The sandbox has a bug; its terminal says more.", content_type="text/plain")

    async def _api(self, scope: Scope, headers: dict[str, str], body: bytes, receive: Receive, send: Send) -> None:
        method, path = scope["method"], _raw_path(scope)
        found: Found | Refused
        try:
            found = self._router.find(method, path)
        except Refused as refusal:
            found = refusal
        by_secret = not isinstance(found, Refused) and "secret" in found[1]
        objection = guard.objection_to_call(headers, by_secret=by_secret, everyone=self._everyone)
        if objection is not None:
            await _respond(send, Answer.refused(message(403, objection)), headers)
            return
        self.engine.journal.request(f"{method} (no such route)" if isinstance(found, Refused) else found[0].name)
        resets = self._faults.resets
        fault = self._faults.strike(method, scope["path"])
        read_before = await self._on_its_way(method, found, fault)
        if fault is not None and fault.do in ("overlap", "stall"):
            fault = None
        if fault is not None and fault.when == "before" and not await _strike(fault, receive, send, headers):
            return
        if resets != self._faults.resets:
            await _close(send)
            return
        try:
            answer = await self._answer(found, scope, headers, body, read_before)
        except NeverAnswered:
            await _until_gone(receive)
            return
        await self._faults.stall.over()
        if fault is not None and fault.do == "half_body":
            await _half(send, answer, headers)
            return
        if fault is not None and fault.when == "after" and not await _strike(fault, receive, send, headers):
            return
        await _respond(send, answer, headers)

    async def _on_its_way(self, method: str, found: Found | Refused, fault: Rule | None) -> str | None:
        """Lets the time pass that a slow server takes. Returns what a change has read of its job before that."""
        if fault is not None and fault.do == "stall":
            self._faults.stall.begin(fault.seconds)
        stalled = await self._faults.stall.over()
        seconds = fault.seconds if fault is not None and fault.do == "overlap" else AT_ONCE if stalled else 0.0
        if not seconds or method == "GET":
            return None
        job = None if isinstance(found, Refused) else self.engine.job(found[1].get("id", ""))
        read = job.lifecycle if job is not None else None
        await asyncio.sleep(seconds)
        return read

    async def _answer(
        self, found: Found | Refused, scope: Scope, headers: dict[str, str], body: bytes, read_before: str | None
    ) -> Answer:
        try:
            if isinstance(found, Refused):
                raise found
            route, parameters = found
            _check_accept(headers.get("accept", "*/*"))
            content_type = headers.get("content-type", "")
            parsed = None if scope["method"] == "GET" else parse_body(body, content_type)
            if content_type.startswith("multipart/form-data"):
                parsed = await _multipart(scope, body)
            query = scope["query_string"].decode("latin-1")
            call = Call(self.engine, scope["method"], _raw_path(scope), query, headers, parameters, parsed, read_before)
            answer = route.handler(call)
            return await answer if inspect.isawaitable(answer) else answer
        except Refused as refusal:
            return Answer.refused(refusal)
        except NeverAnswered:
            raise
        except Exception:
            # A bug of ours looks like one of theirs; whoever started the sandbox is told more.
            traceback.print_exc()
            return Answer.refused(internal())


def _raw_path(scope: Scope) -> str:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0].decode("latin-1")


def _head_size(scope: Scope) -> int:
    line = len(scope["method"]) + len(_raw_path(scope)) + len(scope["query_string"]) + len(" ? HTTP/1.1\r\n")
    return line + sum(len(name) + len(value) + len(": \r\n") for name, value in scope["headers"])


def _check_accept(accept: str) -> None:
    """Refuses who accepts nothing that the framework could write, such as text/html alone. All get JSON."""
    kinds = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    if not kinds & {"", "*/*", "application/*", "text/*", *OFFERED}:
        raise code(406, "NotAcceptable", f"Server accepts: {','.join(OFFERED)}")


async def _multipart(scope: Scope, body: bytes) -> dict[str, str]:
    """The fields of a multipart form. Names are taken literally, so `task_arguments[]` is no list."""

    async def again() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        form = await Request(scope, again).form()
    except Exception as error:
        raise code(400, "BadRequest", f"Invalid multipart: {error}") from None
    return {name: value for name, value in form.items() if not isinstance(value, UploadFile)}


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None if it is too long."""
    chunks: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return b"".join(chunks)
        chunk = event.get("body", b"")
        size += len(chunk)
        if size > LARGEST_BODY:
            return None
        chunks.append(chunk)
        if not event.get("more_body"):
            return b"".join(chunks)


def _encoded(answer: Answer, request: dict[str, str]) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    body = answer.body or b""
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
    if answer.body is not None:
        headers.append((b"content-type", answer.content_type.encode()))
    if len(body) >= SMALLEST_GZIP and "gzip" in request.get("accept-encoding", ""):
        body = gzip.compress(body, compresslevel=1)
        headers += [(b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
    headers.append((b"keep-alive", KEPT_ALIVE))
    if answer.status != 204:
        headers.append((b"content-length", str(len(body)).encode()))
    return body, headers


async def _respond(send: Send, answer: Answer, request: dict[str, str]) -> None:
    body, headers = _encoded(answer, request)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


# -- faults


async def _strike(fault: Rule, receive: Receive, send: Send, headers: dict[str, str]) -> bool:
    """Lets a fault happen. Returns whether the request goes on."""
    if fault.do in ("delay", "half_body"):
        await asyncio.sleep(fault.seconds if fault.do == "delay" else 0)
        return True
    if fault.do == "status":
        answer = Answer.of(fault.body, fault.status)
    elif fault.do == "html":
        answer = Answer(fault.status, HTML.encode(), content_type="text/html")
    elif fault.do == "close":
        await _close(send)
        return False
    else:
        await _until_gone(receive)
        return False
    if fault.status in BODILESS:
        answer.body = None
    answer.headers.update(fault.headers)
    await _respond(send, answer, headers)
    return False


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _transport(send: Send) -> asyncio.Transport:
    """The connection behind an answer. ASGI has no way to break one off; uvicorn's `send` knows it."""
    transport: asyncio.Transport = send.__self__.transport  # type: ignore[attr-defined]
    return transport


async def _close(send: Send) -> None:
    _transport(send).close()
    await asyncio.sleep(0.01)  # until uvicorn has noticed, lest it complain about the missing answer


async def _half(send: Send, answer: Answer, request: dict[str, str]) -> None:
    body, headers = _encoded(answer, request)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    await _close(send)
