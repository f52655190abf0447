"""A host's agent in a process of its own, for tests in which the server ends and the hosts live on.

python -m tests.agent URL HOST FOLDER AT_A_TIME, with the agent's token in the environment as ``THEEYE_AGENT_TOKEN``.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

from airflow_provider_theeye.sandbox import lastline

TOKEN_VARIABLE = "THEEYE_AGENT_TOKEN"
ASK_EVERY = 0.1


class Agent:
    """Fetches the host's work, runs at most ``at_a_time`` scripts, and reports each until the server has heard it."""

    def __init__(self, url: str, token: str, host: str, folder: Path, at_a_time: int = 1) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._host = host
        self._folder = folder
        self._at_a_time = at_a_time

    def serve(self) -> NoReturn:
        free = threading.Semaphore(self._at_a_time)
        with ThreadPoolExecutor(self._at_a_time) as pool:
            while True:
                free.acquire()
                job = self._next_job()
                pool.submit(self._do, job).add_done_callback(lambda _: free.release())

    def _next_job(self) -> dict[str, Any]:
        while True:
            jobs: list[dict[str, Any]] = self._ask("GET", f"/demo/job?hostname={self._host}")["jobs"]
            if jobs:
                return jobs[0]
            time.sleep(ASK_EVERY)

    def _do(self, job: dict[str, Any]) -> None:
        self._ask("PUT", f"/demo/job/{job['id']}", {"result": self._run(job)})

    def _run(self, job: dict[str, Any]) -> dict[str, Any]:
        script = self._folder / f"{job['id']}.sh"
        script.write_text(job["script"]["data"])
        command = ["bash", str(script), *job["task_arguments_values"]]
        began = time.monotonic()
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return lastline.report(done.stdout, done.returncode, None, False, time.monotonic() - began)

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        while True:
            request = urllib.request.Request(self._url + path, data, self._headers, method=method)
            with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=5) as answer:
                text = answer.read()
                return json.loads(text) if text else None
            time.sleep(ASK_EVERY)


if __name__ == "__main__":
    url, host, folder, at_a_time = sys.argv[1:]
    Agent(url, os.environ[TOKEN_VARIABLE], host, Path(folder), int(at_a_time)).serve()
