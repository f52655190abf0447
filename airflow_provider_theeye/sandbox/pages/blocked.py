"""Runs of a workflow that does one at a time, and that wait for each other for ever.

A step is not handed out while another run is started, and the queue looks at the earliest run's steps only. So a run
that is stuck stops all others, and a step that is started again in an earlier run stops a later one that is started.
"""

from __future__ import annotations

from collections.abc import Sequence

from .runs import Run
from .show import Time


def why_blocked(run: Run) -> str:
    """Why no step of a run will ever be taken, and what helps; nothing if one may be, now or later."""
    if run.workflow is None or run.workflow.multitasking or not run.live:
        return ""
    started = [other for other in run.others if other.job.lifecycle == "started"]
    if _may_change(run, started):
        return ""
    if started:
        return (
            f"its workflow does one run at a time, and {_runs(started)} has started and does not end. Repair or "
            "cancel that one, or cancel what waits here."
        )
    earlier = [other for other in run.others if other.job.sequence < run.job.sequence and other.live]
    return (
        f"its workflow does one run at a time. {_steps(earlier)} of {_runs(earlier)} is to be taken first, but "
        "only when this run is over. Cancel that step."
    )


def _may_change(run: Run, started: Sequence[Run]) -> bool:
    """Whether anything can happen by which the queue goes on."""
    current = [run, *started]
    if any(one.between_steps or any(job.lifecycle != "ready" for job in one.live) for one in current):
        return True
    ready = [job for one in (run, *run.others) for job in one.live if job.lifecycle == "ready"]
    return any(run.may_be_taken(job) for job in ready)


def _runs(runs: Sequence[Run]) -> str:
    return " and ".join(f"the run of {Time.at(run.job.created).clock}" for run in runs)


def _steps(runs: Sequence[Run]) -> str:
    return ", ".join(dict.fromkeys(run.name(job) for run in runs for job in run.live))
