"""What can be done with one job: make it, cancel, hold, release, restart it, give it input, decide it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from . import arguments, retention
from .engine import Engine
from .errors import Refused, internal, message, text
from .ids import new_secret
from .job import UPDATE_JOB, Job
from .jsontext import stringify
from .lifecycle import (
    IN_PROGRESS,
    KNOWN,
    OBEYED_AT_CREATION,
    OVER,
    Outcome,
    as_output,
    cancelled,
    cancelled_from,
    unbuildable,
)
from .world import Host, Task, User

NOTIFIED_AFTER = 0.05  # seconds until a notification has gone out; no host is needed for it


@dataclass(frozen=True)
class Origin:
    """Who wants a job: a user by token, somebody who knows a secret, a workflow that goes on, or a webhook."""

    kind: str  # user, secret, workflow, trigger_by
    customer_name: str
    user: dict[str, str] | None = None

    @classmethod
    def of_user(cls, user: User) -> Origin:
        """By token. The job is booked under the token's organization, whosever task it is."""
        return cls("user", user.organization, user.shown())


def wanted_lifecycle(lifecycle: Any) -> str | None:
    """The lifecycle a creation asks for; None if it asks for none or for one that makes no sense then."""
    if lifecycle is None or lifecycle == "":
        return None
    shown = lifecycle if isinstance(lifecycle, str) else stringify(lifecycle)
    if shown not in KNOWN:
        raise message(400, f"Invalid lifecycle {shown}")
    return shown if shown in OBEYED_AT_CREATION else None


def create(engine: Engine, task: Task, given: Any, origin: Origin, lifecycle: Any = None) -> Job:
    """Makes the job of a task that somebody asks for. Raises the 400 of too few arguments.

    The job may be over already: see `Job.state`.
    """
    values = arguments.received(given, task.arguments)
    wanted = wanted_lifecycle(lifecycle)
    if task.workflow_id is not None:
        return _hardly_a_job(engine, task, origin)
    return create_unchecked(engine, task, values, origin, wanted)


def create_unchecked(
    engine: Engine, task: Task, values: list[Any], origin: Origin, lifecycle: str | None = None
) -> Job:
    """Makes the job of a task, born dead if there are too few values."""
    job = build(engine, task, values, origin, lifecycle)
    retention.after_creation(engine, task)
    return job


def _hardly_a_job(engine: Engine, task: Task, origin: Origin) -> Job:
    """The task of a workflow's step, started alone: dead, without name, task and organization."""
    job = blank(engine, task.job_type, origin)
    job.origin, job.user, job.customer_name = None, None, None
    _die(job, "missing workflow job")
    return engine.add(job)


def order_update(engine: Engine, host: Host) -> None:
    """Has a host's agent read its configuration anew: a job of no task.

    One that waits already is enough, and a new one replaces the earlier ones, even one that is assigned.
    """
    known = [job for job in engine.jobs.values() if job.type == UPDATE_JOB and job.host == host.name]
    if any(job.lifecycle == "ready" for job in known):
        return
    for job in known:
        engine.remove(job)
    job = blank(engine, UPDATE_JOB, Origin("", host.organization))
    job.name, job.host, job.origin, job.state = "agent:config:update", host.name, None, ""
    engine.add(job)


def blank(engine: Engine, kind: str, origin: Origin) -> Job:
    """A job with an id and a secret, not yet kept."""
    now = engine.clock()
    return Job(
        engine.new_id(now),
        kind,
        new_secret(),
        now,
        now,
        0,
        origin.kind,
        customer_name=origin.customer_name,
        user=origin.user,
    )


def _die(job: Job, reason: str) -> None:
    dead = unbuildable(reason)
    job.lifecycle, job.state, job.output, job.result = dead.lifecycle, dead.state, dead.output, dead.result


def build(
    engine: Engine, task: Task, given: list[Any] | None, origin: Origin, wanted: str | None, run: Job | None = None
) -> Job:
    """Makes and keeps a task's job, alone or as the child of a run.

    `given` is None after a step without any `output`: a task that wants arguments is not content with that.
    """
    job = blank(engine, task.job_type, origin)
    job.name, job.task_id, job.acl = task.name, task.id, list(run.acl if run else task.acl)
    job.host = task.host.name if task.host else None
    if run:
        job.workflow_id, job.workflow_job_id = run.workflow_id, run.id
    if task.user_inputs and origin.kind != "user":
        job.lifecycle = "onhold"
    else:
        job.lifecycle = "onhold" if task.type == "approval" else wanted or "ready"
        try:
            job.values = arguments.assigned(given or [], task.arguments, task.arguments_type)
        except arguments.UnbuildableArguments:
            if task.type != "notification":
                job.values = [{}] if given is None else given
                _die(job, "InvalidTaskArguments")
                return engine.add(job)
    if task.type == "notification":
        job.values = _notified(job.values)
    engine.add(job)
    if job.lifecycle != "onhold" or task.type == "notification":
        _without_host(engine, task, job)
    return job


def _notified(values: list[Any]) -> list[Any]:
    """What a notification is sent with: what is left out comes from the task, which has no recipients."""
    given = values or [None] * 3
    sent = [value or default for value, default in zip(given, ("subject", "body", []), strict=False)]
    return [*sent[:2], *(_recipients(one) if isinstance(one, str) else one for one in sent[2:])]


