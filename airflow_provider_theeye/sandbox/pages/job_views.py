"""What the page of a job shows, and of a run with its steps, as plain values for their templates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..control import Logs
from ..engine import Engine
from ..job import Job, Moment
from ..lifecycle import LIVE
from ..world import Task, Workflow
from . import attempts, forms, show, steps
from .look import Look, of_moment
from .rows import ended_at, job_page, kind, row, task_page, took, workflow_page
from .run_words import restart_warning, run_look
from .runs import Run
from .show import Text, Time, duration
from .state import born_dead, look_of, meaning


@dataclass(frozen=True)
class Stop:
    """A moment of a job's life and how long it stayed so; None for the last one of a life that is over.

    `again` tells that the job was started again here.
    """

    look: Look
    lifecycle: str
    at: Time
    stayed: str | None
    again: bool


def lifetime(engine: Engine, job: Job, run: Run | None = None) -> list[Stop]:
    """The lifecycle over time; of a run the last stop looks as the run does."""
    stops = []
    neighbours = zip([None, *job.history], job.history, [*job.history[1:], None], strict=False)
    for before, moment, after in neighbours:
        lives = moment.lifecycle in LIVE
        until = after.at if after else engine.clock()
        stayed = duration(until - moment.at) if lives or after is not None else None
        shown = _stop_look(moment, run, last=after is None)
        again = attempts.begins_again(before, moment)
        stops.append(Stop(shown, moment.lifecycle, Time.at(moment.at), stayed, again))
    return stops


def _stop_look(moment: Moment, run: Run | None, *, last: bool) -> Look:
    """An earlier success of a run has no colour: which of its steps had an exit code is not known any more."""
    if run is None:
        return of_moment(moment)
    if last:
        return run_look(run)
    look = of_moment(moment)
    return Look(look.word, "none") if look.tone == "success" else look


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


def offers(job: Job, task: Task | None, run: Run | None = None) -> Offers:
    """Which buttons make sense now; for a run it is given what is going on in it."""
    on_hold = job.lifecycle == "onhold" and run is None
    approval = job.type == "ApprovalJob"
    lives = not job.over if run is None else bool(run.live) or (not job.over and not run.children)
    return Offers(
        cancel=lives and job.lifecycle != "locked",
        decide=on_hold and approval,
        input=on_hold and not approval and task is not None,
        restart=job.over and task is not None and job.type == "ScriptJob",
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
        "trigger_by": "a webhook",
    }.get(job.origin or "", "")
    code, signal = job.exit_code, result.get("signal")
    event = job.trigger_name if job.over and job.trigger_name != job.state else None
    facts = [
        ("Host", job.host or ""),
        ("Started by", origin),
        ("Restarted by", (job.restarted_by or {}).get("username", "")),
        ("Took", took(engine, job) if ended_at(job) else ""),
        ("Exit code", "" if code is None else str(code)),
        ("Signal", signal or ""),
        ("Event", event or ""),
        ("Organization", job.customer_name or ""),
        ("Id", job.id),
    ]
    return [(name, value) for name, value in facts if value]


def _parents(engine: Engine, job: Job) -> dict[str, Any]:
    """Where a job belongs: its run if it is a step, and its task or workflow."""
    run = engine.run_of(job)
    workflow: Workflow | None = engine.world.workflow_by_id.get(job.workflow_id or "")
    task = engine.world.task_by_id.get(job.task_id or "")
    return {
        "run": row(engine, run) if run else None,
        "of_task": (task.name, task_page(task.id)) if task else None,
        "of_workflow": (workflow.name, workflow_page(workflow.id)) if workflow else None,
    }


def _superseded_by(run: Run | None, job: Job) -> str | None:
    """The page of the job that counts in place of one; None if that one counts itself."""
    if run is None or job.is_run or run.counts(job):
        return None
    return job_page(run.counting(job.task_id or job.id)[-1].id)


def _warning(engine: Engine, run: Run | None, job: Job, task: Task | None) -> str:
    """What goes wrong if a step is started again now."""
    if run is None or job.is_run or not offers(job, task).restart:
        return ""
    others = engine.by_workflow.get(job.workflow_id or "", {}).values()
    started = any(other.lifecycle == "started" and other is not run.job for other in others)
    return restart_warning(run, another_run_started=started)


def job(engine: Engine, one: Job, logs: Logs | None) -> dict[str, Any]:
    """The page of a job or of a run."""
    task = engine.world.task_by_id.get(one.task_id or "")
    parent = one if one.is_run else engine.run_of(one)
    around = Run.of(engine, parent) if parent else None
    run = around if one.is_run else None
    dead = one.state == "error"
    written = log(one, logs)
    outputs = one.output if isinstance(one.output, list) and not dead else []
    return {
        "job": one,
        "page": job_page(one.id),
        "title": around.name(one) if around and not run else one.name or "Without a name",
        "kind": kind(one),
        "look": look_of(engine, one),
        "meaning": meaning(engine, one),
        "reason": born_dead(one) if dead else None,
        "offers": offers(one, task, run),
        "fields": forms.fields(task, one.values) if task else [],
        "attempts": [] if run else attempts.rows(one, engine.clock()),
        "warning": _warning(engine, around, one, task),
        "superseded_by": _superseded_by(around, one),
        "lifetime": lifetime(engine, one, run),
        "facts": _facts(engine, one),
        "arguments": _arguments(one, task),
        "output": [show.value(member) for member in outputs if member is not None],
        "log": Text.end(written),
        "has_log": not dead and (one.type == "ScriptJob" or bool(written)),
        **_parents(engine, one),
        **(steps.of_run(engine, one) if one.is_run else {}),
    }
