"""A sandbox full of running jobs, and a process of its own that ends some of them at given times.

No script runs: this plays the host's agent, through the same routes that a real agent uses.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from airflow_provider_theeye.sandbox import Sandbox

HOST = "host-a"
ORGANIZATION = "demo"
DEFINITIONS: dict[str, Any] = {
    "organizations": {ORGANIZATION: {"hosts": [HOST], "users": {"integration": {"role": "integration"}}}},
    # Longer than any benchmark, and kept: neither a time limit nor retention may end or remove a job by itself.
    "tasks": {"wait": {"name": "Wait", "host": HOST, "script": "true", "timeout": 86400, "autoremove": None}},
}
#: No benchmark waits for a host that is lost.
SANDBOX_OPTIONS = ("--host-lost-after", "86400")
POLLS = "GET /{customer}/job"
READS = "GET /{customer}/job/{id}"
#: A connection is closed after five idle seconds.
SIGN_OF_LIFE = 2.0

#: When to end which job, in seconds after the start.
Plan = Sequence[tuple[float, str]]


class Asker:
    """One kept connection to the sandbox as one of its users."""

    def __init__(self, url: str, token: str) -> None:
        self._http = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        self._http.request(method, path, None if body is None else json.dumps(body), self._headers)
        answer = self._http.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:200]!r}")
        return json.loads(text) if text else None


class RunningJobs:
    """As many running jobs as asked for; those that have ended are replaced."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._ids: list[str] = []

    def ids(self, count: int) -> list[str]:
        """Ids of ``count`` jobs that a host has taken and that are not over."""
        user = Asker(self._sandbox.url, self._sandbox.token())
        agent = Asker(self._sandbox.url, self._sandbox.token(f"agent:{HOST}"))
        task = self._sandbox.task_id("wait")
        while len(self._ids) < count:
            user.ask("POST", "/job", {"task": task, "task_arguments": []})
            (job,) = agent.ask("GET", f"/{ORGANIZATION}/job?hostname={HOST}")["jobs"]
            self._ids.append(job["id"])
        return self._ids[:count]

    def end_later(self, plan: Plan) -> Ender:
        """Let a process end jobs. The plan begins to run when its ``start`` is called."""
        planned = {job_id for _, job_id in plan}
        self._ids = [one for one in self._ids if one not in planned]
        return Ender(self._sandbox, plan)

    def requests(self) -> tuple[int, int]:
        """How many polls (lists of rows) and how many reads of whole documents came since the last reset."""
        counted = self._sandbox.journal()["requests"]
        return counted.get(POLLS, 0), counted.get(READS, 0)

    def reset(self) -> None:
        self._sandbox.reset_journal()


class Ender:
    """A process that reports the ends of jobs as their agent would."""

    def __init__(self, sandbox: Sandbox, plan: Plan) -> None:
        self._ends: multiprocessing.Queue[dict[str, float]] = multiprocessing.Queue()
        self._begin = multiprocessing.Event()
        arguments = (sandbox.url, sandbox.token(f"agent:{HOST}"), plan, self._begin, self._ends)
        self._process = multiprocessing.Process(target=_end_jobs, args=arguments, daemon=True)
        self._process.start()

    def start(self) -> None:
        self._begin.set()

    def ends(self) -> dict[str, float]:
        """The time at which each job ended, by the server's clock, which is this machine's."""
        found = self._ends.get(timeout=20)
        self._process.join()
        return found


def _end_jobs(url: str, token: str, plan: Plan, begin: Any, out: Any) -> None:
    agent = Asker(url, token)
    begin.wait(600)
    started = time.monotonic()
    ends = {}
    for seconds, job_id in plan:
        while (left := started + seconds - time.monotonic()) > 0:
            time.sleep(min(left, SIGN_OF_LIFE))
            agent.ask("PUT", f"/{ORGANIZATION}/agent/{HOST}")
        said = {"result": {"state": "success", "data": {"code": 0, "log": "working\nsuccess\n", "lastline": "success"}}}
        job = agent.ask("PUT", f"/{ORGANIZATION}/job/{job_id}", said)
        ends[job_id] = datetime.fromisoformat(job["last_update"].replace("Z", "+00:00")).timestamp()
    out.put(ends)
