"""TheEye's documents as frozen dataclasses.

Parsing is lenient: servers of several ages are in use, so unknown fields are dropped, unknown words are kept and
missing fields get the value that means "not said". Only a document without an id is refused. Texts and a job's output
are made such that Airflow can carry them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from airflow_provider_theeye.api.carried import carried, clean
from airflow_provider_theeye.api.errors import UnexpectedReply

__all__ = [
    "LIVE",
    "OVER",
    "Edge",
    "Job",
    "JobResult",
    "Task",
    "TaskArgument",
    "Workflow",
    "moment",
    "parse_jobs",
    "parse_tasks",
    "parse_workflows",
]

#: Lifecycles of a job that has come to its end. Expired and completed are set by other server versions only.
OVER = frozenset({"finished", "terminated", "canceled", "expired", "completed"})
#: Lifecycles of a job that may still change. Started is a workflow job's alone.
LIVE = frozenset({"ready", "assigned", "onhold", "syncing", "locked", "started"})


@dataclass(frozen=True)
class JobResult:
    """What the agent reported of a run (field ``result``).

    ``code`` is the exit code, ``None`` if the script was killed or never ran. ``has_log`` tells a report of an agent
    from what the server itself wrote when it ended the job.
    """

    code: int | None = None
    log: str = ""
    lastline: str = ""
    signal: str | None = None
    killed: bool = False
    user: str | None = None
    has_log: bool = False

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> JobResult:
        return cls(
            code=_whole(data.get("code")),
            log=_text(data.get("log")),
            lastline=_text(data.get("lastline")),
            signal=_text(data.get("signal")) or None,
            killed=data.get("killed") is True,
            user=_person(data.get("user")),
            has_log="log" in data,
        )


@dataclass(frozen=True)
class Job:
    """One execution of a task, or of a workflow (``is_workflow``).

    ``hostname`` is in the answer to a creation alone; later documents have the host's id.
    ``output`` is as TheEye stores it: usually a list of strings, each a JSON text. ``secret`` is the job's own key to
    its result; like the environment, which is not kept at all, it must not be shown.
    """

    id: str
    kind: str = ""
    name: str = ""
    lifecycle: str = ""
    state: str = ""
    trigger_name: str | None = None
    task_id: str | None = None
    workflow_id: str | None = None
    workflow_job_id: str | None = None
    host_id: str | None = None
    hostname: str | None = None
    origin: str | None = None
    organization: str | None = None
    created: str | None = None
    updated: str | None = None
    user_id: str | None = None
    approvers: tuple[str, ...] = ()
    assigned_users: tuple[str, ...] = ()
    arguments: tuple[Any, ...] = ()
    output: Any = None
    result: JobResult | None = None
    secret: str | None = field(default=None, repr=False)

    @property
    def is_over(self) -> bool:
        return self.lifecycle in OVER

    @property
    def is_workflow(self) -> bool:
        return self.kind == "WorkflowJob"

    @property
    def is_held(self) -> bool:
        """Stored but never handed to a host before it is released (CONTRACT: held submission)."""
        return self.lifecycle == "syncing"

    @property
    def seconds(self) -> float | None:
        """Seconds from the creation to the last change, by the server's clock."""
        begin, end = moment(self.created), moment(self.updated)
        return None if begin is None or end is None else round((end - begin).total_seconds(), 3)

    @classmethod
    def parse(cls, data: object) -> Job:
        """:raises UnexpectedReply: if this is no document of a job."""
        row = _document(data, "job")
        result = row.get("result")
        return cls(
            id=_identity(row, "job"),
            kind=_text(row.get("_type")),
            name=_text(row.get("name")),
            lifecycle=_text(row.get("lifecycle")),
            state=_text(row.get("state")),
            trigger_name=_text(row.get("trigger_name")) or None,
            task_id=_reference(row.get("task_id")) or _reference(row.get("task")),
            workflow_id=_reference(row.get("workflow_id")) or _reference(row.get("workflow")),
            workflow_job_id=_reference(row.get("workflow_job_id")) or _reference(row.get("workflow_job")),
            host_id=_reference(row.get("host")) or _reference(row.get("host_id")),
            hostname=_hostname(row.get("host")) or None,
            origin=_text(row.get("origin")) or None,
            organization=_text(row.get("customer_name")) or None,
            created=_text(row.get("creation_date")) or None,
            updated=_text(row.get("last_update")) or None,
            user_id=_reference(row.get("user_id")),
            approvers=_people(row, "approvers"),
            assigned_users=_people(row, "assigned_users"),
            arguments=tuple(_list(row.get("task_arguments_values"))),
            output=carried(row.get("output")),
            result=JobResult.parse(result) if isinstance(result, dict) else None,
            secret=_text(row.get("secret")) or None,
        )


@dataclass(frozen=True)
class TaskArgument:
    """One argument of a task's definition. ``value`` is set for fixed ones."""

    order: int
    label: str = ""
    kind: str = "input"
    value: Any = None
    required: bool = True

    @property
    def is_fixed(self) -> bool:
        return self.kind == "fixed"

    @classmethod
    def parse(cls, data: object, place: int) -> TaskArgument:
        row = data if isinstance(data, dict) else {}
        order = _whole(row.get("order"))
        return cls(
            order=place if order is None else order,
            label=_text(row.get("label")),
            kind=_text(row.get("type")) or "input",
            value=row.get("value"),
            required=row.get("required") is not False,
        )


