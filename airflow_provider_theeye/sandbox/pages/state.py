"""What a job's lifecycle and state look like, and what they mean, in a sentence."""

from __future__ import annotations

import json
from dataclasses import dataclass

from .. import jobs
from ..engine import Engine
from ..job import Job
from ..lifecycle import LIVE

_WORDS = {"onhold": "on hold"}
_TONES = {
    "ready": "waiting",
    "syncing": "waiting",
    "locked": "waiting",
    "onhold": "hold",
    "assigned": "running",
    "started": "running",
    "success": "success",
    "failure": "failure",
    "error": "failure",
    "timeout": "timeout",
    "canceled": "canceled",
}


@dataclass(frozen=True)
class Look:
    """A word and the colour and shape it is shown in. The word alone says everything."""

    word: str
    tone: str


NOT_REACHED = Look("not reached", "none")


def look(lifecycle: str, state: str) -> Look:
    """While a job lives its lifecycle counts, afterwards its state."""
    said = lifecycle if lifecycle in LIVE else state
    return Look(_WORDS.get(said, said), _TONES.get(said, "waiting"))


def of_job(job: Job) -> Look:
    """How a job looks now. TheEye calls a script with an exit code a success; Airflow's tasks and people do not."""
    if not job.over or job.state not in ("success", "failure") or not has_exit_code(job):
        return look(job.lifecycle, job.state)
    code = (job.result or {})["code"]
    return Look(f"exit code {code}" if job.state == "success" else f"failure, exit {code}", _TONES["failure"])


def has_exit_code(job: Job) -> bool:
    """Whether its script ended with an exit code other than 0."""
    code = (job.result or {}).get("code")
    return isinstance(code, int) and code != 0


def meaning(engine: Engine, job: Job) -> str:
    """What is going on, in one sentence."""
    if job.over:
        return _end(engine, job)
    if job.is_run:
        return _run(engine, job)
    host = job.host or "TheEye"
    if job.lifecycle == "ready":
        if job.host in engine.dead_hosts:
            return f"Waits for {host}, of which nothing is heard."
        return f"Waits until {host} takes it."
    if job.lifecycle == "onhold":
        return _on_hold(engine, job)
    return {
        "assigned": f"{host} runs it.",
        "syncing": "Held: no host is handed it until it is released.",
        "locked": "Locked: nothing leads out of this.",
    }.get(job.lifecycle, "")


def _run(engine: Engine, run: Job) -> str:
    children = engine.children(run)
    if run.lifecycle == "syncing":
        return "Held: its first step is not handed out until it is released."
    if run.lifecycle == "onhold":
        return "Waits until the run before it is over."
    if run.lifecycle == "ready":
        return "Waits until its first step is taken."
    if children and all(child.over for child in children) and any(child.state == "error" for child in children):
        return "Stuck: a step could not be built, and TheEye ends such a run never."
    live = [step_name(engine, child) for child in children if not child.over]
    return f"Now: {', '.join(live)}." if live else "Between two steps."


def step_name(engine: Engine, job: Job) -> str:
    """What a step is called within its workflow."""
    workflow = engine.world.workflow_by_id.get(job.workflow_id or "")
    steps = workflow.steps if workflow else {}
    return next((key for key, task in steps.items() if task.id == job.task_id), job.name or job.id)


def approver_names(engine: Engine, job: Job) -> list[str]:
    """Who may decide an approval."""
    listed = jobs.approvers(engine, job)
    return [user.key for user in engine.world.users.values() if user.id in listed]


def _on_hold(engine: Engine, job: Job) -> str:
    if job.type == "ApprovalJob":
        names = approver_names(engine, job)
        return f"Waits for a decision by {' or '.join(names) or 'nobody: it has no approvers'}."
    return "Waits for its input."


def _exit_codes(engine: Engine, run: Job) -> str:
    """What the success of a run hides: for Airflow's tasks a step with an exit code is a failure."""
    newest = {child.task_id: child for child in engine.children(run)}.values()
    failed = [step_name(engine, child) for child in newest if child.state == "success" and has_exit_code(child)]
    if run.state != "success" or not failed:
        return ""
    return f" TheEye looks at no exit codes; Airflow does, so this is a failed task there: {', '.join(failed)}."


def _end(engine: Engine, job: Job) -> str:
    result = job.result or {}
    if job.state == "error":
        return f"TheEye could not build it: {born_dead(job)}."
    if job.state == "timeout":
        return "It took too long: the agent killed it."
    if job.state == "canceled":
        return _cancelled(job)
    if job.is_run:
        return f"Ended like the last step of its last path, with {job.state}.{_exit_codes(engine, job)}"
    if job.type == "ApprovalJob":
        decider = (result.get("user") or {}).get("username", "somebody")
        return f"{'Approved' if job.state == 'success' else 'Rejected'} by {decider}."
    code = result.get("code")
    if job.state == "success" and isinstance(code, int) and code != 0:
        return f"The exit code is {code}. For TheEye it is a success all the same: the last line did not say failure."
    if job.state == "failure":
        return "The script said failure." if code in (0, None) else f"The script said failure; its exit code is {code}."
    return "All went well."


def _cancelled(job: Job) -> str:
    if job.result is None:
        return "Cancelled." if job.is_run else "Cancelled by TheEye itself, with its workflow or as its host was lost."
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
