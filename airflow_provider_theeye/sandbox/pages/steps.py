"""The steps of a run as its page shows them, in the graph and in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..engine import Engine
from ..job import Job
from ..world import Task, Workflow
from . import attempts, show
from .graph import WIDTH, Drawing, draw
from .look import NOT_REACHED, Look, of_job, past
from .rows import job_page, task_page, took
from .runs import Run
from .show import Time

# Characters are about this wide in the drawing.
NAME_WIDTH, WORD_WIDTH, HOST_WIDTH = 8.5, 7.2, 6.8
LONGEST_HOST = 12


@dataclass(frozen=True)
class Older:
    """A job of a step beside the one that the step is shown as."""

    id: str
    page: str
    look: Look
    again: str
    created: Time
    host: str
    output: str
    took: str


@dataclass(frozen=True)
class Step:
    """A step of a run. `mark` is as short as `try 2`; `notes` say it in words."""

    name: str
    host: str
    page: str
    look: Look
    took: str = ""
    output: str = ""
    mark: str = ""
    notes: tuple[str, ...] = ()
    older: list[Older] = field(default_factory=list)

    @property
    def reached(self) -> bool:
        """Whether it has a job."""
        return self.look is not NOT_REACHED

    @property
    def label(self) -> str:
        """All of it, for those who do not see the drawing."""
        return ", ".join((f"{self.name}: {self.look.word}", *self.notes, self.host))

    @property
    def drawn_name(self) -> str:
        """As much of the name as there is room for beside the mark."""
        return cut(self.name, int((WIDTH - 30) / NAME_WIDTH) - len(self.mark))

    @property
    def drawn_host(self) -> str:
        """As much of the host as there is room for beside the word."""
        return cut(self.host, min(LONGEST_HOST, int((WIDTH - 55 - WORD_WIDTH * len(self.look.word)) / HOST_WIDTH)))


def cut(text: str, room: int) -> str:
    """A text in so many characters; nothing if there is no room for a part of it that means something."""
    if len(text) <= room:
        return text
    return f"{text[: room - 1]}…" if room > 3 else ""


def output_line(job: Job) -> str:
    """What a step has put out, at a glance."""
    return show.line(job.output) if job.over and job.output and job.state != "error" else ""


def step(engine: Engine, run: Run, name: str, task: Task) -> Step:
    """A step, drawn as the job of its task that counts."""
    host = task.host.name if task.host else task.type
    jobs = run.made.get(task.id)
    if not jobs:
        return Step(name, host, task_page(task.id), NOT_REACHED)
    job = run.shown(task.id)
    return Step(
        name,
        host,
        job_page(job.id),
        run.step_look(task.id),
        took(engine, job),
        output_line(job),
        run.mark(task.id),
        tuple(notes(run, task.id, job)),
        [_older(engine, run, one) for one in reversed(jobs) if one is not job],
    )


def notes(run: Run, task_id: str, job: Job) -> list[str]:
    """What there is to say about a step beside its state."""
    found = []
    count = len(run.made[task_id])
    if count > 1:
        found.append(f"{count} jobs")
    if attempts.restarts(job):
        found.append(attempts.again(job))
    if task_id in run.outdated:
        found.append("from before an earlier step was started again")
    return found


def _older(engine: Engine, run: Run, job: Job) -> Older:
    look = of_job(job) if run.counts(job) else past(of_job(job), "superseded")
    again, created = attempts.again(job), Time.at(job.created)
    place = job.host or ""
    return Older(job.id, job_page(job.id), look, again, created, place, output_line(job), took(engine, job))


def drawing_of(workflow: Workflow) -> Drawing:
    """The drawing of a workflow, its nodes called by the ids of the steps' tasks."""
    ids = [workflow.start.id, *(task.id for task in workflow.steps.values() if task is not workflow.start)]
    return draw(ids, [(edge.source, edge.target, edge.on) for edge in workflow.edges])


def of_run(engine: Engine, job: Job) -> dict[str, Any]:
    """A run's graph and steps; without a graph if its workflow is not there any more."""
    run = Run.of(engine, job)
    if run.workflow is None:
        return {"drawing": None, "steps": {}, "taken": set()}
    drawing = drawing_of(run.workflow)
    steps = {task.id: step(engine, run, key, task) for key, task in run.workflow.steps.items()}
    return {"drawing": drawing, "steps": steps, "taken": _taken(drawing, run)}


def _taken(drawing: Drawing, run: Run) -> set[tuple[str, str]]:
    """The edges that the run has gone along."""
    return {
        (line.source, line.target)
        for line in drawing.lines
        if line.target in run.made
        and any(job.over and job.trigger_name in line.events for job in run.made.get(line.source, ()))
    }
