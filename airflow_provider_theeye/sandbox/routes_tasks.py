"""Routes of tasks and of workflows' templates and runs."""

from __future__ import annotations

from typing import Any

from . import documents, lists, resolve, retention, workflows
from .access import allowed, ensure_allowed, sees
from .call import Answer, Call
from .errors import Refused, message, text
from .router import Routes
from .world import Task, User, Workflow

routes = Routes()
VERSION = "4.15.3"


@routes.on("GET", "/task", "/{customer}/task")
def list_tasks(call: Call) -> Answer:
    """The tasks of the token's organization; the customer is not looked at."""
    user = allowed(call, "viewer", look_at_customer=False)
    engine = call.engine
    host = resolve.optional_host(call, user)
    visible = [
        task
        for task in engine.world.task_by_id.values()
        if task.organization == user.organization and sees(user, task.acl) and (host is None or task.host == host)
    ]
    found = lists.listed(call, visible, lambda task: documents.task_view(engine, task))
    return Answer.of([documents.task(engine, task) for task in found])


@routes.on("GET", "/task/{id}", "/{customer}/task/{id}")
def read_task(call: Call) -> Answer:
    """One task of the token's organization."""
    user = allowed(call, "viewer", look_at_customer=False)
    task = resolve.own_task(call, user)
    ensure_allowed(user, task.acl)
    return Answer.of(documents.task(call.engine, task))


@routes.on("GET", "/{customer}/task/{id}/credentials")
def read_task_credentials(call: Call) -> Answer:
    """A task's secret, for admins, of whichever organization."""
    allowed(call, "admin")
    task = resolve.task(call)
    return Answer.of({"id": task.id, "secret": task.secret})


def _changeable(name: str, value: Any) -> bool:
    kinds: dict[str, Any] = {"name": str, "multitasking": bool, "user_inputs": bool}
    return name in kinds and isinstance(value, kinds[name])


def _check_whole(call: Call, user: User, task: Task) -> None:
    """Refuses a part of a task: what it is made of has to be said again."""
    if not call.in_body("name"):
        raise _missing("name")
    if task.type == "approval" and not call.in_body("approvers"):
        raise _missing("approvers")
    if task.type != "script":
        return
    scripts = {one.script_id for one in call.engine.world.task_by_id.values() if one.organization == user.organization}
    script = call.in_body("script")
    missing = [] if resolve.optional_host(call, user, "host_id") is not None else ["host"]
    if (script.get("id") if isinstance(script, dict) else script) not in scripts:
        missing.append("script")
    if missing:
        raise _missing(*missing)


def _missing(*fields: str) -> Refused:
    errors = [{"name": "ExtendedError", "statusCode": 400, "field": field, "code": "EREQ"} for field in fields]
    return Refused(400, errors)


@routes.on("PUT", "/{customer}/task/{id}")
@routes.on("PATCH", "/{customer}/task/{id}")
def change_task(call: Call) -> Answer:
    """Changes a task's name, flags, or limit (`timeout`, milliseconds, null for none). Wants the whole document."""
    user = allowed(call, "admin", look_at_customer=False)
    task = resolve.own_task(call, user)
    _check_whole(call, user, task)
    body: dict[str, Any] = call.body
    for name, value in body.items():
        if _changeable(name, value):
            setattr(task, name, value)
    timeout = body.get("timeout", 0)
    if timeout is None or (isinstance(timeout, (int, float)) and timeout > 0):
        task.timeout = timeout / 1000 if timeout else None
    task.changed = call.engine.clock()
    return Answer.of(documents.task(call.engine, task))


@routes.on("DELETE", "/{customer}/task/{id}")
def delete_task(call: Call) -> Answer:
    """Deletes a task and all its jobs."""
    user = allowed(call, "admin", look_at_customer=False)
    retention.delete_task(call.engine, resolve.own_task(call, user))
    return Answer.of({})


@routes.on("DELETE", "/{customer}/task/{id}/job")
def clear_task(call: Call) -> Answer:
    """Deletes the jobs of a task that are over."""
    user = allowed(call, "admin")
    task = resolve.task(call)
    if task.organization != user.organization:
        raise text(401, "forbidden")
    return Answer.of({"deletedCount": retention.clear_task(call.engine, task)})


@routes.on("GET", "/api/status")
def read_status(call: Call) -> Answer:
    """That the server runs, and which version it imitates. Nobody has to say who asks."""
    return Answer.of({"status": "Node is ok.", "version": VERSION})


@routes.on("GET", "/workflows")
def list_workflows(call: Call) -> Answer:
    """The workflows of the token's organization; the customer is not looked at."""
    user = allowed(call, "viewer", look_at_customer=False)

    def view(workflow: Workflow) -> dict[str, Any]:
        shown = documents.workflow(call.engine, workflow)
        return {**shown, "_id": shown.pop("id")}

    every = call.engine.world.workflows.values()
    visible = [one for one in every if one.organization == user.organization and sees(user, one.acl)]
    found = lists.listed(call, visible, view)
    return Answer.of([documents.workflow(call.engine, workflow) for workflow in found])


@routes.on("GET", "/workflows/{id}")
def read_workflow(call: Call) -> Answer:
    """One workflow, of whichever organization."""
    allowed(call, "viewer", look_at_customer=False)
    return Answer.of(documents.workflow(call.engine, resolve.workflow(call)))


@routes.on("GET", "/workflows/{id}/credentials")
def read_workflow_credentials(call: Call) -> Answer:
    """A workflow's secret, for admins, of whichever organization."""
    allowed(call, "admin")
    workflow = resolve.workflow(call)
    return Answer.of({"id": workflow.id, "secret": workflow.secret})


@routes.on("GET", "/workflows/{id}/job")
def list_runs(call: Call) -> Answer:
    """A workflow's runs, and among them the jobs of their steps."""
    user = allowed(call, "viewer", look_at_customer=False)
    workflow = resolve.own_workflow(call, user)
    return lists.answer(call.engine, [job for job in lists.jobs(call, user) if job.workflow_id == workflow.id])


@routes.on("GET", "/workflows/{id}/job/{run}")
def read_run(call: Call) -> Answer:
    """A run, or the job of one of its steps."""
    user = allowed(call, "viewer", look_at_customer=False)
    workflow = resolve.own_workflow(call, user)
    job = resolve.own_job(call, user, "run")
    if job.workflow_id != workflow.id:
        raise message(400, "Job does not belong to the Workflow")
    return Answer.of(documents.single(call.engine, job))


@routes.on("GET", "/workflows/{id}/job/{run}/jobs")
def read_children(call: Call) -> Answer:
    """The jobs of a run's steps, whole but for the script."""
    user = allowed(call, "viewer", look_at_customer=False)
    workflow = resolve.own_workflow(call, user)
    run = resolve.own_job(call, user, "run")
    if not run.is_run:
        raise message(400, "A workflow job is required")
    if run.workflow_id != workflow.id:
        raise message(400, "The job does not belong to the workflow")
    children = [job for job in call.engine.children(run) if sees(user, job.acl)]
    return Answer.of([documents.child(call.engine, job) for job in children])


@routes.on("PUT", "/workflows/{id}/job/{run}/cancel")
def cancel_run(call: Call) -> Answer:
    """Cancels the newest child; 200 without a body. Whose run it is the path does not say: that is not looked at."""
    user = allowed(call, "admin", look_at_customer=False)
    run = resolve.own_job(call, user, "run")
    if not run.is_run:
        raise message(400, "parent workflow job required")
    workflows.cancel(call.engine, run)
    return Answer(200)
