"""Jobs as the real server showed them, and shorter ones made by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow_provider_theeye.api.errors import TheEyeError
from airflow_provider_theeye.api.models import Job
from airflow_provider_theeye.jobs.clocks import Instant
from airflow_provider_theeye.jobs.waiting import End, JobWatch

DATA = Path(__file__).parent / "data"


def recorded(name: str, **changes: Any) -> Job:
    """A recorded document, with some fields changed; ``None`` takes a field away."""
    row = json.loads((DATA / f"{name}.json").read_text()) | changes
    return Job.parse({key: value for key, value in row.items() if value is not None})


def recorded_steps() -> tuple[Job, ...]:
    return tuple(Job.parse(row) for row in json.loads((DATA / "workflow-steps.json").read_text()))


def ident(number: int) -> str:
    return f"{number:024x}"


def row(number: int, lifecycle: str = "ready", state: str | None = None, **fields: Any) -> dict[str, Any]:
    """A document of a script job. Its state, unless given, is what TheEye would say."""
    usual = {"finished": "success", "canceled": "canceled", "terminated": "canceled"}.get(lifecycle, "in_progress")
    return {
        "_type": "ScriptJob",
        "id": ident(number),
        "name": f"job {number}",
        "lifecycle": lifecycle,
        "state": state or usual,
        "creation_date": f"2026-01-01T00:{number // 60 % 60:02}:{number % 60:02}.000Z",
        "last_update": f"2026-01-01T01:{number // 60 % 60:02}:{number % 60:02}.000Z",
        **fields,
    }


def job(number: int, lifecycle: str = "ready", state: str | None = None, **fields: Any) -> Job:
    return Job.parse(row(number, lifecycle, state, **fields))


def run(number: int, lifecycle: str = "started", state: str | None = None, **fields: Any) -> Job:
    """A workflow job."""
    return job(number, lifecycle, state, _type="WorkflowJob", workflow_id=ident(900), **fields)


def report(code: int | None = 0, log: str = "working\nsuccess\n", **fields: Any) -> dict[str, Any]:
    """What an agent reports."""
    lines = log.splitlines() or [""]
    return {"code": code, "log": log, "lastline": lines[-1], "signal": None, "killed": False, **fields}


def at(seconds: float | Instant) -> Instant:
    """Both clocks show the same."""
    return seconds if isinstance(seconds, Instant) else Instant(seconds, seconds)


class OneClock(JobWatch):
    """A watch that is told one time: nobody sets a clock."""

    def saw(self, job: Job, steps: Sequence[Job], now: Any) -> End | None:
        return super().saw(job, steps, at(now))

    def waited(self, now: Any) -> End | None:
        return super().waited(at(now))

    def failed(self, error: TheEyeError, now: Any) -> End | None:
        return super().failed(error, at(now))

    def delay(self, now: Any) -> float:
        return super().delay(at(now))

    def rest(self, began: Any, now: Any) -> float:
        return super().rest(at(began), at(now))
