"""Every endpoint of TheEye that we use, once, as a value.

A ``Call`` says what to send, how to read the answer and whether it may be sent twice. It does no I/O: both
clients run the same calls. ``{customer}`` in a path stands for the organization's name; it is filled in by the client.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airflow_provider_theeye.api.call import CUSTOMER_PLACEHOLDER, Call
from airflow_provider_theeye.api.errors import InvalidRequest, UnexpectedReply
from airflow_provider_theeye.api.ids import is_id
from airflow_provider_theeye.api.models import (
    OVER,
    Job,
    Task,
    Workflow,
    parse_jobs,
    parse_tasks,
    parse_workflows,
)

__all__ = [
    "LONG_POLL_SECONDS",
    "MAX_IDS",
    "SHORTEST_LONG_POLL_SECONDS",
    "Call",
    "approve",
    "await_result_by_secret",
    "cancel_job",
    "create_job",
    "create_job_by_secret",
    "create_job_by_secret_alone",
    "create_workflow_job",
    "create_workflow_job_by_secret",
    "ended_jobs",
    "find_jobs",
    "get_job",
    "get_jobs",
    "get_steps",
    "get_steps_of",
    "get_task",
    "get_workflow",
    "hold_job",
    "list_tasks",
    "list_workflows",
    "reject",
    "release_job",
    "submit_input",
]

#: Ids in one list request. 200 pass, 300 make the URL too long and are answered 431 (CONTRACT: reading jobs).
MAX_IDS = 150

#: Seconds that TheEye may hold a long poll back; it clamps what is asked for to 10..60.
LONG_POLL_SECONDS = 50
#: The least that it can be asked for.
SHORTEST_LONG_POLL_SECONDS = 10


# --- tasks ------------------------------------------------------------------------------------------------------


def list_tasks(
    name: str | None = None,
    host_id: str | None = None,
    workflow_id: str | None = None,
    ids: Iterable[str] = (),
    limit: int | None = None,
) -> Call[list[Task]]:
    """The organization's tasks, steps of workflows included, optionally filtered on the server."""
    query = _where(name=name, ids=ids, limit=limit)
    if workflow_id is not None:
        query.append(("where[workflow_id]", _id(workflow_id, "workflow")))
    if host_id is not None:
        query.append(("host", _id(host_id, "host")))
    return Call("GET", "/{customer}/task", parse_tasks, query=query, repeatable=True)


def get_task(task_id: str) -> Call[Task]:
    return Call("GET", "/{customer}/task/{id}", Task.parse, ids={"id": _id(task_id, "task")}, repeatable=True)


# --- jobs: creating ---------------------------------------------------------------------------------------------


def create_job(task_id: str, arguments: Sequence[Any], *, held: bool = False) -> Call[Job]:
    """Start a task with the token.

    ``held`` stores the job without handing it to a host; such a call may be repeated, since a job that nobody releases
    never runs. The organization goes into query and body: today's server looks at neither, older ones need it.
    """
    return Call(
        "POST",
        "/job",
        Job.parse,
        query=[_CUSTOMER],
        body={**_CUSTOMER_IN_BODY, "task": _id(task_id, "task"), "task_arguments": list(arguments), **_held(held)},
        repeatable=held,
    )


def create_job_by_secret(task_id: str, secret: str, arguments: Sequence[Any], *, held: bool = False) -> Call[Job]:
    """Start a task by its secret key, on the task's own route: there it cannot be booked under another organization.

    Releasing a held job needs a token.
    """
    return Call(
        "POST",
        "/task/{id}/secret/{secret}/job",
        Job.parse,
        ids={"id": _id(task_id, "task")},
        keys={"secret": secret},
        body={**_CUSTOMER_IN_BODY, "task": task_id, "task_arguments": list(arguments), **_held(held)},
        repeatable=held,
        with_token=False,
    )


def create_job_by_secret_alone(task_id: str, secret: str, arguments: Sequence[Any], *, held: bool = False) -> Call[Job]:
    """Start a task by its secret key on the route of TheEye's page of 2019, for servers without the other one."""
    return Call(
        "POST",
        "/job/secret/{secret}",
        Job.parse,
        keys={"secret": secret},
        body={**_CUSTOMER_IN_BODY, "task": _id(task_id, "task"), "task_arguments": list(arguments), **_held(held)},
        repeatable=held,
        with_token=False,
    )


# --- jobs: reading ----------------------------------------------------------------------------------------------


def get_job(job_id: str) -> Call[Job]:
    """The whole document. TheEye serves any organization's job; the client refuses those of others.

    TheEye does not answer at all if the job's access list is empty and the token's user has a role below admin.
    """
    return Call(
        "GET",
        "/{customer}/job/{id}",
        Job.parse,
        ids={"id": _id(job_id, "job")},
        repeatable=True,
        may_be_ignored=True,
    )


