"""Runs of workflows: how they start, go from step to step, end, and are cancelled."""

from __future__ import annotations

from typing import Any

from . import arguments, jobs, retention
from .engine import Engine
from .errors import message
from .job import WORKFLOW_JOB, Job
from .lifecycle import cancelled, cancelled_from
from .world import Task, Workflow

ENDLESS_VERSION = 1  # runs of such workflows are never ended


def start(
    engine: Engine,
    workflow: Workflow,
    given: Any,
    origin: jobs.Origin,
    lifecycle: Any = None,
    first: Task | None = None,
) -> Job:
    """Starts a run at its first step, or at another one. Raises the 400 of too few arguments."""
    task = first or workflow.start
    values = arguments.received(given, task.arguments)
    return start_unchecked(engine, workflow, task, values, origin, jobs.wanted_lifecycle(lifecycle))


def start_unchecked(
    engine: Engine,
    workflow: Workflow,
    task: Task,
    values: list[Any],
    origin: jobs.Origin,
    wanted: str | None = None,
) -> Job:
    """Starts a run at a step, which is born dead if there are too few values. The run keeps them as they were given.

    A run that is to start at a task that is none of its steps has no children, and stays as it is for ever.

    Held (`wanted` "syncing"), both the run and its first child are. With `multitasking` off every run is born
    on hold, its first child ready: it is the queue that lets one run at a time through.
    """
    retention.before_run(engine, workflow)
    run = _blank_run(engine, workflow, task, origin)
    run.lifecycle = wanted or ("ready" if workflow.multitasking else "onhold")
    run.values = values
    engine.add(run)
    if task.workflow_id == workflow.id:
        jobs.build(engine, task, values, origin, wanted, run)
    return run


def _blank_run(engine: Engine, workflow: Workflow, task: Task, origin: jobs.Origin) -> Job:
    run = jobs.blank(engine, WORKFLOW_JOB, origin)
    run.name, run.workflow_id, run.task_id = workflow.name, workflow.id, None
    run.start_task_id = task.id
    run.acl = list(workflow.acl)
    run.active_paths = 1
    return run


def watch(engine: Engine) -> None:
    """Lets runs go on when their steps end. What ended while nobody watched is made up for."""
    engine.on_over = lambda job: _step_over(engine, job)
    for job in list(engine.jobs.values()):
        if job.over:
            _step_over(engine, job)


def _step_over(engine: Engine, job: Job) -> None:
    """The end of a step is noticed a moment later, a cancelled one's at once.

    One that could not be built is never noticed: the run is stuck.
    """
    if job.workflow_job_id is None or job.state == "error" or job.counted:
        return
    if job.state == "canceled":
        _advance(engine, job)
    else:
        engine.timers.later(engine.settings.step_delay, lambda: _advance(engine, job))


def _advance(engine: Engine, job: Job) -> None:
    """Makes the next steps, or ends the path, and with the last path the run."""
    run = engine.run_of(job)
    workflow = engine.world.workflow_by_id.get(job.workflow_id or "")
    if run is None or workflow is None or job.counted or not job.over:
        return
    engine.change(job, counted=True)
    following = workflow.next_steps(job.task_id or "", job.trigger_name)
    if following:
        engine.change(run, active_paths=run.active_paths + len(following) - 1)
        _make(engine, run, job, following)
    elif workflow.version != ENDLESS_VERSION:
        _close_path(engine, run, job)


def _make(engine: Engine, run: Job, job: Job, following: list[Task]) -> None:
    """Makes the next steps' jobs. The output of the step before are their arguments."""
    given = job.output if isinstance(job.output, list) else None
    origin = jobs.Origin("workflow", run.customer_name or "", run.user)
    for task in following:
        jobs.build(engine, task, None if given is None else list(given), origin, None, run)


def _close_path(engine: Engine, run: Job, job: Job) -> None:
    """The last step of the last path decides: the run becomes like it.

    A restart makes the counter too low for two paths: then the first that ends ends the run, and one that ends after
    that goes below zero, which ends nothing.
    """
    left = run.active_paths - 1
    if left != 0:
        engine.change(run, active_paths=left)
        return
    engine.change(run, active_paths=0, lifecycle=job.lifecycle, state=job.state, trigger_name=job.trigger_name)


def cancel(engine: Engine, run: Job) -> None:
    """Cancels the newest child, and marks the run. Of a fork the other branches go on.

    Raises the 400 that names the child's lifecycle if that one cannot be cancelled, also between two steps.
    """
    children = engine.children(run)
    newest = children[-1] if children else run
    target = cancelled_from(newest.lifecycle)
    if target is None:
        raise message(
            400, f'cannot cancel job. current state lifecycle "{newest.lifecycle}" does not allow the transition'
        )
    engine.journal.job(run, "cancelled")
    engine.journal.job(newest, "cancelled")
    engine.end(newest, cancelled(target, None))
    own = cancelled_from(run.lifecycle)
    if own is not None:
        engine.change(run, lifecycle=own, state="canceled")
