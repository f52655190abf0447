"""Jobs in lists, and the addresses of pages."""

from __future__ import annotations

from dataclasses import dataclass

from ..engine import Engine
from ..job import Job
from . import attempts
from .look import Look, of_job
from .run_words import run_look
from .runs import Run
from .show import Time, duration


def job_page(job_id: str) -> str:
    """The address of a job's page."""
    return f"/jobs/{job_id}"


def task_page(task_id: str) -> str:
    """The address of a task's page."""
    return f"/tasks/{task_id}"


def workflow_page(workflow_id: str) -> str:
    """The address of a workflow's page; `/workflows/{id}` is one of TheEye's own routes."""
    return f"/workflow-pages/{workflow_id}"


@dataclass(frozen=True)
class Chip:
    """A step of a run, as small as it gets."""

    name: str
    look: Look
    mark: str


@dataclass(frozen=True)
class Row:
    """A job in a list; `again` tells that it was started again."""

    id: str
    page: str
    name: str
    kind: str
    look: Look
    again: str
    host: str
    created: Time
    took: str
    chips: list[Chip]


def ended_at(job: Job) -> float | None:
    """When a job ended, None while it lives."""
    return job.history[-1].at if job.over else None


def took(engine: Engine, job: Job) -> str:
    """How long a job's newest attempt has been there, or was until it ended."""
    return duration((ended_at(job) or engine.clock()) - attempts.began(job))


def kind(job: Job) -> str:
    """`workflow`, `task`, or what is special about the task."""
    word = job.type.removesuffix("Job").lower()
    return {"script": "task", "agentupdate": "agent update"}.get(word, word)


def _chips(run: Run) -> list[Chip]:
    return [Chip(run.name(jobs[-1]), run.step_look(task), run.mark(task)) for task, jobs in run.made.items()]


def row(engine: Engine, job: Job) -> Row:
    """A job in a list."""
    run = Run.of(engine, job) if job.is_run else None
    hosts = [child.host for child in run.children] if run else [job.host]
    return Row(
        job.id,
        job_page(job.id),
        job.name or "without a name",
        kind(job),
        run_look(run) if run else of_job(job),
        attempts.again(job),
        ", ".join(dict.fromkeys(host for host in hosts if host)),
        Time.at(job.created),
        took(engine, job),
        _chips(run) if run else [],
    )