def get_jobs(ids: Sequence[str]) -> Call[list[Job]]:
    """Rows (without result and output) of up to ``MAX_IDS`` jobs and workflow jobs; missing ones are absent.

    :raises InvalidRequest: for no id at all or a malformed one; the server answers 500 to both, for the whole batch.
    """
    return _jobs_where(_in("_id", ids))


def get_steps_of(workflow_job_ids: Sequence[str]) -> Call[list[Job]]:
    """Rows of all steps (child jobs) of up to ``MAX_IDS`` workflow jobs."""
    return _jobs_where(_in("workflow_job_id", workflow_job_ids))


def find_jobs(
    *,
    task_id: str | None = None,
    workflow_id: str | None = None,
    user_id: str | None = None,
    lifecycle: str | None = None,
    created_since: str | None = None,
    changed_since: str | None = None,
    arguments: Sequence[Any] | None = None,
    oldest_first: bool = False,
    limit: int = 100,
) -> Call[list[Job]]:
    """The newest rows that match; at least one filter, since without any the server returns every job.

    :param created_since: ISO 8601 time by the server's clock, inclusive; ``changed_since`` likewise.
    :param arguments: the stored values, compared one by one; only those that are strings can be asked for.
    :param oldest_first: the oldest rows instead of the newest.
    """
    query: list[tuple[str, str]] = []
    for key, value in (("task_id", task_id), ("workflow_id", workflow_id), ("user_id", user_id)):
        if value is not None:
            query.append((f"where[{key}]", _id(value, key.removesuffix("_id"))))
    if lifecycle is not None:
        query.append(("where[lifecycle]", lifecycle))
    if created_since is not None:
        query.append(("where[creation_date][$gte]", created_since))
    if changed_since is not None:
        query.append(("where[last_update][$gte]", changed_since))
    for place, value in enumerate(arguments or ()):
        if isinstance(value, str):
            query.append((f"where[task_arguments_values.{place}]", value))
    if not query:
        raise InvalidRequest("a search for jobs needs at least one filter")
    return _jobs_where([*query, ("sort[creation_date]", "1" if oldest_first else "-1"), ("limit", str(limit))])


def ended_jobs(changed_since: str | None, limit: int, *, newest_first: bool = False) -> Call[list[Job]]:
    """Rows of jobs, workflow jobs and steps that are over, in the order of their last change.

    :param changed_since: ISO 8601 time by the server's clock, inclusive; ``None`` for all.
    """
    query = [("where[lifecycle][$in][]", lifecycle) for lifecycle in sorted(OVER)]
    if changed_since is not None:
        query.append(("where[last_update][$gte]", changed_since))
    return _jobs_where([*query, ("sort[last_update]", "-1" if newest_first else "1"), ("limit", str(limit))])


def await_result_by_secret(job_id: str, job_secret: str, seconds: float = LONG_POLL_SECONDS) -> Call[Job | None]:
    """Long poll with the job's own secret: the whole job once it is over, ``None`` if it is not yet.

    TheEye answers 500 whenever the job's state is not success, so the body decides; 408 says "not in time".

    :param seconds: how long TheEye may hold the answer back; it makes 10 to 60 of it.
    """
    return Call(
        "GET",
        "/job/{id}/secret/{secret}/result",
        _ended_job,
        ids={"id": _id(job_id, "job")},
        keys={"secret": job_secret},
        query=[("full", ""), ("timeout", str(round(seconds))), _CUSTOMER],
        repeatable=True,
        with_token=False,
        judged_by_body=frozenset({408, 500}),
        read_timeout=max(seconds, SHORTEST_LONG_POLL_SECONDS) + 15,
    )


# --- jobs: changing ---------------------------------------------------------------------------------------------


def cancel_job(job_id: str) -> Call[None]:
    """Ask for a job to be cancelled. The answer says nothing: 204 also when it is refused. Read the job afterwards.

    Never for a workflow job: that marks the run and lets its steps go on.
    """
    return _change("PUT", "/{customer}/job/{id}/cancel", job_id, repeatable=True)


def hold_job(job_id: str) -> Call[None]:
    """Put a job on hold, whatever it was before (even one that is over). Not to be repeated while it is under way."""
    return _change("PUT", "/job/{id}/hold", job_id, query=[_CUSTOMER])


def release_job(job_id: str) -> Call[None]:
    """Let a held job run. A job that is not held is refused with 400 and a sentence that names its lifecycle.

    Not to be repeated while it is under way: TheEye may obey both, and hand the job out twice.
    """
    return _change("PUT", "/job/{id}/synced", job_id, query=[_CUSTOMER])


def submit_input(job_id: str, arguments: Sequence[Any]) -> Call[None]:
    """Give a job on hold its arguments and let it run."""
    return _change("PUT", "/{customer}/job/{id}/input", job_id, body={"args": list(arguments)})


