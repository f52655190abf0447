"""A sandbox with something to look at, and Debian's Chromium to look with."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_theeye.sandbox import Sandbox
from tools.chromium import ARGUMENTS, CHROMIUM

try:
    from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
except ImportError:
    # Test modules take these from here, so that without playwright they can be skipped one by one.
    Browser = BrowserContext = Page = expect = sync_playwright = None  # type: ignore

WORLD = Path(__file__).with_name("world.yaml")
SCREENSHOTS = Path(__file__).resolve().parents[2] / ".run" / "screenshots"
OVER = ("finished", "terminated", "canceled")


class Server:
    """A running sandbox, asked past its pages."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.url = sandbox.url
        self._headers = {"Authorization": f"Bearer {sandbox.token()}"}

    def create(self, key: str, *values: Any, **more: Any) -> str:
        """A job of a task."""
        body = {"task": self.sandbox.task_id(key), "task_arguments": list(values), **more}
        answer = requests.post(f"{self.url}/job", json=body, headers=self._headers, timeout=10)
        answer.raise_for_status()
        return str(answer.json()["id"])

    def create_by_secret(self, key: str, *values: Any) -> str:
        """A job by the task's secret key: what asks a person waits for its input then."""
        path = f"/task/{self.sandbox.task_id(key)}/secret/{self.sandbox.task_secret(key)}/job"
        answer = requests.post(self.url + path, json={"task_arguments": list(values)}, timeout=10)
        answer.raise_for_status()
        return str(answer.json()["id"])

    def start(self, key: str) -> str:
        """A run of a workflow."""
        path = f"/workflows/{self.sandbox.workflow_id(key)}/job"
        answer = requests.post(self.url + path, json={"task_arguments": []}, headers=self._headers, timeout=10)
        answer.raise_for_status()
        return str(answer.json()["id"])

    def read(self, job: str) -> dict[str, Any]:
        """A job's document."""
        answer = requests.get(f"{self.url}/demo/job/{job}", headers=self._headers, timeout=10)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def cancel(self, job: str) -> None:
        """Cancels a job behind the page's back."""
        requests.put(f"{self.url}/demo/job/{job}/cancel", headers=self._headers, timeout=10).raise_for_status()

    def restart(self, job: str) -> None:
        """Starts a job again that is over and has no arguments."""
        requests.put(f"{self.url}/demo/job/{job}/restart", headers=self._headers, timeout=10).raise_for_status()

    def children(self, run: str) -> dict[str, dict[str, Any]]:
        """The steps' jobs by the end of their names."""
        path = f"/workflows/{self.read(run)['workflow_id']}/job/{run}/jobs"
        answer = requests.get(self.url + path, headers=self._headers, timeout=10)
        return {child["name"].rpartition(" / ")[2]: child for child in answer.json()}

    def until(self, test: Callable[[], Any], seconds: float = 15) -> Any:
        """Waits until something is so."""
        return self.sandbox.wait(test, seconds)

    def until_over(self, job: str) -> dict[str, Any]:
        """Waits for a job's end."""
        self.until(lambda: self.read(job)["lifecycle"] in OVER)
        return self.read(job)

    def page(self, job: str) -> str:
        """The address of a job's page, as the connection's links have it."""
        return str(self.sandbox.airflow_connection()["extra"]["web_url"]).replace("{job_id}", job)

    def task_page(self, key: str) -> str:
        """The address of a task's page."""
        return f"{self.url}/tasks/{self.sandbox.task_id(key)}"

    def workflow_page(self, key: str) -> str:
        """The address of a workflow's page."""
        return f"{self.url}/workflow-pages/{self.sandbox.workflow_id(key)}"


@pytest.fixture(scope="package")
def server() -> Iterator[Server]:
    with Sandbox(WORLD) as running:
        yield Server(running)


def _missing() -> str | None:
    if sync_playwright is None:
        return "playwright is not installed (pip install playwright)"
    return None if CHROMIUM.exists() else f"there is no {CHROMIUM} (apt-get install chromium)"


# Not for the session: as long as playwright runs it keeps an event loop, in which other tests could not begin theirs.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    missing = _missing()
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"the page cannot be tested: {missing}")
    if missing:
        pytest.skip(missing)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(ARGUMENTS))
        yield running
        running.close()


Open = Callable[..., "Page"]


@pytest.fixture
def open_page(browser: Browser, server: Server, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens addresses, each in a tab of its own, and fails for what the browser complains about in its console."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_one(address: str, *, wait: bool = True, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": 1200, "height": 800}, **options)
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.goto(address)
        if wait and options.get("java_script_enabled", True):
            page.wait_for_selector(".pulse:not([hidden])")  # it has been renewed once
        return page

    yield open_one
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"\W+", "-", request.node.name).strip("-")
    for number, context in enumerate(contexts):
        for page in context.pages:
            page.screenshot(path=SCREENSHOTS / f"{name}{number or ''}.png", full_page=True)
        context.close()
    # Chromium also mentions what tests bring about on purpose: refusals, and servers that have ended.
    assert [one for one in complaints if not one.startswith("Failed to load resource")] == []
