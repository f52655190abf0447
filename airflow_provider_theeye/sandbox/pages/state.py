"""What is going on in a job, in a sentence."""

from __future__ import annotations

import json

from .. import jobs
from ..engine import Engine
from ..job import Job
from . import attempts
from .look import Look, of_job
from .run_words import run_look, run_meaning
from .runs import Run


def look_of(engine: Engine, job: Job) -> Look:
    """How a job or a run looks."""
    return run_look(Run.of(engine, job)) if job.is_run else of_job(job)


def meaning(engine: Engine, job: Job) -> str:
    """What is going on, in a sentence or two."""
    again = attempts.again(job)
    again = f" {again[0].upper()}{again[1:]}." if again else ""
    if job.is_run:
        return run_meaning(Run.of(engine, job)) + again
    return (_end(job) if job.over else _life(engine, job)) + again


def _life(engine: Engine, job: Job) -> str:
    host = job.host or "TheEye"
    if job.lifecycle == "ready":
        if job.host in engine.dead_hosts:
            return f"Waits for {host}, which has stopped."
        return f"Waits until {host} takes it."
    if job.lifecycle == "onhold":
        return _on_hold(engine, job)
    return {
        "assigned": f"{host} runs it.",
        "syncing": "Held: no host is handed it until it is released.",
        "locked": "Locked: nothing leads out of this.",
    }.get(job.lifecycle, "")


def approver_names(engine: Engine, job: Job) -> list[str]:
    """Who may decide an approval."""
    listed = jobs.approvers(engine, job)
    return [user.key for user in engine.world.users.values() if user.id in listed]


def _on_hold(engine: Engine, job: Job) -> str:
    if job.type == "ApprovalJob":
        names = approver_names(engine, job)
        return f"Waits for a decision by {' or '.join(names) or 'nobody: it has no approvers'}."
    return "Waits for its input."


def _end(job: Job) -> str:
    result = job.result or {}
    if job.state == "error":
        return f"TheEye could not build it: {born_dead(job)}."
    if job.state == "timeout":
        return "It took too long: the agent killed it."
    if job.state == "canceled":
        return _cancelled(job)
    if job.type == "ApprovalJob":
        decider = (result.get("user") or {}).get("username", "somebody")
        return f"{'Approved' if job.state == 'success' else 'Rejected'} by {decider}."
    code = job.exit_code
    if job.state == "success" and code:
        return f"The exit code is {code}. For TheEye it is a success all the same: the last line did not say failure."
    if job.state == "failure":
        return "The script said failure." if code in (0, None) else f"The script said failure; its exit code is {code}."
    return "All went well."


def _cancelled(job: Job) -> str:
    if job.result is None:
        return "Cancelled by TheEye itself, with its workflow or as its host was lost."
    if job.result.get("killed") is True:
        return "Given up: its agent kept silent for too long."
    if job.result.get("lastline"):
        return "The script's last line said canceled."
    return f"Cancelled by {(job.result.get('user') or {}).get('username', 'somebody')}."


def born_dead(job: Job) -> str:
    """The reason why a job could not be built."""
    try:
        said = json.loads(job.output)
    except (TypeError, ValueError):
        said = job.output
    return str(said)