def approve(job_id: str) -> Call[None]:
    return _change("PUT", "/{customer}/job/{id}/approve", job_id)


def reject(job_id: str) -> Call[None]:
    return _change("PUT", "/{customer}/job/{id}/reject", job_id)


# --- workflows --------------------------------------------------------------------------------------------------


def list_workflows(name: str | None = None, limit: int | None = None) -> Call[list[Workflow]]:
    query = [_CUSTOMER, *_where(name=name, limit=limit)]
    return Call("GET", "/workflows", parse_workflows, query=query, repeatable=True)


def get_workflow(workflow_id: str) -> Call[Workflow]:
    return Call(
        "GET",
        "/workflows/{workflow}",
        Workflow.parse,
        ids={"workflow": _id(workflow_id, "workflow")},
        query=[_CUSTOMER],
        repeatable=True,
    )


def create_workflow_job(
    workflow_id: str, arguments: Sequence[Any], *, start_task_id: str | None = None, held: bool = False
) -> Call[Job]:
    """Start a workflow with the token; ``held`` holds the workflow job and its first step, see ``create_job``."""
    start = {} if start_task_id is None else {"task": _id(start_task_id, "task")}
    return Call(
        "POST",
        "/workflows/{workflow}/job",
        Job.parse,
        ids={"workflow": _id(workflow_id, "workflow")},
        query=[_CUSTOMER],
        body={**_CUSTOMER_IN_BODY, "task_arguments": list(arguments), **start, **_held(held)},
        repeatable=held,
    )


def create_workflow_job_by_secret(
    workflow_id: str, secret: str, arguments: Sequence[Any], *, start_task_id: str | None = None, held: bool = False
) -> Call[Job]:
    """Start a workflow by its secret key. The path must end in ``/job``, which TheEye's own HTML form lacks."""
    start = {} if start_task_id is None else {"task": _id(start_task_id, "task")}
    return Call(
        "POST",
        "/workflows/{workflow}/secret/{secret}/job",
        Job.parse,
        ids={"workflow": _id(workflow_id, "workflow")},
        keys={"secret": secret},
        body={**_CUSTOMER_IN_BODY, "task_arguments": list(arguments), **start, **_held(held)},
        repeatable=held,
        with_token=False,
    )


def get_steps(workflow_id: str, job_id: str) -> Call[list[Job]]:
    """The whole documents of a workflow job's steps so far; they appear as they are reached."""
    return Call(
        "GET",
        "/workflows/{workflow}/job/{id}/jobs",
        parse_jobs,
        ids={"workflow": _id(workflow_id, "workflow"), "id": _id(job_id, "job")},
        query=[_CUSTOMER],
        repeatable=True,
    )


# --- parts ------------------------------------------------------------------------------------------------------

_CUSTOMER = ("customer", CUSTOMER_PLACEHOLDER)
_CUSTOMER_IN_BODY = {"customer": CUSTOMER_PLACEHOLDER}


def _id(value: str, what: str) -> str:
    if not is_id(value):
        raise InvalidRequest(f"{value!r} is not the id of a {what}: 24 hexadecimal digits are expected")
    return value


def _held(held: bool) -> dict[str, str]:
    return {"lifecycle": "syncing"} if held else {}


def _where(name: str | None = None, ids: Iterable[str] = (), limit: int | None = None) -> list[tuple[str, str]]:
    query = [] if name is None else [("where[name]", name)]
    ids = list(ids)
    if ids:
        query += _in("_id", ids)
    if limit is not None:
        query.append(("limit", str(limit)))
    return query


def _in(key: str, ids: Sequence[str]) -> list[tuple[str, str]]:
    if not 0 < len(ids) <= MAX_IDS:
        raise InvalidRequest(f"a list request takes 1 to {MAX_IDS} ids, not {len(ids)}")
    return [(f"where[{key}][$in][]", _id(ident, "job")) for ident in ids]


def _jobs_where(query: list[tuple[str, str]]) -> Call[list[Job]]:
    return Call("GET", "/{customer}/job", parse_jobs, query=query, repeatable=True, is_list=True)


def _change(
    method: str,
    template: str,
    job_id: str,
    query: Sequence[tuple[str, str]] = (),
    body: Mapping[str, Any] | None = None,
    repeatable: bool = False,
) -> Call[None]:
    return Call(
        method, template, _nothing, ids={"id": _id(job_id, "job")}, query=query, body=body, repeatable=repeatable
    )


def _nothing(data: Any) -> None:
    """The body of an answer that says no more than its status."""


def _ended_job(data: Any) -> Job | None:
    if isinstance(data, dict) and "lifecycle" in data:
        job = Job.parse(data)
        return job if job.is_over else None
    if data == "Request Timeout":
        return None
    raise UnexpectedReply("a long poll was answered without a job")
