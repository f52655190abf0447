"""How tasks, workflows and jobs are shown. Which keys a document has depends on the route that shows it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from .engine import Engine
from .job import Job
from .jsontext import encode, stringify
from .world import Argument, Host, Task, Workflow

RUNAS = "/bin/bash %script%"


def moment(seconds: float) -> str:
    """A time as TheEye writes it, in UTC with milliseconds."""
    shown = datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")
    return shown.replace("+00:00", "Z")


def argument(one: Argument) -> dict[str, Any]:
    """The definition of an argument. Its `id` counts from one, its `order` from zero."""
    shown = {
        "id": one.order + 1,
        "order": one.order,
        "type": one.type,
        "label": one.label,
        "help": "",
        "readonly": False,
        "required": one.required,
        "masked": False,
        "options": [{"id": n, "order": n, "label": o} for n, o in enumerate(one.options)],
    }
    return {**shown, "value": one.value} if one.type == "fixed" else shown


def task_type(task: Task) -> str:
    """`ScriptTask`, `ApprovalTask` …"""
    return f"{task.type.capitalize()}Task"


def brief_task(task: Task) -> dict[str, Any]:
    """A task inside the answer to a creation and inside a run's children."""
    shown: dict[str, Any] = {"id": task.id, "_type": task_type(task), "type": task.type}
    if task.type == "approval":
        shown["approvers"] = [user.id for user in task.approvers]
    shown["task_arguments"] = [argument(one) for one in task.arguments]
    shown["output_parameters"] = []
    return shown


def resource(engine: Engine, host: Host, state: str) -> dict[str, Any]:
    """A host as one of the things that an organization watches."""
    organization = engine.world.organizations[host.organization]
    return {
        "_type": "Resource",
        "id": host.id,
        "_id": host.id,
        "host_id": host.id,
        "hostname": host.name,
        "name": host.name,
        "type": "host",
        "state": state,
        "enable": True,
        "customer_id": organization.id,
        "customer_name": organization.name,
        "last_update": moment(engine.last_sign.get(host.name, engine.started)),
    }


def bare_task(engine: Engine, task: Task) -> dict[str, Any]:
    """What every longer view of a task has."""
    shown: dict[str, Any] = {
        "order": 0,
        "enable": True,
        "type": task.type,
        "public": False,
        "tags": list(task.tags),
        "triggers": [],
        "grace_time": 0,
        "task_arguments": [argument(one) for one in task.arguments],
        "arguments_type": task.arguments_type,
        "output_parameters": [],
        "register_body": False,
        "execution_count": 0,
        "multitasking": task.multitasking,
        "show_result": False,
        "assigned_users": [],
        "user_inputs": task.user_inputs,
        "user_inputs_members": [],
        "acl": list(task.acl),
        "empty_viewers": False,
        "cancellable": True,
        "autoremove_completed_jobs_limit": task.autoremove or 5,
        "version": 1,
        "fingerprint": task.fingerprint,
        "stack_scheduled_executions": False,
        "_type": task_type(task),
        "creation_date": moment(engine.started),
        "last_update": moment(task.changed or engine.started),
        "name": task.name,
        "customer_id": engine.world.organizations[task.organization].id,
        "allows_dynamic_settings": False,
        "id": task.id,
    }
    if task.autoremove is None:
        shown["autoremove_completed_jobs"] = False
    if task.timeout is not None:
        shown["timeout"] = int(task.timeout * 1000)
    if task.default_state_evaluation is not None:
        shown["default_state_evaluation"] = task.default_state_evaluation
    if task.workflow_id is not None:
        shown["workflow_id"] = shown["workflow"] = task.workflow_id
    if task.type == "approval":
        shown["approvers"] = [user.id for user in task.approvers]
        shown["approvals_target"] = "fixed"
    if task.host is not None:
        shown.update(script_runas=RUNAS, agent_logging=False, host_id=task.host.id, script_id=task.script_id)
    return shown


def script(task: Task) -> dict[str, Any]:
    """A script with its text, as tasks and single jobs hold it."""
    return {
        "id": task.script_id,
        "_id": task.script_id,
        "_type": "Script",
        "filename": task.filename,
        "extension": "sh",
        "mimetype": "application/x-sh",
        "md5": task.fingerprint,
        "data": task.script,
    }


