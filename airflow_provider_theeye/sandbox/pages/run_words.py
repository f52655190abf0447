"""What is going on in a run, in a word and in sentences.

The run's own words do not tell: they are those of its end before while a step that was started again waits for its
host, and they say `started` for ever when nothing is left that could go on.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..job import Job
from ..workflows import ENDLESS_VERSION
from . import attempts
from .blocked import why_blocked
from .look import Look, look, of_job
from .runs import Run

STUCK = Look("stuck", "failure")


def run_look(run: Run) -> Look:
    """How a run looks, whatever it says itself."""
    if why_stuck(run):
        return STUCK
    if run.goes_on:
        waits = all(child.lifecycle != "assigned" for child in run.live)
        return Look("waits again", "waiting") if waits else Look("goes on", "running")
    if run.failed:
        return Look("failed step", "failure")
    return look(run.job.lifecycle, run.job.state)


def run_meaning(run: Run) -> str:
    """What is going on, in a sentence or two."""
    stuck = why_stuck(run)
    if stuck:
        return f"Stuck, it will never end: {stuck}"
    if run.goes_on:
        return _goes_on(run)
    if run.job.over:
        return _ended(run)
    waiting = {
        "syncing": "Held: its first step is not handed out until it is released.",
        "onhold": "On hold.",
        "ready": "Waits until its first step is taken.",
    }
    if run.job.lifecycle == "onhold" and all(child.lifecycle != "onhold" for child in run.live):
        return "Waits until the run before it is over."
    return waiting.get(run.job.lifecycle) or _under_way(run)


def _names(run: Run, children: Sequence[Job]) -> str:
    return ", ".join(dict.fromkeys(run.name(child) for child in children))


def _goes_on(run: Run) -> str:
    again = [child for child in run.live if attempts.restarts(child) and child.lifecycle != "assigned"]
    said = f"Not over, although TheEye says {run.job.lifecycle} ({run.job.state})"
    if not again:
        return f"{said}. Still live: {_names(run, run.live)}."
    return f"{said} until a host takes what has been started again: {_names(run, again)}."


def _under_way(run: Run) -> str:
    if not run.live:
        return "Between two steps."
    dead = run.unbuildable
    end = f" It cannot end after that: {_names(run, dead)} could not be built." if dead else ""
    return f"Now: {_names(run, run.live)}.{end}"


def _ended(run: Run) -> str:
    if run.job.state == "canceled":
        user = ((run.job.result or {}).get("user") or {}).get("username")
        return f"Cancelled by {user}." if user else "Cancelled."
    if not run.failed:
        return f"Ended like the last step of its last path, with {run.job.state}."
    failed = ", ".join(f"{run.name(child)} ({of_job(child).word})" for child in run.failed)
    return (
        "TheEye calls it a success, since that is how the last step of its last path ended. Airflow's task fails: "
        f"{failed}."
    )


def why_stuck(run: Run) -> str:
    """Why a run will never end, and what can be done about it; nothing if it may end."""
    blocked = why_blocked(run)
    if blocked or run.job.over:
        return blocked
    if not run.children:
        return "it has no job of any step, so that nothing can go on. Cancel it."
    if run.live or run.between_steps:
        return ""
    dead = run.unbuildable
    if dead:
        return f"{_names(run, dead)} could not be built. Restart that step with enough arguments, and the run goes on."
    if run.workflow is not None and run.workflow.version == ENDLESS_VERSION:
        return "its steps are over, but runs of workflows of version 1 never end."
    if run.job.active_paths < 0:
        return "two of its steps were started again at the same time, and the end of the first was taken for all."
    return "nothing of it is left that could go on."


def restart_warning(run: Run, *, another_run_started: bool) -> str:
    """What goes wrong if a step of a run is started again now; nothing if nothing does."""
    if run.live:
        return (
            "Another step of this run is live. If this one is started again now, TheEye ends the run too early or "
            "never. Wait until the run is over."
        )
    if another_run_started and run.workflow is not None and not run.workflow.multitasking:
        return (
            "Another run of this workflow has started, and TheEye does one at a time. If this step is started again "
            "now, both runs may wait for each other for ever."
        )
    return ""
