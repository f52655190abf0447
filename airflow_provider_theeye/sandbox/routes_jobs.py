"""Routes of jobs: reading one and many, and everything that can be done with one."""

from __future__ import annotations

from . import agents, documents, jobs, lists
from .access import agent, allowed, sees
from .call import Answer, Call, NeverAnswered
from .errors import forbidden, internal, job_not_found, message, text
from .filters import BadFilter
from .ids import is_identifier
from .job import Job
from .router import Routes
from .world import User

routes = Routes()


def job_in_path(call: Call) -> Job:
    """The job of a path, of whichever organization. The older parts' errors."""
    named = call.parameters["id"]
    if not named:
        raise text(400, "job is required")
    if not is_identifier(named):
        raise text(400, "job id is invalid")
    job = call.engine.job(named)
    if job is None:
        raise job_not_found()
    return job


def own_job(call: Call, user: User, named: str) -> Job:
    """A job of the user's organization. The newer parts' errors."""
    if not is_identifier(named):
        raise message(400, "job invalid value" if named else "job is required")
    job = call.engine.job(named)
    if job is None or job.customer_name != user.organization:
        raise message(404, "job not found")
    return job


def rows(call: Call, found: list[Job]) -> Answer:
    """Jobs as a list."""
    return Answer(200, b"[" + b",".join(documents.row(call.engine, job) for job in found) + b"]")


@routes.on("GET", "/{customer}/job")
def list_jobs(call: Call) -> Answer:
    """The organization's jobs; for an agent it is the work queue, and hands a job out."""
    user = allowed(call, "viewer")
    if user.role == "agent":
        return _queue(call)
    if "include" in call.query:
        raise internal()
    try:
        return rows(call, lists.jobs(call.engine, user, call.query))
    except BadFilter:
        raise internal() from None


def _queue(call: Call) -> Answer:
    host = call.query.get("hostname")
    if not isinstance(host, str) or host not in call.engine.world.hosts:
        raise text(400, "host is required")
    job = agents.next_job(call.engine, host)
    return Answer.of({"jobs": [documents.single(call.engine, job)] if job else []})


@routes.on("GET", "/job/running")
def list_running(call: Call) -> Answer:
    """Everything of the organization that is not over."""
    user = allowed(call, "viewer", look_at_customer=False)
    found = [job for job in call.engine.jobs_of(user.organization) if not job.over and sees(user, job.acl)]
    return rows(call, found)


@routes.on("GET", "/{customer}/job/{id}")
def read_job(call: Call) -> Answer:
    """The whole document. Somebody below admin who asks for a job with an empty access list waits for ever."""
    user = allowed(call, "viewer")
    job = job_in_path(call)
    if not sees(user, job.acl):
        if not job.acl:
            raise NeverAnswered
        raise forbidden()
    return Answer.of(documents.single(call.engine, job))


@routes.on("GET", "/{customer}/job/{id}/lifecycle")
def read_lifecycle(call: Call) -> Answer:
    """The lifecycle alone."""
    allowed(call, "user")
    return Answer.of(job_in_path(call).lifecycle)


@routes.on("GET", "/job/{id}/output")
def read_output(call: Call) -> Answer:
    """The output alone."""
    user = allowed(call, "viewer", look_at_customer=False)
    return Answer.of(own_job(call, user, call.parameters["id"]).output)


@routes.on("PUT", "/{customer}/job/{id}")
def report(call: Call) -> Answer:
    """An agent's report; without a body if it is ignored."""
    user = agent(call)
    job = job_in_path(call)
    said = call.body.get("result") if isinstance(call.body, dict) else None
    agents.sign_of_life(call.engine, user.key.removeprefix("agent:"))
    if not agents.report(call.engine, job, said, user):
        return Answer(200)
    return Answer.of(documents.single(call.engine, job))


@routes.on("PUT", "/{customer}/agent/{host}")
def sign_of_life(call: Call) -> Answer:
    """An agent is there."""
    agent(call)
    if call.parameters["host"] not in call.engine.world.hosts:
        raise text(404, "host not found")
    agents.sign_of_life(call.engine, call.parameters["host"])
    return Answer(204)


@routes.on("PUT", "/{customer}/job/{id}/cancel")
def cancel(call: Call) -> Answer:
    """204 also when it is refused."""
    user = allowed(call, "viewer")
    jobs.cancel(call.engine, job_in_path(call), user)
    return Answer(204)


@routes.on("PUT", "/job/{id}/synced")
def release(call: Call) -> Answer:
    """Makes a held job ready."""
    allowed(call, "user")
    jobs.release(call.engine, job_in_path(call), call.read_before)
    return Answer.of("ok")


@routes.on("PUT", "/job/{id}/hold")
def hold(call: Call) -> Answer:
    """Puts a job on hold."""
    allowed(call, "user")
    jobs.hold(call.engine, job_in_path(call))
    return Answer.of("ok")


@routes.on("PUT", "/{customer}/job/{id}/restart")
def restart(call: Call) -> Answer:
    """Starts a job again that is over."""
    user = allowed(call, "user")
    job = job_in_path(call)
    jobs.restart(call.engine, job, call.body, call.given_arguments(), call.read_before)
    return Answer.of(documents.created(call.engine, job, user.shown()))


@routes.on("PUT", "/{customer}/job/{id}/input")
def give_input(call: Call) -> Answer:
    """Gives a job on hold its arguments."""
    user = allowed(call, "viewer")
    job = job_in_path(call)
    jobs.give_input(call.engine, job, call.given("args"), call.read_before)
    return Answer.of(documents.created(call.engine, job, user.shown()))


def _decide(call: Call, state: str) -> Answer:
    user = allowed(call, "viewer")
    jobs.decide(call.engine, job_in_path(call), user, state)
    return Answer(204)


@routes.on("PUT", "/{customer}/job/{id}/approve")
def approve(call: Call) -> Answer:
    """An approver agrees."""
    return _decide(call, "success")


@routes.on("PUT", "/{customer}/job/{id}/reject")
def reject(call: Call) -> Answer:
    """An approver disagrees."""
    return _decide(call, "failure")