def task(engine: Engine, one: Task) -> dict[str, Any]:
    """A task in lists and by itself. Never its secret."""
    shown = bare_task(engine, one)
    shown["customer"] = shown["customer_id"]
    if one.host is not None:
        shown["host"] = {"_id": one.host.id, "hostname": one.host.name, "id": one.host.id}
        shown["hostname"] = one.host.name
        shown["script"] = script(one)
        shown["script_name"] = one.filename
    shown["schedules"] = []
    return shown


def task_view(engine: Engine, one: Task) -> dict[str, Any]:
    """What filters look at."""
    shown = bare_task(engine, one)
    shown["_id"] = shown.pop("id")
    shown["customer"] = shown["customer_id"]
    if one.host is not None:
        shown["host"] = one.host.id
    return shown


def workflow(engine: Engine, one: Workflow) -> dict[str, Any]:
    """A workflow in lists and by itself."""
    nodes = [
        {"v": step.id, "value": {"id": step.id, "_type": task_type(step), "type": step.type, "name": step.name}}
        for step in one.steps.values()
    ]
    return {
        "_type": "Workflow",
        "name": one.name,
        "version": one.version,
        "multitasking": one.multitasking,
        "enable": True,
        "public": False,
        "tags": list(one.tags),
        "acl": list(one.acl),
        "triggers": [],
        "table_view": False,
        "empty_viewers": False,
        "autoremove_completed_jobs": one.autoremove is not None,
        "autoremove_completed_jobs_limit": one.autoremove or 5,
        "graph": {
            "options": {"directed": True, "multigraph": True, "compound": False},
            "nodes": nodes,
            "edges": [{"v": edge.source, "w": edge.target, "value": edge.on} for edge in one.edges],
        },
        "start_task": one.start.id,
        "start_task_id": one.start.id,
        "customer": engine.world.organizations[one.organization].id,
        "customer_id": engine.world.organizations[one.organization].id,
        "customer_name": one.organization,
        "creation_date": moment(engine.started),
        "last_update": moment(engine.started),
        "id": one.id,
    }


# -- jobs


def env(engine: Engine, job: Job) -> dict[str, str]:
    """What a job's script finds in its environment; each value is JSON text."""
    run = {"job_id": job.workflow_job_id, "id": job.workflow_id} if job.workflow_job_id else {}
    who = job.restarted_by or job.user
    user = {key: who[key] for key in ("id", "email", "username")} if who else {}
    return {
        "THEEYE_JOB": stringify({"id": job.id, "task_id": job.task_id}),
        "THEEYE_JOB_USER": stringify(user),
        "THEEYE_JOB_WORKFLOW": stringify(run),
        "THEEYE_ORGANIZATION_NAME": stringify(job.customer_name),
        "THEEYE_API_URL": stringify(engine.base_url),
    }


def _row(engine: Engine, job: Job) -> dict[str, Any]:
    """What every view of a job has."""
    shown: dict[str, Any] = {
        "order": 0,
        "show_result": False,
        "assigned_users": [],
        "user_inputs": False,
        "user_inputs_members": [],
        "acl": job.acl,
        "empty_viewers": False,
        "acl_dynamic": False,
        "cancellable": True,
        "_type": job.type,
        "creation_date": moment(job.created),
        "last_update": moment(job.updated),
        "secret": job.secret,
        "lifecycle": job.lifecycle,
        "id": job.id,
    }
    if job.state:  # an agent's update has none before its end
        shown["state"] = job.state
    if job.is_run:
        shown.update(_id=job.id, enable=True, workflow=job.workflow_id, active_paths_counter=job.active_paths)
    if job.name is not None:  # absent only of the task of a step that was started alone
        shown.update(name=job.name, notify=True, customer_name=job.customer_name)
        shown["customer_id"] = engine.world.organizations[job.customer_name or ""].id
        if job.origin is not None:
            shown["origin"] = job.origin
        if job.task_id is not None:
            shown.update(task_id=job.task_id, triggered_by=None, allows_dynamic_settings=False)
    _add_place(engine, job, shown)
    if job.user is not None:
        shown["user_id"] = job.user["id"]
    if job.trigger_name is not None or job.restarted_by is not None:
        shown["trigger_name"] = job.trigger_name
    return shown


