"""TheEye: the sandbox with its jobs in a file, hosts that outlive it, and what it counts over its restarts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import requests

from airflow_provider_theeye.sandbox import Sandbox
from tests.agent import TOKEN_VARIABLE
from tools.airflow_env import ROOT
from tools.processes import end_session

HOST = "host-a"
TASK = "gated"
#: More than all rows together have at a time: cancelled scripts run on until their gate is opened.
SCRIPTS = 600
EVENTS = ("created", "released", "started", "cancelled")
OVER = ("finished", "terminated", "canceled")
#: The user whose token the connection has before and after the rotation.
USERS = ("before", "after")
HOURS = 3600

_DEFINITIONS: dict[str, Any] = {
    "organizations": {
        "demo": {"hosts": [HOST], "users": {name: {"role": "integration"} for name in ("integration", *USERS)}}
    },
    "tasks": {
        TASK: {
            "name": "Gated",
            "host": HOST,
            "arguments": ["gate", "answer"],
            # Waits without any work until nobody holds the gate's lock.
            "script": 'flock --shared "$1" true\nprintf \'["%s"]\\n\' "$2"',
            "timeout": 6 * HOURS,
            "autoremove": None,
        }
    },
}


class TheEye:
    """For the length of a run of all rows; `stop` and `start` are an outage."""

    def __init__(self, folder: Path, logs: Path) -> None:
        self._folder = folder / "theeye"
        self._log = logs / "theeye-agent.log"
        self.sandbox = Sandbox(_DEFINITIONS, runner=False, db=self._folder / "jobs.db")
        self._agent: subprocess.Popen[bytes] | None = None
        self._counts: dict[str, Counter[str]] = {}
        self._answers: dict[str, str] = {}

    def create(self) -> None:
        scripts = self._folder / "scripts"
        scripts.mkdir(parents=True)
        self.sandbox.start()
        arguments = (self.sandbox.url, HOST, str(scripts), str(SCRIPTS))
        with self._log.open("ab") as output:
            self._agent = subprocess.Popen(
                [sys.executable, "-m", "tests.agent", *arguments],
                env={**os.environ, TOKEN_VARIABLE: self.sandbox.token(f"agent:{HOST}")},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self) -> None:
        """The server alone; it keeps its jobs, but not what it counted."""
        self._note_counts()
        self.sandbox.stop()

    def start(self) -> None:
        self.sandbox.start()

    def end(self) -> None:
        if self._agent is not None:
            end_session(self._agent, grace=0)
        self.sandbox.stop()

    def connection(self, user: str) -> dict[str, Any]:
        # With a token all can be done; a secret key beside it would only widen what is tried.
        return self.sandbox.airflow_connection(user, secrets={})

    def rotate_token(self, old: str) -> None:
        self.sandbox.revoke_token(old)

    def jobs(self, gates: Iterable[str]) -> list[dict[str, Any]]:
        """All jobs that wait, or waited, at these gates, oldest first, with how often each script was started.

        ``answer`` is what tells whose job it is: the script's second argument.
        """
        rows = [row for gate in gates for row in self._ask("job", **{"where[task_arguments_values.0]": gate})]
        counts = self.counts()
        found = [{**row, "counts": counts.get(row["id"], Counter()), "answer": self._answer(row["id"])} for row in rows]
        return sorted(found, key=lambda row: (row["creation_date"], row["id"]))

    def counts(self) -> dict[str, Counter[str]]:
        """How often each job was created, released, started and cancelled, over all restarts."""
        total = {ident: Counter(counts) for ident, counts in self._counts.items()}
        for ident, counts in self.sandbox.journal()["jobs"].items():
            total.setdefault(ident, Counter()).update({event: counts[event] for event in EVENTS})
        return total

    def _note_counts(self) -> None:
        self._counts = self.counts()
        self.sandbox.reset_journal()

    def _answer(self, job_id: str) -> str:
        """Lists do not show arguments; they never change."""
        if job_id not in self._answers:
            self._answers[job_id] = self._ask(f"job/{job_id}")["task_arguments_values"][1]
        return self._answers[job_id]

    def _ask(self, path: str, **query: str) -> Any:
        headers = {"Authorization": f"Bearer {self.sandbox.token()}"}
        answer = requests.get(f"{self.sandbox.url}/demo/{path}", params=query, headers=headers, timeout=30)
        answer.raise_for_status()
        return answer.json()
