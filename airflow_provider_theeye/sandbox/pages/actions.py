"""What the buttons do. TheEye's own rules decide; a refusal is its own message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .. import agents, jobs, workflows
from ..control import Logs
from ..engine import Engine
from ..errors import Refused, message
from ..job import Job
from ..world import Host, Task, User, Workflow, World
from . import forms
from .look import of_job

Form = Mapping[str, str]

NOTES = {
    "agent-not-told": (
        "Cancelled. TheEye does not tell the agent: a script that is running runs to its end, and what it reports is "
        "ignored."
    ),
    "steps-cancelled": (
        "Every live step has been cancelled, on all branches, so that nothing of this run goes on. TheEye's own cancel "
        "stops the newest branch alone."
    ),
    "host-stopped": (
        "The host has stopped, and its scripts with it. TheEye notices after a while; until then it takes what ran "
        "there for running."
    ),
    "host-started": "The host reports again and asks for work.",
}


@dataclass(frozen=True)
class Done:
    """Where to go next, and which of the notes to show there."""

    job: Job
    note: str | None = None


def acting_user(world: World, organization: str | None) -> User | None:
    """As whom the page acts: an integration user if there is one, else the one with the highest role."""
    users = [user for user in world.users.values() if user.organization == organization]
    ranks = ["viewer", "user", "manager", "admin", "integration"]
    return max(users, key=lambda user: ranks.index(user.role), default=None)


def _user(engine: Engine, organization: str | None) -> User:
    user = acting_user(engine.world, organization)
    if user is None:
        raise message(403, f"the organization {organization} has no users to act as")
    return user


def run_task(engine: Engine, task: Task, form: Form) -> Done:
    """Makes a job of a task."""
    origin = jobs.Origin.of_user(_user(engine, task.organization))
    return Done(jobs.create(engine, task, forms.values(form, task), origin))


def run_workflow(engine: Engine, workflow: Workflow, form: Form) -> Done:
    """Starts a run of a workflow."""
    origin = jobs.Origin.of_user(_user(engine, workflow.organization))
    return Done(workflows.start(engine, workflow, forms.values(form, workflow.start), origin))


def cancel(engine: Engine, job: Job, _: Form) -> Done:
    """Cancels a job, or a run with everything that lives of it. What is held is put on hold first, as it must be."""
    user = _user(engine, job.customer_name)
    if job.is_run:
        return _cancel_run(engine, job, user)
    running = job.lifecycle == "assigned"
    if job.lifecycle == "syncing":
        jobs.hold(engine, job)
    if not jobs.cancel(engine, job, user):
        # TheEye answers 204 here and does nothing; a person should be told.
        raise message(409, f"nothing was cancelled: the job is {job.lifecycle} ({of_job(job).word})")
    return Done(job, "agent-not-told" if running else None)


def _cancel_run(engine: Engine, run: Job, user: User) -> Done:
    children = engine.children(run)
    live = [child for child in children if not child.over]
    for child in live:
        if child.lifecycle == "syncing":
            jobs.hold(engine, child)
    if not live or live[-1] is children[-1]:
        for child in live[:-1]:
            jobs.cancel(engine, child, user)
        workflows.cancel(engine, run)
    else:
        for child in live:
            jobs.cancel(engine, child, user)
    return Done(run, "steps-cancelled")


def approve(engine: Engine, job: Job, _: Form) -> Done:
    """Approves."""
    jobs.decide(engine, job, _user(engine, job.customer_name), "success")
    return Done(job)


def reject(engine: Engine, job: Job, _: Form) -> Done:
    """Rejects."""
    jobs.decide(engine, job, _user(engine, job.customer_name), "failure")
    return Done(job)


def _task_of(engine: Engine, job: Job) -> Task:
    task = engine.world.task_by_id.get(job.task_id or "")
    if task is None:
        raise message(404, "the task of this job is not there any more")
    return task


def give_input(engine: Engine, job: Job, form: Form) -> Done:
    """Gives a job that waits for it its input."""
    jobs.give_input(engine, job, forms.values(form, _task_of(engine, job)))
    return Done(job)


def restart(engine: Engine, job: Job, form: Form) -> Done:
    """Starts a job again that is over, under its id."""
    jobs.restart(engine, job, forms.values(form, _task_of(engine, job)), _user(engine, job.customer_name))
    return Done(job)


def set_host(engine: Engine, logs: Logs | None, host: Host, *, alive: bool) -> str:
    """Stops a host and its scripts, or starts it. Returns which note to show."""
    agents.set_host_alive(engine, host.name, alive)
    if logs is not None and not alive:
        logs.kill_scripts(host.name)
    return "host-started" if alive else "host-stopped"


OF_A_JOB = {"cancel": cancel, "approve": approve, "reject": reject, "input": give_input, "restart": restart}


def said(refusal: Refused) -> str:
    """TheEye's own words."""
    body = refusal.body
    if isinstance(body, dict):
        body = body.get("message")
    return str(body) if body else f"status {refusal.status}"