def _add_place(engine: Engine, job: Job, shown: dict[str, Any]) -> None:
    """Where a job runs, and to which run it belongs."""
    task_of = engine.world.task_by_id.get(job.task_id or "")
    if task_of is not None:
        shown["user_inputs"] = task_of.user_inputs
    if job.host is not None:
        shown["host"] = shown["host_id"] = engine.world.hosts[job.host].id
    if job.type == "ScriptJob":
        shown["agent_logging"] = False
        if task_of is not None:
            shown.update(script_id=task_of.script_id, script_runas=RUNAS)
            if task_of.timeout is not None:
                shown["timeout"] = int(task_of.timeout * 1000)
    if job.type == "ApprovalJob" and task_of is not None:
        shown.update(approvers=[user.id for user in task_of.approvers], approvals_target="fixed")
    if job.workflow_id is not None:
        shown["workflow_id"] = shown["workflow"] = job.workflow_id
    if job.workflow_job_id is not None:
        shown["workflow_job_id"] = shown["workflow_job"] = job.workflow_job_id


def _document(engine: Engine, job: Job) -> dict[str, Any]:
    """A job with its arguments, output and result."""
    shown = _row(engine, job)
    shown["task_arguments_values"] = job.values
    if job.output is not None:
        shown["output"] = job.output
    if job.result is not None:
        shown["result"] = job.result
    if job.type == "ScriptJob" and job.name is not None:
        shown["env"] = env(engine, job)
    task_of = engine.world.task_by_id.get((job.start_task_id if job.is_run else job.task_id) or "")
    if task_of is not None:
        shown["task"] = brief_task(task_of)
    return shown


def created(engine: Engine, job: Job, user: dict[str, str] | None) -> dict[str, Any]:
    """The answer to a creation: `host` is an object here, and the one who asked is named ({} by secret)."""
    shown = _document(engine, job)
    if job.host is not None:
        host = engine.world.hosts[job.host]
        shown["host"] = {"_id": host.id, "hostname": host.name, "id": host.id}
    shown["user"] = user or {}
    return shown


def child(engine: Engine, job: Job) -> dict[str, Any]:
    """A job among its run's jobs, or in the answer to its restart; also a run by itself."""
    return _document(engine, job)


def single(engine: Engine, job: Job) -> dict[str, Any]:
    """A job by its id: with the whole task and the script's text. A run looks the same on every route."""
    shown = _document(engine, job)
    if job.is_run or job.name is None:
        return shown
    shown["customer"] = shown["customer_id"]
    task_of = engine.world.task_by_id.get(job.task_id or "")
    if task_of is not None:
        shown["task"] = {**bare_task(engine, task_of), "host": None, "customer": None}
        if task_of.host is not None:
            shown["script_arguments"] = []
            shown["script"] = script(task_of)
            shown["task"]["script"] = task_of.script_id
    return shown


def row(engine: Engine, job: Job) -> bytes:
    """A job in a list, as JSON: neither arguments nor output nor result."""
    if job.row is None:
        shown = _row(engine, job)
        if not job.is_run and job.name is not None:
            shown["customer"] = shown["customer_id"]
        job.row = encode(shown)
    return job.row


def job_view(engine: Engine, job: Job) -> dict[str, Any]:
    """What filters look at: the stored fields, times in seconds."""
    shown = _row(engine, job)
    shown["_id"] = shown.pop("id")
    shown.update(creation_date=job.created, last_update=job.updated, task_arguments_values=job.values)
    shown["task"] = job.task_id
    shown["customer"] = shown.get("customer_id")
    return shown


def given_arguments(engine: Engine, job: Job) -> list[dict[str, Any]]:
    """The definitions of a job's arguments, each with the value at its place in the list."""
    task_of = engine.world.task_by_id.get((job.start_task_id if job.is_run else job.task_id) or "")
    shown = [argument(one) for one in task_of.arguments] if task_of is not None else []
    for one, value in zip(shown, job.values, strict=False):
        one["value"] = value
    return shown


def participants(engine: Engine, job: Job) -> dict[str, Any]:
    """The users behind a job: who started it and whom its access list names. Nobody is assigned to one here."""
    members = {
        user.email: user.shown() for user in engine.world.users.values() if user.organization == job.customer_name
    }
    owner = {"owner": job.user} if job.user is not None else {}
    return {**owner, "assignee": [], "observers": [members[email] for email in job.acl if email in members]}
