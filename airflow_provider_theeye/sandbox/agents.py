"""What hosts' agents ask and report, and what happens when they do not."""

from __future__ import annotations

from typing import Any

from .engine import Engine
from .job import Job
from .lifecycle import cancelled, reported, silent
from .world import Task, User


def sign_of_life(engine: Engine, host: str) -> None:
    """A host's agent has been heard of."""
    if host not in engine.dead_hosts:
        engine.last_sign[host] = engine.clock()


def next_job(engine: Engine, host: str) -> Job | None:
    """Hands a host the oldest job that may run now; it becomes assigned, and the run it belongs to started."""
    sign_of_life(engine, host)
    for _, job_id in engine.ready.get(host, ()):
        job = engine.jobs[job_id]
        if _may_run(engine, job):
            _hand_out(engine, job)
            return job
    return None


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
    run = engine.job(job.workflow_job_id or "")
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
        seen = engine.last_sign.get(job.host or "", engine.started)
        if now - seen > engine.settings.host_lost_after:
            engine.end(job, cancelled("terminated", None))
        elif running > limit(engine, engine.world.task_by_id.get(job.task_id or "")) + engine.settings.agent_grace:
            engine.end(job, silent(running))


def give_up_assigned(engine: Engine) -> None:
    """Ends what was assigned when the server, and with it its own agents, died: as if they had kept silent."""
    for job in list(engine.assigned.values()):
        engine.end(job, silent(engine.clock() - (job.assigned_at or job.updated)))


def set_host_alive(engine: Engine, host: str, alive: bool) -> None:
    """A host dies (nothing is heard of it any more) or comes back."""
    if alive:
        engine.dead_hosts.discard(host)
    else:
        engine.dead_hosts.add(host)
    engine.last_sign[host] = engine.clock()
    engine.on_ready()
