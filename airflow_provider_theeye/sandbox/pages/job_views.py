"""What the page of a job shows, and of a run with its steps, as plain values for their templates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..control import Logs
from ..engine import Engine
from ..job import Job
from ..lifecycle import LIVE
from ..world import Task, Workflow
from . import forms, show
from .graph import Drawing, draw
from .show import Text, Time, duration
from .state import NOT_REACHED, Look, born_dead, look, meaning, of_job, step_name
from .views import ended_at, job_page, kind, row, task_page, took, workflow_page


@dataclass(frozen=True)
class Stop:
    """A moment of a job's life and how long it stayed so; None for the last one of a life that is over."""

    look: Look
    lifecycle: str
    at: Time
    stayed: str | None


def lifetime(engine: Engine, job: Job) -> list[Stop]:
    """The lifecycle over time."""
    stops = []
    following = [*job.history[1:], None]
    for moment, after in zip(job.history, following, strict=True):
        until = after.at if after else engine.clock()
        stays = after is not None or moment.lifecycle in LIVE
        word = look(moment.lifecycle, moment.state) if after else of_job(job)
        stayed = duration(until - moment.at) if stays else None
        stops.append(Stop(word, moment.lifecycle, Time.at(moment.at), stayed))
    return stops


@dataclass(frozen=True)
class Offers:
    """Which buttons make sense now."""

    cancel: bool
    decide: bool
    input: bool
    restart: bool

    @property
    def any(self) -> bool:
        """Whether there is a button at all."""
        return self.cancel or self.decide or self.input or self.restart


def offers(job: Job, task: Task | None) -> Offers:
    """Which buttons make sense now."""
    on_hold = job.lifecycle == "onhold" and not job.is_run
    approval = job.type == "ApprovalJob"
    return Offers(
        cancel=not job.over and job.lifecycle != "locked",
        decide=on_hold and approval,
        input=on_hold and not approval and task is not None,
        restart=job.over and task is not None,
    )


def _arguments(job: Job, task: Task | None) -> list[tuple[str, Text]]:
    labels = [argument.label for argument in task.arguments] if task else []
    return [
        (labels[place] if place < len(labels) else f"argument {place + 1}", show.value(value))
        for place, value in enumerate(job.values)
    ]


def log(job: Job, logs: Logs | None) -> str:
    """What a job's script has written: so far, or in all."""
    growing = logs.log(job.id) if logs is not None else None
    if growing is not None:
        return growing.decode("utf-8", "replace")
    written = (job.result or {}).get("log")
    return written if isinstance(written, str) else ""


def _facts(engine: Engine, job: Job) -> list[tuple[str, str]]:
    result = job.result or {}
    user = (job.user or {}).get("username")
    origin = {
        "user": f"{user}, by token" if user else "",
        "secret": "somebody who knows the secret key",
        "workflow": "its workflow",
    }.get(job.origin or "", "")
    code, signal = result.get("code"), result.get("signal")
    event = job.trigger_name if job.over and job.trigger_name != job.state else None
    facts = [
        ("Host", job.host or ""),
        ("Started by", origin),
        ("Took", took(engine, job) if ended_at(job) else ""),
        ("Exit code", "" if code is None else str(code)),
        ("Signal", signal or ""),
        ("Event", event or ""),
        ("Organization", job.customer_name or ""),
        ("Id", job.id),
    ]
    return [(name, value) for name, value in facts if value]


@dataclass(frozen=True)
class Step:
    """A step of a run: the newest job of its task, or none yet."""

    name: str
    host: str
    page: str
    look: Look
    took: str
    output: str
    times: int


def _step(engine: Engine, name: str, task: Task, made: list[Job]) -> Step:
    host = task.host.name if task.host else task.type
    if not made:
        return Step(name, host, task_page(task.id), NOT_REACHED, "", "", 0)
    job = made[-1]
    output = show.line(job.output) if job.over and job.output and job.state != "error" else ""
    return Step(name, host, job_page(job.id), of_job(job), took(engine, job), output, len(made))


def _run(engine: Engine, run: Job) -> dict[str, Any]:
    """A run's graph and steps; without a graph if its workflow is not there any more."""
    workflow = engine.world.workflow_by_id.get(run.workflow_id or "")
    children = engine.children(run)
    if workflow is None:
        return {"drawing": None, "steps": {}, "taken": set()}
    made: dict[str, list[Job]] = {}
    for child in children:
        made.setdefault(child.task_id or "", []).append(child)
    steps = {task.id: _step(engine, key, task, made.get(task.id, [])) for key, task in workflow.steps.items()}
    drawing = draw(workflow)
    return {"drawing": drawing, "steps": steps, "taken": _taken(drawing, made)}


def _taken(drawing: Drawing, made: dict[str, list[Job]]) -> set[tuple[str, str]]:
    """The edges that the run has gone along."""
    return {
        (line.source, line.target)
        for line in drawing.lines
        if line.target in made
        and any(job.over and job.trigger_name in line.events for job in made.get(line.source, ()))
    }


def _parents(engine: Engine, job: Job) -> dict[str, Any]:
    """Where a job belongs: its run if it is a step, and its task or workflow."""
    run = engine.job(job.workflow_job_id or "")
    workflow: Workflow | None = engine.world.workflow_by_id.get(job.workflow_id or "")
    task = engine.world.task_by_id.get(job.task_id or "")
    return {
        "run": row(engine, run) if run else None,
        "of_task": (task.name, task_page(task.id)) if task else None,
        "of_workflow": (workflow.name, workflow_page(workflow.id)) if workflow else None,
    }


def job(engine: Engine, one: Job, logs: Logs | None) -> dict[str, Any]:
    """The page of a job or of a run."""
    task = engine.world.task_by_id.get(one.task_id or "")
    dead = one.state == "error"
    outputs = one.output if isinstance(one.output, list) and not dead else []
    return {
        "job": one,
        "page": job_page(one.id),
        "title": step_name(engine, one) if one.workflow_job_id else one.name or "Without a name",
        "kind": kind(one),
        "look": of_job(one),
        "meaning": meaning(engine, one),
        "reason": born_dead(one) if dead else None,
        "offers": offers(one, task),
        "fields": forms.fields(task, one.values) if task else [],
        "lifetime": lifetime(engine, one),
        "facts": _facts(engine, one),
        "arguments": _arguments(one, task),
        "output": [show.value(member) for member in outputs if member is not None],
        "log": Text.end(log(one, logs)),
        "has_log": one.type == "ScriptJob" and not dead,
        **_parents(engine, one),
        **(_run(engine, one) if one.is_run else {}),
    }
