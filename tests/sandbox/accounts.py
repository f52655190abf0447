"""A server with an account of one's own making: answers with given documents and notes who asked for what."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

TOKEN = "a-token-that-opens-the-account"
Answer = tuple[int, Any]


class AccountServer:
    """`documents`: what a path answers, 200 and a value or a status of its own; bytes are sent as they are."""

    def __init__(self, **lists: Any) -> None:
        self.asked: list[str] = []
        self.documents: dict[str, Any] = {
            "/acme/job": [],
            "/acme/task": lists.get("tasks", []),
            "/workflows": lists.get("workflows", []),
        }
        for name, path in (("webhooks", "/acme/webhook"), ("hosts", "/acme/resource")):
            if name in lists:
                self.documents[path] = lists[name]
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def connection(self) -> str:
        """As Airflow's URI."""
        return f"theeye://:{TOKEN}@127.0.0.1:{self._server.server_port}/acme"

    def answer(self, path: str) -> Answer:
        found = self.documents.get(path, (404, {"code": "ResourceNotFound", "message": f"{path} does not exist"}))
        return found if isinstance(found, tuple) else (200, found)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        account = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                account.asked.append(path)
                allowed = self.headers["Authorization"] == f"Bearer {TOKEN}"
                status, body = account.answer(path) if allowed else (401, "Unauthorized")
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                if not isinstance(body, bytes):
                    self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler

    def __enter__(self) -> AccountServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
