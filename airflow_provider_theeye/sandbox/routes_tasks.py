"""Routes of tasks and of workflows' templates and runs."""

from __future__ import annotations

from typing import Any

from . import access, documents, lists, retention, workflows
from .access import allowed, sees
from .call import Answer, Call
from .errors import empty, message, text
from .filters import BadFilter
from .router import Routes
from .routes_create import own_task, own_workflow, workflow_in_path
from .routes_jobs import own_job
from .world import Workflow

routes = Routes()


@routes.on("GET", "/task", "/{customer}/task")
def list_tasks(call: Call) -> Answer:
    """The tasks of the token's organization; the customer is not looked at."""
    user = allowed(call, "viewer", look_at_customer=False)
    engine = call.engine
    host = call.query.get("host")
    visible = [
        task
        for task in engine.world.task_by_id.values()
        if task.organization == user.organization
        and access.lists(user, task.acl)
        and (host in (None, "") or (task.host is not None and task.host.id == host))
    ]
    try:
        found = lists.chosen(visible, call.query, lambda task: documents.task_view(engine, task))
    except BadFilter:
        raise empty(500) from None
    return Answer.of([documents.task(engine, task) for task in found])


@routes.on("GET", "/task/{id}", "/{customer}/task/{id}")
def read_task(call: Call) -> Answer:
    """One task of the token's organization."""
    user = allowed(call, "viewer", look_at_customer=False)
    task = own_task(call, user)
    if not sees(user, task.acl):
        raise message(403, "forbidden")
    return Answer.of(documents.task(call.engine, task))


@routes.on("GET", "/task/{id}/credentials", "/{customer}/task/{id}/credentials")
def read_task_credentials(call: Call) -> Answer:
    """A task's secret, for admins."""
    task = own_task(call, allowed(call, "admin"))
    return Answer.of({"id": task.id, "secret": task.secret})


def _changeable(name: str, value: Any) -> bool:
    kinds: dict[str, Any] = {"name": str, "multitasking": bool, "user_inputs": bool}
    return name in kinds and isinstance(value, kinds[name])


@routes.on("PUT", "/task/{id}", "/{customer}/task/{id}")
def change_task(call: Call) -> Answer:
    """Changes a task's name, flags, or limit (`timeout`, milliseconds, null for none)."""
    task = own_task(call, allowed(call, "admin"))
    body = call.body if isinstance(call.body, dict) else {}
    for name, value in body.items():
        if _changeable(name, value):
            setattr(task, name, value)
    timeout = body.get("timeout", 0)
    if timeout is None or (isinstance(timeout, (int, float)) and timeout > 0):
        task.timeout = timeout / 1000 if timeout else None
    task.changed = call.engine.clock()
    return Answer.of(documents.task(call.engine, task))


@routes.on("DELETE", "/task/{id}", "/{customer}/task/{id}")
def delete_task(call: Call) -> Answer:
    """Deletes a task and all its jobs."""
    retention.delete_task(call.engine, own_task(call, allowed(call, "admin")))
    return Answer.of({})


@routes.on("DELETE", "/task/{id}/job", "/{customer}/task/{id}/job")
def clear_task(call: Call) -> Answer:
    """Deletes the jobs of a task that are over."""
    retention.clear_task(call.engine, own_task(call, allowed(call, "admin")))
    return Answer.of({})


@routes.on("GET", "/workflows")
def list_workflows(call: Call) -> Answer:
    """The workflows of the token's organization; the customer is not looked at."""
    user = allowed(call, "viewer", look_at_customer=False)

    def view(workflow: Workflow) -> dict[str, Any]:
        shown = documents.workflow(call.engine, workflow)
        return {**shown, "_id": shown.pop("id")}

    every = call.engine.world.workflows.values()
    visible = [one for one in every if one.organization == user.organization and access.lists(user, one.acl)]
    try:
        found = lists.chosen(visible, call.query, view)
    except BadFilter:
        raise empty(500) from None
    return Answer.of([documents.workflow(call.engine, workflow) for workflow in found])


@routes.on("GET", "/workflows/{id}")
def read_workflow(call: Call) -> Answer:
    """One workflow, of whichever organization."""
    allowed(call, "viewer", look_at_customer=False)
    return Answer.of(documents.workflow(call.engine, workflow_in_path(call)))


@routes.on("GET", "/workflows/{id}/credentials")
def read_workflow_credentials(call: Call) -> Answer:
    """A workflow's secret, for admins."""
    user = allowed(call, "admin")
    workflow = workflow_in_path(call)
    if workflow.organization != user.organization:
        raise text(404, "workflow not found")
    return Answer.of({"id": workflow.id, "secret": workflow.secret})


@routes.on("GET", "/workflows/{id}/job/{run}")
def read_run(call: Call) -> Answer:
    """A run, or the job of one of its steps."""
    user = allowed(call, "viewer", look_at_customer=False)
    workflow = own_workflow(call, user)
    job = own_job(call, user, call.parameters["run"])
    if job.workflow_id != workflow.id:
        raise message(400, "Job does not belong to the Workflow")
    return Answer.of(documents.single(call.engine, job))


@routes.on("GET", "/workflows/{id}/job/{run}/jobs")
def read_children(call: Call) -> Answer:
    """The jobs of a run's steps, whole but for the script."""
    user = allowed(call, "viewer", look_at_customer=False)
    workflow = own_workflow(call, user)
    run = own_job(call, user, call.parameters["run"])
    if not run.is_run:
        raise message(400, "A workflow job is required")
    if run.workflow_id != workflow.id:
        raise message(400, "The job does not belong to the workflow")
    children = [job for job in call.engine.children(run) if user.role != "agent"]
    return Answer.of([documents.child(call.engine, job) for job in children])


@routes.on("PUT", "/workflows/{id}/job/{run}/cancel")
def cancel_run(call: Call) -> Answer:
    """Cancels the newest child; 200 without a body. Whose run it is the path does not say: that is not looked at."""
    user = allowed(call, "admin", look_at_customer=False)
    run = own_job(call, user, call.parameters["run"])
    if not run.is_run:
        raise message(400, "parent workflow job required")
    workflows.cancel(call.engine, run)
    return Answer(200)
