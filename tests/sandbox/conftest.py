"""A running sandbox and a small client for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from airflow_provider_theeye.sandbox import Sandbox

OVER = ("finished", "terminated", "canceled")


class Client:
    """Asks a sandbox as a user."""

    def __init__(self, sandbox: Sandbox, user: str = "integration") -> None:
        self.sandbox = sandbox
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {sandbox.token(user)}"

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        return self.session.request(method, self.sandbox.url + path, timeout=20, **more)

    def create(self, key: str, *arguments: Any, **more: Any) -> dict[str, Any]:
        body = {"task": self.sandbox.task_id(key), "task_arguments": list(arguments), **more}
        answer = self.ask("POST", "/job", json=body)
        answer.raise_for_status()
        return answer.json()

    def start(self, key: str, *arguments: Any, **more: Any) -> dict[str, Any]:
        body = {"task_arguments": list(arguments), **more}
        answer = self.ask("POST", f"/workflows/{self.sandbox.workflow_id(key)}/job", json=body)
        answer.raise_for_status()
        return answer.json()

    def read(self, job: str) -> dict[str, Any]:
        answer = self.ask("GET", f"/demo/job/{job}")
        answer.raise_for_status()
        return answer.json()

    def until(self, job: str, *lifecycles: str, seconds: float = 10) -> dict[str, Any]:
        def there() -> dict[str, Any] | None:
            found = self.read(job)
            return found if found["lifecycle"] in (lifecycles or OVER) else None

        return self.sandbox.wait(there, seconds)

    def children(self, key: str, run: str) -> list[dict[str, Any]]:
        return self.ask("GET", f"/workflows/{self.sandbox.workflow_id(key)}/job/{run}/jobs").json()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Client]:
    yield Client(sandbox)
    sandbox.clear_faults()


def world(**tasks: dict[str, Any]) -> dict[str, Any]:
    """Definitions with one host and these tasks."""
    users = {"integration": {"role": "integration"}, "user": {"role": "user"}, "viewer": {"role": "viewer"}}
    described = {key: {"name": key, "host": "host-a", **task} for key, task in tasks.items()}
    return {"organizations": {"demo": {"hosts": ["host-a", "host-b"], "users": users}}, "tasks": described}
