"""Counts what was asked of the server and what became of jobs, so that tests can say "once"."""

from __future__ import annotations

from collections import Counter
from typing import Any

from .job import Job

EVENTS = ("created", "released", "started", "cancelled")


class Journal:
    """Requests by route pattern, and for each job how often it was created, released, started and cancelled."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Starts counting anew. Jobs from before appear again when something happens to them."""
        self._requests: Counter[str] = Counter()
        self._jobs: dict[str, dict[str, Any]] = {}

    def request(self, route: str) -> None:
        """Counts a request, e.g. `GET /{customer}/job/{id}`."""
        self._requests[route] += 1

    def job(self, job: Job, event: str) -> None:
        """Counts an event of a job."""
        entry = self._jobs.get(job.id)
        if entry is None:
            template = {"workflow_id": job.workflow_id} if job.is_run else {"task_id": job.task_id}
            entry = self._jobs[job.id] = {"name": job.name, **template, **dict.fromkeys(EVENTS, 0)}
        entry[event] += 1

    def shown(self) -> dict[str, Any]:
        """All counts, and their sums."""
        sums = {event: sum(entry[event] for entry in self._jobs.values()) for event in EVENTS}
        return {
            "requests": dict(self._requests),
            "jobs": self._jobs,
            "totals": {"requests": self._requests.total(), **sums},
        }