def _recipients(said: str) -> list[Any]:
    """A list in JSON, or one with commas."""
    try:
        found = json.loads(said)
    except ValueError:
        return said.split(",")
    return found if isinstance(found, list) else [found]


def _without_host(engine: Engine, task: Task, job: Job) -> None:
    """What needs no host goes on by itself: a dummy at once, a notification a moment later."""
    if task.type == "dummy":
        _finish(engine, job, "success", list(job.values))
    elif task.type == "notification":

        def sent() -> None:
            if engine.job(job.id) is job and not job.over:
                engine.end(job, Outcome("finished", "success", "success"))

        engine.timers.later(NOTIFIED_AFTER, sent)


def _finish(engine: Engine, job: Job, state: str, output: list[Any], **more: Any) -> None:
    result = {**more, "output": output}
    engine.end(job, Outcome("finished", state, state, as_output(output), result))


def cancel(engine: Engine, job: Job, user: User) -> bool:
    """Cancels a job by its own route. Refusal is silent: returns whether anything happened.

    On a workflow's run that no agent has taken up yet it marks the run alone: its steps go on. One that is started
    is not cancelled at all.
    """
    target = cancelled_from(job.lifecycle)
    if target is None or job.lifecycle == "started":
        return False
    engine.journal.job(job, "cancelled")
    engine.end(job, cancelled(target, user.shown()))
    return True


def hold(engine: Engine, job: Job, read_before: str | None = None) -> None:
    """Puts a job on hold, even one that is over, and with a step its run; not what an agent has taken."""
    lifecycle = read_before or job.lifecycle
    if lifecycle == "assigned":
        raise text(400, f"job lifecycle must be syncing. {lifecycle} is set")
    engine.change(job, lifecycle="onhold", state=IN_PROGRESS)
    run = engine.run_of(job)
    if run is not None:
        engine.change(run, lifecycle="onhold")


def release(engine: Engine, job: Job, read_before: str | None = None) -> None:
    """Makes a held (syncing) job ready.

    As on the real server this is two steps, and what was read in the first counts, here as in `hold`, `restart` and
    `give_input`.
    """
    lifecycle = read_before or job.lifecycle
    if lifecycle != "syncing":
        raise text(400, f"job lifecycle must be syncing. {lifecycle} is set")
    engine.journal.job(job, "released")
    engine.change(job, lifecycle="ready")


def _task_of(engine: Engine, job: Job) -> Task:
    task = engine.world.task_by_id.get(job.task_id or "")
    if task is None:
        raise internal()
    return task


def restart(engine: Engine, job: Job, given: Any, user: User, read_before: str | None = None) -> None:
    """Makes a job that is over ready again, with other arguments and without its result.

    The run of a step stays as it is until an agent takes the step, but for its counter: that is set to one path,
    however many there are, even if the arguments then turn out to be for no place.
    """
    if (read_before or job.lifecycle) not in OVER:
        raise text(400, "Only completed jobs allowed")
    if job.type != "ScriptJob":
        raise text(400, "Only script tasks allowed")
    task = _task_of(engine, job)
    try:
        values = arguments.received(given, task.arguments)
    except Refused:
        raise internal() from None
    run = engine.run_of(job)
    if run is not None:
        engine.change(run, active_paths=1)
    try:
        values = arguments.assigned(values, task.arguments, task.arguments_type)
    except arguments.UnbuildableArguments:
        raise internal() from None
    engine.change(
        job,
        lifecycle="ready",
        state=IN_PROGRESS,
        trigger_name=None,
        values=values,
        output=None,
        result=None,
        counted=False,
        restarted_by=user.shown(),
    )


def give_input(engine: Engine, job: Job, given: Any, read_before: str | None = None) -> None:
    """Gives a job on hold its arguments and makes it ready. Those of a form are its output: it ends, even again."""
    if job.type not in ("ScriptJob", "DummyJob"):
        raise text(400, "job type not allowed. script and dummy")
    if job.type == "ScriptJob" and (read_before or job.lifecycle) != "onhold":
        raise text(400, "only on hold jobs allowed")
    task = _task_of(engine, job)
    try:
        values = arguments.assigned(given if isinstance(given, list) else [], task.arguments, task.arguments_type)
    except arguments.UnbuildableArguments:
        raise message(400, "InvalidTaskArguments") from None
    if job.type == "DummyJob":
        _finish(engine, job, "success", values)
    else:
        engine.change(job, lifecycle="ready", state=IN_PROGRESS, values=values)


def decide(engine: Engine, job: Job, user: User, state: str) -> None:
    """Approves (success) or rejects (failure) an approval."""
    if job.type != "ApprovalJob":
        raise text(400, "unexpected job type. only Approvals")
    if user.id not in approvers(engine, job):
        raise text(403, "unauthorized approver")
    if job.lifecycle != "onhold":
        raise text(409, "approval request no longer available")
    decider = user.shown()
    job.values = [*job.values, decider]
    _finish(engine, job, state, job.values, user=decider)


def approvers(engine: Engine, job: Job) -> list[str]:
    """The ids of those who may decide an approval."""
    task = engine.world.task_by_id.get(job.task_id or "")
    return [user.id for user in task.approvers] if task else []
