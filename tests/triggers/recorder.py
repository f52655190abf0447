"""Stands between a client and the sandbox and writes down when which request came, and how many at a time."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Request:
    """One request: when it came, when its answer began."""

    target: str
    came: float
    answered: float = float("inf")

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def ids(self) -> list[str]:
        query = parse_qsl(urlsplit(self.target).query, keep_blank_values=True)
        return [value for name, value in query if name == "where[_id][$in][]"]


@dataclass
class Recorder:
    """``with Recorder(sandbox.url) as recorder:`` use ``recorder.url`` instead. For GET requests only."""

    server: str
    requests: list[Request] = field(default_factory=list)
    url: str = ""

    def lists(self) -> list[Request]:
        return [one for one in self.requests if one.path == "/demo/job"]

    def reads(self) -> list[Request]:
        return [one for one in self.requests if one.path.startswith("/demo/job/")]

    def most_reads_at_once(self) -> int:
        reads = self.reads()
        return max(sum(other.came <= one.came < other.answered for other in reads) for one in reads)

    def __enter__(self) -> Recorder:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        self._listening = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listening.sockets[0].getsockname()[1]}"

    async def _stop(self) -> None:
        self._listening.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = urlsplit(self.server)
        upstream, to_server = await asyncio.open_connection(address.hostname, address.port)
        mine: list[Request] = []

        async def ask() -> None:
            while head := await reader.readuntil(b"\r\n\r\n"):
                mine.append(Request(head.split(b" ", 2)[1].decode(), time.monotonic()))
                self.requests.append(mine[-1])
                to_server.write(head)

        async def answer() -> None:
            while data := await upstream.read(65536):
                mine[-1].answered = min(mine[-1].answered, time.monotonic())
                writer.write(data)

        directions = [asyncio.ensure_future(ask()), asyncio.ensure_future(answer())]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in directions:
                task.cancel()
            with contextlib.suppress(Exception):
                await asyncio.gather(*directions, return_exceptions=True)
            writer.close()
            to_server.close()