@dataclass(frozen=True)
class Task:
    """A task.

    :param timeout: in seconds (TheEye says milliseconds); ``None`` is the agent's default of 10 minutes.
    :param kept_jobs: how many of its jobs TheEye keeps, the newest; ``None`` for all, and for one that does not say it.
    """

    id: str
    kind: str = ""
    name: str = ""
    hostname: str | None = None
    host_id: str | None = None
    arguments: tuple[TaskArgument, ...] = ()
    arguments_type: str = "legacy"
    timeout: float | None = None
    multitasking: bool = True
    user_inputs: bool = False
    workflow_id: str | None = None
    kept_jobs: int | None = None

    @property
    def can_be_held(self) -> bool:
        """Only work for a host can be created held; an approval, a dummy or a notification acts at once."""
        return self.kind in ("ScriptTask", "ScraperTask", "script", "scraper", "")

    @property
    def runs_script(self) -> bool:
        """Whether its arguments are handed to a program on a host."""
        return self.kind in ("ScriptTask", "script", "")

    @classmethod
    def parse(cls, data: object) -> Task:
        """:raises UnexpectedReply: if this is no document of a task."""
        row = _document(data, "task")
        host = row.get("host")
        return cls(
            id=_identity(row, "task"),
            kind=_text(row.get("_type")) or _text(row.get("type")),
            name=_text(row.get("name")),
            hostname=_text(row.get("hostname")) or _hostname(host) or None,
            host_id=_reference(row.get("host_id")) or _reference(host),
            arguments=tuple(
                sorted(
                    (TaskArgument.parse(a, n) for n, a in enumerate(_list(row.get("task_arguments")))),
                    key=lambda argument: argument.order,
                )
            ),
            arguments_type=_text(row.get("arguments_type")) or "legacy",
            timeout=_milliseconds(row.get("timeout")),
            multitasking=row.get("multitasking") is not False,
            user_inputs=row.get("user_inputs") is True,
            workflow_id=_reference(row.get("workflow_id")),
            kept_jobs=None
            if row.get("autoremove_completed_jobs") is False
            else _whole(row.get("autoremove_completed_jobs_limit")),
        )


@dataclass(frozen=True)
class Edge:
    """What follows a step: ``event`` is success, failure or an event's name."""

    source: str
    target: str
    event: str


@dataclass(frozen=True)
class Workflow:
    """A workflow; ``edges`` join the ids of its steps' tasks."""

    id: str
    name: str = ""
    version: int | None = None
    multitasking: bool = True
    start_task_id: str | None = None
    edges: tuple[Edge, ...] = ()

    @classmethod
    def parse(cls, data: object) -> Workflow:
        """:raises UnexpectedReply: if this is no document of a workflow."""
        row = _document(data, "workflow")
        graph = row.get("graph")
        return cls(
            id=_identity(row, "workflow"),
            name=_text(row.get("name")),
            version=_whole(row.get("version")),
            multitasking=row.get("multitasking") is not False,
            start_task_id=_reference(row.get("start_task_id")),
            edges=tuple(_edges(graph)) if isinstance(graph, dict) else (),
        )


def parse_jobs(data: object) -> list[Job]:
    return [Job.parse(row) for row in _rows(data)]


def parse_tasks(data: object) -> list[Task]:
    return [Task.parse(row) for row in _rows(data)]


def parse_workflows(data: object) -> list[Workflow]:
    return [Workflow.parse(row) for row in _rows(data)]


def _rows(data: object) -> list[Any]:
    if not isinstance(data, list):
        raise UnexpectedReply(f"expected a list, got {type(data).__name__}")
    return data


def _document(data: object, what: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise UnexpectedReply(f"expected a {what}, got {type(data).__name__}")
    return data


def _identity(row: Mapping[str, Any], what: str) -> str:
    ident = row.get("id") or row.get("_id")
    if not isinstance(ident, str) or not ident:
        raise UnexpectedReply(f"a {what} without an id")
    return ident


def _text(value: object) -> str:
    return clean(value) if isinstance(value, str) else ""


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _reference(value: object) -> str | None:
    """An id, whether it stands there itself or inside the document it belongs to."""
    if isinstance(value, dict):
        value = value.get("id") or value.get("_id")
    return value if isinstance(value, str) and value else None


def _hostname(host: object) -> str:
    return _text(host.get("hostname")) if isinstance(host, dict) else ""


def _people(row: Mapping[str, Any], what: str) -> tuple[str, ...]:
    """Those in a list, by their addresses or names where the document tells these, else by their ids."""
    owner = row.get("user")
    known = {_reference(owner): _person(owner)}
    people = (
        (_person(one) if isinstance(one, dict) else known.get(_reference(one))) or _reference(one)
        for one in _list(row.get(what))
    )
    return tuple(who for who in people if who)


def _person(user: object) -> str | None:
    if not isinstance(user, dict):
        return None
    return _text(user.get("email")) or _text(user.get("username")) or _reference(user)


def _milliseconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = value / 1000
    except OverflowError:
        return None
    return seconds if 0 < seconds < math.inf else None


def moment(text: str | None) -> datetime | None:
    """A time by the server's clock; one that names no zone is UTC, like all of TheEye's."""
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
    except ValueError:
        return None
    return found.replace(tzinfo=timezone.utc) if found and found.tzinfo is None else found


def _edges(graph: Mapping[str, Any]) -> list[Edge]:
    found = []
    for row in _list(graph.get("edges")):
        if not isinstance(row, dict):
            continue
        source, target = _reference(row.get("v")), _reference(row.get("w"))
        if source and target:
            found.append(Edge(source, target, _text(row.get("value")) or "success"))
    return found
