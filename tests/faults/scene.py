"""One case's own TheEye: a sandbox, the gate that keeps its scripts running, and what became of its jobs."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_theeye.sandbox import Sandbox
from tests.faults.agent import Agent

CONNECTION = "AIRFLOW_CONN_THEEYE_DEFAULT"
OVER = ("finished", "terminated", "canceled")

#: Its argument is the path of the gate that it waits for, not for ever. A file beside the gate lets it fail once.
_WORK = """echo working
for n in $(seq 400); do [ -e "$1" ] && break; sleep 0.1; done
if rm "$1.fail" 2>/dev/null; then echo 'no luck'; echo failure; exit 1; fi
echo '{"state":"success","data":["done",{"n":1}]}'
"""
_HAND_ON = """printf '["%s"]\\n' "$1" """


def definitions(user: str = "integration") -> dict[str, Any]:
    """A world with a task and a workflow.

    :param user: whose token the connection has; one with another name has another token.
    """

    def task(name: str, script: str) -> dict[str, Any]:
        return {"name": name, "host": "host-a", "arguments": ["gate"], "script": script}

    steps = {"prepare": task("Prepare", _HAND_ON), "work": task("Work", _WORK)}
    chain = {"name": "Prepare And Work", "host": "host-a", "steps": steps, "edges": [{"from": "prepare", "to": "work"}]}
    users = {user: {"role": "integration"}, "person": {"role": "admin"}}
    return {
        "organizations": {"demo": {"hosts": ["host-a"], "users": users}},
        "tasks": {"work": task("Work", _WORK)},
        "workflows": {"work": chain},
    }


@dataclass(frozen=True)
class Run:
    """One job of a task, or one workflow job with its steps, as it was at the end."""

    lifecycle: str
    started: int
    steps_started: int
    live: int
    started_twice: bool
    cancelled: bool


class Scene:
    """:param own_agent: a process of ours runs the scripts, so that they outlive the server.
    :param sandbox_options: more of its command line.
    """

    def __init__(self, folder: Path, kind: str, *, own_agent: bool, sandbox_options: tuple[str, ...]) -> None:
        self.folder = folder
        self.kind = kind
        self.gate = str(folder / "gate")
        self._user = "integration"
        self._token = ""
        self.sandbox = Sandbox(
            folder / "world.json", runner=not own_agent, db=folder / "jobs.db", extra_args=sandbox_options
        )
        self._own_agent = own_agent
        self._agent: Agent | None = None
        self._journal: dict[str, Counter[str]] = {}
        self._plans: list[tuple[Callable[[], bool], Callable[[], None]]] = []
        self.faults_fired = 0

    def __enter__(self) -> Scene:
        self._write_world()
        self.sandbox.start()
        self.put_token_into_connection()
        if self._own_agent:
            self._agent = Agent(self.sandbox.url, self.sandbox.token("agent:host-a"), self.folder)
        return self

    def __exit__(self, *_: object) -> None:
        if self._agent is not None:
            self._agent.end()
        self.sandbox.stop()

    @property
    def theeye_id(self) -> str:
        return (self.sandbox.task_id if self.kind == "task" else self.sandbox.workflow_id)("work")

    def connection(self, **extra: Any) -> dict[str, str]:
        """The environment variable of the Airflow connection."""
        known = {**self.sandbox.airflow_connection("person", **extra), "password": self._token}
        return {CONNECTION: json.dumps(known)}

    # -- what a case does to TheEye

    def open_gate(self) -> None:
        Path(self.gate).touch()

    def fail_once(self) -> None:
        """The next script fails."""
        Path(f"{self.gate}.fail").touch()

    def when(self, test: Callable[[], bool], do: Callable[[], None]) -> None:
        """Do it as soon as the test holds; asked while the harness waits for a child."""
        self._plans.append((test, do))

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        end = time.monotonic() + seconds
        self.when(lambda: time.monotonic() >= end, do)

    def tick(self) -> None:
        due = [plan for plan in self._plans if plan[0]()]
        self._plans = [plan for plan in self._plans if plan not in due]
        for _, do in due:
            do()

    def kill_server(self) -> None:
        self._note_journal()
        self.sandbox.kill()

    def start_server(self) -> None:
        self.sandbox.start()

    def revoke_token(self) -> None:
        """The token's user is gone, another one is there in its place."""
        self.kill_server()
        self._user = "successor"
        self._write_world()
        self.start_server()

    def put_token_into_connection(self) -> None:
        self._token = self.sandbox.token(self._user)

    def ask(self, method: str, path: str) -> Any:
        """A request of a person's; on no path that a case lets fail."""
        headers = {"Authorization": f"Bearer {self.sandbox.token('person')}"}
        request = urllib.request.Request(self.sandbox.url + path, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def live_rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.ask("GET", "/job/running?customer=demo")
        return rows

    def until_working(self) -> dict[str, Any]:
        """The job whose script stands before the gate: of a workflow that is the last step."""

        def found() -> dict[str, Any] | None:
            assigned = [row for row in self.live_rows() if row["lifecycle"] == "assigned"]
            return next((row for row in assigned if row["name"] != "Prepare"), None)

        working: dict[str, Any] = self.sandbox.wait(found, 20)
        return working

    def top_of(self, row: dict[str, Any]) -> str:
        return str(row.get("workflow_job_id") or row["id"])

    def fault(self, **rule: Any) -> None:
        self.sandbox.set_faults([rule])

    def fired(self) -> int:
        return sum(rule["fired"] for rule in self.sandbox.faults())

    # -- what became of it all

    def still_running(self) -> int:
        """Jobs and workflow jobs that live on, held ones aside: those never run."""
        return len({self.top_of(row) for row in self.live_rows() if row["lifecycle"] != "syncing"})

    def settle(self) -> None:
        """Let whatever still runs come to its end by itself, as far as it does."""
        self.open_gate()
        self.faults_fired = self.fired()
        self.sandbox.clear_faults()
        self.sandbox.set_host("host-a", alive=True)
        with contextlib.suppress(Exception):
            self.sandbox.wait(lambda: all(row["lifecycle"] in ("syncing", "onhold") for row in self.live_rows()), 8)

    def runs(self) -> list[Run]:
        """All that was ever made, oldest first."""
        self._note_journal()
        rows = {row["id"]: row for row in self.ask("GET", "/demo/job")}
        steps = [row for row in rows.values() if row.get("workflow_job_id")]
        made: dict[str, list[dict[str, Any]]] = {}
        for row in sorted(steps, key=lambda row: row["creation_date"]):
            made.setdefault(row["workflow_job_id"], []).append(row)
        tops = [row for row in rows.values() if not row.get("workflow_job_id")]
        found = [self._run(row, made.get(row["id"], [])) for row in sorted(tops, key=lambda row: row["creation_date"])]
        forgotten = [ident for ident in self._journal if ident not in rows]
        return found + self._forgotten(forgotten)

    def _run(self, row: dict[str, Any], steps: list[dict[str, Any]]) -> Run:
        parts = steps or [row]
        counts = [self._journal.get(part["id"], Counter()) for part in parts]
        live = [part for part in [row, *steps] if part["lifecycle"] not in OVER]
        return Run(
            lifecycle=row["lifecycle"],
            started=counts[0]["started"],
            steps_started=sum(count["started"] for count in counts),
            live=len(live),
            started_twice=any(count["started"] > 1 for count in counts),
            cancelled=row["lifecycle"] in OVER
            and row["state"] == "canceled"
            and any(count["cancelled"] for count in counts),
        )

    def _forgotten(self, idents: list[str]) -> list[Run]:
        """Jobs whose records were deleted; the journal alone remembers them, a workflow's first step as its run."""
        counts = [self._journal[ident] for ident in idents if self._journal[ident]["started"]]
        if not counts:
            return []
        started = [count["started"] for count in counts]
        return [Run("deleted", started[0], sum(started), 0, max(started) > 1, False)]

    def _note_journal(self) -> None:
        """The journal dies with the server, so it is read before each kill; a job's counts go on from zero then."""
        for ident, counts in self.sandbox.journal()["jobs"].items():
            known = self._journal.setdefault(ident, Counter())
            known.update({event: counts[event] for event in ("created", "released", "started", "cancelled")})
        self.sandbox.reset_journal()

    def _write_world(self) -> None:
        (self.folder / "world.json").write_text(json.dumps(definitions(self._user)))
