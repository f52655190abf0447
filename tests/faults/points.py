"""Places in a try at which the harness may step in: it may kill the process there, change TheEye, or let it go on.

Only the child process is instrumented, from outside; the provider knows nothing of it.
"""

from __future__ import annotations

import functools
import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from airflow_provider_theeye.api.aio import AsyncTheEyeClient
from airflow_provider_theeye.api.call import Call
from airflow_provider_theeye.api.client import TheEyeClient
from airflow_provider_theeye.handover import Handover


class Line:
    """One JSON text per line, over a socket between the harness and a child."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self._received = b""

    def send(self, message: dict[str, Any]) -> None:
        self.socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> dict[str, Any] | None:
        """The next message; ``None`` once the other side is gone."""
        while b"\n" not in self._received:
            try:
                chunk = self.socket.recv(1 << 16)
            except ConnectionResetError:  # it died with a message unread
                return None
            if not chunk:
                return None
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found


class Points:
    """The child's side: reports that a place was reached and waits there for the harness's word."""

    def __init__(self, line: Line, wanted: Iterable[str]) -> None:
        self._line = line
        self._wanted = frozenset(wanted)

    def reach(self, place: str) -> None:
        if place not in self._wanted:
            return
        self._line.send({"point": place})
        answer = self._line.receive() or {}
        os.environ.update(answer.get("environment", {}))

    def install(self) -> None:
        """Watch the requests of both clients and the moment before a result is handed over."""
        self._wrap_sync()
        self._wrap_async()
        finish = Handover.finish

        @functools.wraps(finish)
        def watched(handover: Handover, *given: Any) -> Any:
            self.reach("before finish")
            return finish(handover, *given)

        Handover.finish = watched  # type: ignore[method-assign]

    def _wrap_sync(self) -> None:
        run: Callable[..., Any] = TheEyeClient.run

        @functools.wraps(run)
        def watched(client: TheEyeClient, call: Call[Any], **options: Any) -> Any:
            name = _name(call)
            self.reach(f"before {name}")
            value = run(client, call, **options)
            self.reach(f"after {name}")
            return value

        TheEyeClient.run = watched  # type: ignore[method-assign]

    def _wrap_async(self) -> None:
        run: Callable[..., Awaitable[Any]] = AsyncTheEyeClient.run

        @functools.wraps(run)
        async def watched(client: AsyncTheEyeClient, call: Call[Any], **options: Any) -> Any:
            name = _name(call)
            self.reach(f"before {name}")
            value = await run(client, call, **options)
            self.reach(f"after {name}")
            return value

        AsyncTheEyeClient.run = watched  # type: ignore[method-assign, assignment]


def _name(call: Call[Any]) -> str:
    """A poll asks for its job by id, other lists do not: they are no *look*."""
    if call.method == "POST":
        return "post"
    if call.template == "/job/{id}/synced":
        return "release"
    if call.template == "/{customer}/job/{id}" and call.method == "GET":
        return "read"
    if call.template == "/{customer}/job" and any(key.startswith("where[_id]") for key, _ in call.query):
        return "look"
    return "other"
