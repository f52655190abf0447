"""Routes of jobs: reading one and many, and everything that can be done with one."""

from __future__ import annotations

from collections import Counter

from . import agents, documents, jobs, lists, resolve
from .access import agent, allowed, ensure_allowed, sees
from .call import Answer, Call, NeverAnswered
from .errors import internal, text
from .job import Job
from .jsontext import truthy
from .router import Routes
from .world import User

routes = Routes()


def allowed_job(call: Call, user: User) -> Job:
    """The job of the path, of whichever organization."""
    job = resolve.job(call)
    ensure_allowed(user, job.acl)
    return job


@routes.on("GET", "/{customer}/job")
def list_jobs(call: Call) -> Answer:
    """The organization's jobs; for an agent it is the work queue, and hands a job out."""
    user = allowed(call, "viewer")
    if user.role == "agent":
        return _queue(call, user)
    if truthy(call.query.get("include")):
        raise internal()
    return lists.answer(call.engine, lists.jobs(call, user))


def _queue(call: Call, user: User) -> Answer:
    host = resolve.host_by_name(call, user)
    if host is None:
        raise text(400, "host is required")
    job = agents.next_job(call.engine, host.name)
    return Answer.of({"jobs": [documents.single(call.engine, job)] if job else []})


@routes.on("GET", "/job/running")
def list_running(call: Call) -> Answer:
    """Everything of the organization that is not over, filtered as every list."""
    user = allowed(call, "viewer", look_at_customer=False)
    return lists.answer(call.engine, [job for job in lists.jobs(call, user) if not job.over])


@routes.on("GET", "/job/running_count")
def count_running(call: Call) -> Answer:
    """How many jobs are not over, runs and steps alike, by workflow; what belongs to none counts under no name."""
    user = allowed(call, "viewer", look_at_customer=False)
    live = (job for job in call.engine.jobs_of(user.organization) if not job.over and sees(user, job.acl))
    counts = Counter(job.workflow_id for job in live)
    return Answer.of([{"_id": {"workflow": one} if one else {}, "count": count} for one, count in counts.items()])


@routes.on("GET", "/{customer}/job/{id}")
def read_job(call: Call) -> Answer:
    """The whole document."""
    user = allowed(call, "viewer")
    return Answer.of(documents.single(call.engine, allowed_job(call, user)))


@routes.on("GET", "/{customer}/job/{id}/lifecycle")
def read_lifecycle(call: Call) -> Answer:
    """The lifecycle alone."""
    user = allowed(call, "user")
    return Answer.of(allowed_job(call, user).lifecycle)


@routes.on("GET", "/job/{id}/output")
def read_output(call: Call) -> Answer:
    """The output alone."""
    user = allowed(call, "viewer", look_at_customer=False)
    output = resolve.own_job(call, user).output
    return Answer.of({} if output is None else output)


@routes.on("GET", "/job/{id}/input")
def read_input(call: Call) -> Answer:
    """The arguments that a job was given; on demand inside the definitions of its task's arguments."""
    user = allowed(call, "viewer", look_at_customer=False)
    job = resolve.own_job(call, user)
    if "include_definitions" in call.query:
        return Answer.of(documents.given_arguments(call.engine, job))
    return Answer.of(job.values)


@routes.on("GET", "/job/{id}/participants")
def read_participants(call: Call) -> Answer:
    """Who started a job and who may see it."""
    user = allowed(call, "viewer", look_at_customer=False)
    return Answer.of(documents.participants(call.engine, resolve.own_job(call, user)))


@routes.on("PUT", "/{customer}/job/{id}")
def report(call: Call) -> Answer:
    """An agent's report. The answer has no body if it is ignored; one without a body is never answered."""
    user = agent(call)
    job = resolve.job(call)
    if call.body is None:
        raise NeverAnswered
    said = call.in_body("result")
    agents.sign_of_life(call.engine, user.key.removeprefix("agent:"))
    if not agents.report(call.engine, job, said, user):
        return Answer(200)
    return Answer.of(documents.single(call.engine, job))


@routes.on("PUT", "/{customer}/job/{id}/cancel")
def cancel(call: Call) -> Answer:
    """204 also when it is refused."""
    user = allowed(call, "viewer")
    jobs.cancel(call.engine, allowed_job(call, user), user)
    return Answer(204)


@routes.on("PUT", "/job/{id}/synced")
def release(call: Call) -> Answer:
    """Makes a held job ready."""
    user = allowed(call, "user")
    jobs.release(call.engine, allowed_job(call, user), call.read_before)
    return Answer.of("ok")


@routes.on("PUT", "/job/{id}/hold")
def hold(call: Call) -> Answer:
    """Puts a job on hold."""
    user = allowed(call, "user")
    jobs.hold(call.engine, allowed_job(call, user), call.read_before)
    return Answer.of("ok")


@routes.on("PUT", "/{customer}/job/{id}/restart")
def restart(call: Call) -> Answer:
    """Starts a job again that is over."""
    user = allowed(call, "user")
    job = allowed_job(call, user)
    jobs.restart(call.engine, job, call.given_arguments(), user, call.read_before)
    return Answer.of(documents.child(call.engine, job))


@routes.on("PUT", "/{customer}/job/{id}/input")
def give_input(call: Call) -> Answer:
    """Gives a job on hold its arguments."""
    user = allowed(call, "viewer")
    job = allowed_job(call, user)
    jobs.give_input(call.engine, job, call.in_body("args"), call.read_before)
    return Answer.of(documents.single(call.engine, job))


def _decide(call: Call, state: str) -> Answer:
    user = allowed(call, "viewer")
    jobs.decide(call.engine, allowed_job(call, user), user, state)
    return Answer(204)


@routes.on("PUT", "/{customer}/job/{id}/approve")
def approve(call: Call) -> Answer:
    """An approver agrees."""
    return _decide(call, "success")


@routes.on("PUT", "/{customer}/job/{id}/reject")
def reject(call: Call) -> Answer:
    """An approver disagrees."""
    return _decide(call, "failure")
