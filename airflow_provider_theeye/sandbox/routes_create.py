"""Routes that make jobs and runs, by token and by secret."""

from __future__ import annotations

from . import documents, jobs, workflows
from .access import allowed
from .call import Answer, Call
from .errors import message, organization_not_found, text
from .ids import is_identifier
from .job import Job
from .router import Routes
from .world import Task, User, Workflow

routes = Routes()


def named_task(call: Call) -> Task:
    """The task that a body or query names, of whichever organization. The older parts' errors."""
    named = call.given("task")
    if named in (None, ""):
        raise text(400, "task is required")
    if not is_identifier(named):
        raise text(400, "task id is invalid")
    task = call.engine.world.task_by_id.get(named.lower())
    if task is None:
        raise text(404, "task not found")
    return task


def task_in_path(call: Call) -> Task:
    """The task of a path. The newer parts' errors."""
    named = call.parameters["id"]
    if not named:
        raise message(400, "task is required")
    if not is_identifier(named):
        raise message(400, "task invalid value")
    task = call.engine.world.task_by_id.get(named.lower())
    if task is None:
        raise message(404, "task not found")
    return task


def own_task(call: Call, user: User) -> Task:
    """The task of a path if it is the user's organization's."""
    task = task_in_path(call)
    if task.organization != user.organization:
        raise message(404, "task not found")
    return task


def workflow_in_path(call: Call) -> Workflow:
    """The workflow of a path."""
    named = call.parameters["id"]
    if not named:
        raise text(400, "workflow is required")
    if not is_identifier(named):
        raise text(400, "workflow id is invalid")
    workflow = call.engine.world.workflow_by_id.get(named.lower())
    if workflow is None:
        raise text(404, "workflow not found")
    return workflow


def own_workflow(call: Call, user: User) -> Workflow:
    """The workflow of a path if it is the user's organization's. The newer parts' errors."""
    named = call.parameters["id"]
    if not is_identifier(named):
        raise message(400, "workflow invalid value" if named else "workflow is required")
    workflow = call.engine.world.workflow_by_id.get(named.lower())
    if workflow is None or workflow.organization != user.organization:
        raise message(404, "workflow not found")
    return workflow


def _answer(call: Call, job: Job, origin: jobs.Origin) -> Answer:
    return Answer.of(documents.created(call.engine, job, origin.user))


def _create(call: Call, task: Task, origin: jobs.Origin) -> Answer:
    lifecycle = call.given("lifecycle")
    job = jobs.create(call.engine, task, call.body, call.given_arguments(), origin, lifecycle)
    return _answer(call, job, origin)


@routes.on("POST", "/job", "/{customer}/job")
def create_job(call: Call) -> Answer:
    """By token. Neither the customer nor whose task it is is looked at."""
    user = allowed(call, "user", look_at_customer=False)
    return _create(call, named_task(call), jobs.Origin.of_user(user))


@routes.on("POST", "/task/{id}/job", "/{customer}/task/{id}/job")
def create_job_of_task(call: Call) -> Answer:
    """By token, for a task of the own organization. A customer is looked at in the path alone."""
    user = allowed(call, "user", look_at_customer="customer" in call.parameters)
    return _create(call, own_task(call, user), jobs.Origin.of_user(user))


@routes.on("POST", "/job/secret/{secret}")
def create_job_by_secret(call: Call) -> Answer:
    """By the task's secret. Any existing customer will do, and the job is booked under it."""
    customer = call.given("customer")
    if customer in (None, ""):
        raise text(403, "organization is required")
    if not isinstance(customer, str) or customer not in call.engine.world.organizations:
        raise organization_not_found()
    task = named_task(call)
    _check_secret(call, task.secret)
    return _create(call, task, jobs.Origin("secret", customer))


@routes.on("POST", "/task/{id}/secret/{secret}/job", "/{customer}/task/{id}/secret/{secret}/job")
def create_job_by_secret_of_task(call: Call) -> Answer:
    """By the task's secret; no customer is needed, and one in front is ignored."""
    task = task_in_path(call)
    _check_secret(call, task.secret)
    return _create(call, task, jobs.Origin("secret", task.organization))


def _check_secret(call: Call, secret: str) -> None:
    if call.parameters["secret"] != secret:
        raise text(403, "invalid secret")


def _start(call: Call, workflow: Workflow, origin: jobs.Origin) -> Answer:
    first = None
    if call.given("task") not in (None, ""):
        first = named_task(call)
        if first.workflow_id != workflow.id:
            raise message(404, "task not found")
    run = workflows.start(
        call.engine, workflow, call.body, call.given_arguments(), origin, call.given("lifecycle"), first
    )
    return _answer(call, run, origin)


@routes.on("POST", "/workflows/{id}/job")
def start_workflow(call: Call) -> Answer:
    """By token. The customer is not looked at."""
    user = allowed(call, "user", look_at_customer=False)
    workflow = workflow_in_path(call)
    if workflow.organization != user.organization:
        raise text(401, "forbidden")
    return _start(call, workflow, jobs.Origin.of_user(user))


@routes.on("POST", "/workflows/{id}/secret/{secret}/job")
def start_workflow_by_secret(call: Call) -> Answer:
    """By the workflow's secret; a customer is ignored."""
    workflow = workflow_in_path(call)
    _check_secret(call, workflow.secret)
    return _start(call, workflow, jobs.Origin("secret", workflow.organization))
