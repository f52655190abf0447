"""What hosts' agents ask and report, and what happens when they do not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .engine import Engine
from .job import Job
from .lifecycle import cancelled, reported, silent
from .world import Task, User


def sign_of_life(engine: Engine, host: str) -> None:
    """A host's agent has been heard of."""
    if host not in engine.dead_hosts:
        engine.last_sign[host] = engine.clock()


def reports(engine: Engine, host: str) -> bool:
    """Whether a host's agent has been heard of lately."""
    return engine.clock() - engine.last_sign.get(host, engine.started) <= engine.settings.host_lost_after


def resource_state(engine: Engine, host: str) -> str:
    """What TheEye's list of resources says of a host."""
    return "normal" if reports(engine, host) else "updates_stopped"


def next_job(engine: Engine, host: str) -> Job | None:
    """Hands a host the first job that may run now; it becomes assigned, and the run it belongs to started."""
    sign_of_life(engine, host)
    for job in _in_turn(engine, host):
        if _may_run(engine, job):
            _hand_out(engine, job)
            return job
    return None


def may_be_taken(engine: Engine, job: Job) -> bool:
    """Whether a ready job would be handed to its host now, had that asked for it."""
    return job in _in_turn(engine, job.host or "") and _may_run(engine, job)


def _in_turn(engine: Engine, host: str) -> Iterator[Job]:
    """A host's ready jobs in the order of its queue; but a workflow is served run by run.

    With `multitasking` off nothing is looked at but the earliest run with a ready job, even if that one has to wait.
    """
    queue = engine.ready.get(host, ())
    served: set[str] = set()
    for _, job_id in queue:
        job = engine.jobs[job_id]
        if job.workflow_id is None:
            yield job
        elif job.workflow_id not in served:
            served.add(job.workflow_id)
            waiting = (engine.jobs[one] for _, one in queue)
            yield from _run_by_run(engine, [one for one in waiting if one.workflow_id == job.workflow_id])


def _run_by_run(engine: Engine, steps: list[Job]) -> list[Job]:
    """Ready steps of one workflow as the queue takes them."""

    def number_of_run(step: Job) -> int:
        run = engine.run_of(step)
        return run.sequence if run is not None else step.sequence

    steps = sorted(steps, key=number_of_run)
    workflow = engine.world.workflow_by_id.get(steps[0].workflow_id or "")
    if workflow is None or workflow.multitasking:
        return steps
    return [step for step in steps if step.workflow_job_id == steps[0].workflow_job_id]


def _may_run(engine: Engine, job: Job) -> bool:
    """Whether a ready job's task, and its workflow, let it run beside what runs already."""
    task = engine.world.task_by_id.get(job.task_id or "")
    alone = task is not None and not task.multitasking
    if alone and any(other.task_id == job.task_id for other in engine.assigned.values()):
        return False
    workflow = engine.world.workflow_by_id.get(job.workflow_id or "")
    if workflow is None or workflow.multitasking:
        return True
    runs = engine.by_workflow[workflow.id].values()
    return not any(run.lifecycle == "started" and run.id != job.workflow_job_id for run in runs)


def _hand_out(engine: Engine, job: Job) -> None:
    engine.journal.job(job, "started")
    engine.change(job, lifecycle="assigned", assigned_at=engine.clock())
    run = engine.run_of(job)
    if run is not None and run.lifecycle != "started":
        engine.change(run, lifecycle="started")


def report(engine: Engine, job: Job, said: Any, agent: User) -> bool:
    """Takes an agent's report `{"state", "data"}`. Ignored (False) unless the job is assigned."""
    if job.lifecycle != "assigned":
        return False
    task = engine.world.task_by_id.get(job.task_id or "")
    default = (task.default_state_evaluation if task else None) or "success"
    engine.end(job, reported(said if isinstance(said, dict) else {}, default, agent.shown()))
    return True


def limit(engine: Engine, task: Task | None) -> float:
    """After how many seconds a task's agent kills the script."""
    return (task.timeout if task else None) or engine.settings.default_limit


def watch(engine: Engine) -> None:
    """Ends the jobs of agents that keep silent and of hosts that are lost. To be called every second or so."""
    now = engine.clock()
    for job in list(engine.assigned.values()):
        running = now - (job.assigned_at or job.updated)
        if not reports(engine, job.host or ""):
            engine.end(job, cancelled("terminated", None))
        elif running > limit(engine, engine.world.task_by_id.get(job.task_id or "")) + engine.settings.agent_grace:
            engine.end(job, silent(running))


def give_up_assigned(engine: Engine) -> None:
    """Ends what was assigned when the server, and with it its own agents, died: as if they had kept silent."""
    for job in list(engine.assigned.values()):
        engine.end(job, silent(engine.clock() - (job.assigned_at or job.updated)))


def set_host_alive(engine: Engine, host: str, alive: bool) -> None:
    """A host falls silent (it neither reports nor asks for work) or comes back."""
    if alive:
        engine.dead_hosts.discard(host)
    else:
        engine.dead_hosts.add(host)
    engine.last_sign[host] = engine.clock()
    engine.on_ready()
