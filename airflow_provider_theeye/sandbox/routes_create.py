"""Routes that make jobs and runs, by token and by secret."""

from __future__ import annotations

from typing import Any

from . import documents, jobs, query, resolve, workflows
from .access import allowed, ensure_allowed
from .call import Answer, Call
from .errors import message, organization_not_found, text
from .job import Job
from .jsontext import truthy
from .router import Routes
from .world import Task, Workflow

routes = Routes()


def _answer(call: Call, job: Job, origin: jobs.Origin) -> Answer:
    return Answer.of(documents.created(call.engine, job, origin.user))


def _create(call: Call, task: Task, origin: jobs.Origin) -> Answer:
    _check_assignee(call.given("assignee"))
    job = jobs.create(call.engine, task, call.given_arguments(), origin, call.given("lifecycle"))
    answer = _answer(call, job, origin)
    if call.query.get("wait_result") == "true" or call.in_body("wait_result") is True:
        answer.status = 303
        answer.headers["Location"] = _place_of_result(call, job)
    return answer


def _check_assignee(assignee: Any) -> None:
    if truthy(assignee) and not isinstance(assignee, list):
        raise message(400, "assignee array expected")
    if assignee == []:
        raise message(400, "assignee is empty")


def _place_of_result(call: Call, job: Job) -> str:
    """Where to wait for the result of a job just made: with its own secret if it was made by one.

    The query of the request goes along, its access token included.
    """
    by_secret = f"/secret/{job.secret}" if call.parameters.get("secret") else ""
    more = {"counter": "0", "limit": call.query.get("limit") or "10", "timeout": call.query.get("timeout") or "10"}
    return f"/job/{job.id}{by_secret}/result?{query.stringify({**call.query, **more})}"


@routes.on("POST", "/job", "/{customer}/job")
def create_job(call: Call) -> Answer:
    """By token. Neither the customer nor whose task it is is looked at."""
    user = allowed(call, "user", look_at_customer=False)
    task = resolve.task(call)
    ensure_allowed(user, task.acl)
    return _create(call, task, jobs.Origin.of_user(user))


@routes.on("POST", "/{customer}/task/{id}/job")
def create_job_of_any_task(call: Call) -> Answer:
    """By token, for a task of whichever organization. The customer has to be the token's."""
    user = allowed(call, "user")
    task = resolve.task(call)
    ensure_allowed(user, task.acl)
    return _create(call, task, jobs.Origin.of_user(user))


@routes.on("POST", "/task/{id}/job")
def create_job_of_own_task(call: Call) -> Answer:
    """By token, for a task of the own organization. The customer is not looked at."""
    user = allowed(call, "user", look_at_customer=False)
    task = resolve.own_task(call, user)
    ensure_allowed(user, task.acl)
    return _create(call, task, jobs.Origin.of_user(user))


@routes.on("POST", "/job/secret/{secret}")
def create_job_by_secret(call: Call) -> Answer:
    """By the task's secret. Any existing customer will do, and the job is booked under it."""
    customer = call.given("customer")
    if not truthy(customer):
        raise text(403, "organization is required")
    if not isinstance(customer, str) or customer not in call.engine.world.organizations:
        raise organization_not_found()
    task = resolve.task(call)
    check_secret(call, task.secret)
    return _create(call, task, jobs.Origin("secret", customer))


@routes.on("POST", "/task/{id}/secret/{secret}/job", "/{customer}/task/{id}/secret/{secret}/job")
def create_job_by_secret_of_task(call: Call) -> Answer:
    """By the task's secret; no customer is needed, and one in front is ignored."""
    task = resolve.task(call)
    check_secret(call, task.secret)
    return _create(call, task, jobs.Origin("secret", task.organization))


def check_secret(call: Call, secret: str) -> None:
    if not call.parameters["secret"]:
        raise text(403, "secret is required")
    if call.parameters["secret"] != secret:
        raise text(403, "invalid secret")


def _start(call: Call, workflow: Workflow, origin: jobs.Origin) -> Answer:
    first = resolve.optional_task(call)
    _check_assignee(call.given("assignee"))
    run = workflows.start(call.engine, workflow, call.given_arguments(), origin, call.given("lifecycle"), first)
    return _answer(call, run, origin)


@routes.on("POST", "/workflows/{id}/job")
def start_workflow(call: Call) -> Answer:
    """By token. The customer is not looked at."""
    user = allowed(call, "user", look_at_customer=False)
    workflow = resolve.workflow(call)
    if workflow.organization != user.organization:
        raise text(401, "forbidden")
    ensure_allowed(user, workflow.acl)
    return _start(call, workflow, jobs.Origin.of_user(user))


@routes.on("POST", "/workflows/{id}/secret/{secret}/job")
def start_workflow_by_secret(call: Call) -> Answer:
    """By the workflow's secret; a customer is ignored."""
    workflow = resolve.workflow(call)
    check_secret(call, workflow.secret)
    return _start(call, workflow, jobs.Origin("secret", workflow.organization))
