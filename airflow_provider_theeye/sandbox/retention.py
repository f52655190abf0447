"""Which records of jobs that are over get deleted, and when."""

from __future__ import annotations

from .engine import Engine
from .job import Job
from .world import Task, Workflow


def after_creation(engine: Engine, task: Task) -> None:
    """Keeps a task's newest jobs, the new and the live ones counted; of the older ones goes what is over."""
    if task.autoremove is None:
        return
    jobs = list(engine.by_task[task.id].values())
    for job in jobs[: -task.autoremove]:
        if job.over:
            engine.remove(job)


def before_run(engine: Engine, workflow: Workflow) -> None:
    """Keeps a workflow's newest runs of which every existing child is over; live ones are not counted.

    A stuck run counts as over, and so does one between two steps: that is how the real server does it.
    """
    if workflow.autoremove is None:
        return
    over = [run for run in engine.by_workflow[workflow.id].values() if _seems_over(engine, run)]
    for run in over[: -workflow.autoremove]:
        remove_run(engine, run)


def _seems_over(engine: Engine, run: Job) -> bool:
    children = engine.children(run)
    return bool(children) and all(child.over for child in children)


def remove_run(engine: Engine, run: Job) -> None:
    """Deletes a run and its children."""
    for child in engine.children(run):
        engine.remove(child)
    engine.remove(run)


def clear_task(engine: Engine, task: Task) -> int:
    """Deletes all of a task's jobs that are over and booked under its organization. Returns how many."""
    booked = [job for job in engine.by_task[task.id].values() if job.customer_name == task.organization]
    over = [job for job in booked if job.over]
    for job in over:
        engine.remove(job)
    return len(over)


def delete_task(engine: Engine, task: Task) -> None:
    """Deletes a task and its jobs, live ones too."""
    for job in list(engine.by_task[task.id].values()):
        engine.remove(job)
    engine.world.tasks = {key: one for key, one in engine.world.tasks.items() if one is not task}
    engine.world.task_by_id.pop(task.id, None)
