"""Which task, workflow, job or webhook a request means. Older and newer routes refuse in different shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .call import Call
from .engine import Engine
from .errors import message, text
from .ids import is_identifier
from .job import Job
from .jsontext import truthy
from .world import Host, Task, User, Webhook, Workflow

_FIND: dict[str, Callable[[Engine, str], Any]] = {
    "task": lambda engine, named: engine.world.task_by_id.get(named),
    "workflow": lambda engine, named: engine.world.workflow_by_id.get(named),
    "webhook": lambda engine, named: engine.world.webhook_by_id.get(named),
    "host": lambda engine, named: next((host for host in engine.world.hosts.values() if host.id == named), None),
    "job": lambda engine, named: engine.job(named),
}


def _named(call: Call, kind: str, parameter: str | None) -> str | None:
    """What the path, else the body, else the query says: a text, or an object with an id."""
    named = call.parameters.get(parameter) if parameter else None
    named = named or call.given(kind)
    if isinstance(named, dict):
        named = next((named[key] for key in ("_id", "id") if truthy(named.get(key))), None)
    return named if isinstance(named, str) and named else None


def _older(call: Call, kind: str, parameter: str | None) -> Any:
    """Of whichever organization; bare strings as errors."""
    named = _named(call, kind, parameter)
    if named is None:
        raise text(400, f"{kind} is required")
    if not is_identifier(named):
        raise text(400, f"{kind} id is invalid")
    found = _FIND[kind](call.engine, named.lower())
    if found is None:
        raise text(404, f"{kind} not found")
    return found


def _newer(call: Call, kind: str, parameter: str, user: User) -> Any:
    """Of the user's organization; objects as errors."""
    named = _named(call, kind, parameter)
    if named is None:
        raise message(400, f"{kind} is required")
    if not is_identifier(named):
        raise message(400, f"{kind} invalid value")
    found = _FIND[kind](call.engine, named.lower())
    if found is None or _organization(found) != user.organization:
        raise message(404, f"{kind} not found")
    return found


def _organization(found: Task | Workflow | Webhook | Host | Job) -> str | None:
    return found.customer_name if isinstance(found, Job) else found.organization


def task(call: Call) -> Task:
    """The task of the path, or that the body or query names, of whichever organization."""
    found: Task = _older(call, "task", "id")
    return found


def optional_task(call: Call) -> Task | None:
    """The task that the body or query names, of whichever organization. One that there is not is as good as none."""
    named = _named(call, "task", None)
    found: Task | None = _FIND["task"](call.engine, named.lower()) if named else None
    return found


def own_task(call: Call, user: User) -> Task:
    """The task of the path, if it is the user's organization's."""
    found: Task = _newer(call, "task", "id", user)
    return found


def workflow(call: Call) -> Workflow:
    """The workflow of the path, of whichever organization."""
    found: Workflow = _older(call, "workflow", "id")
    return found


def own_workflow(call: Call, user: User) -> Workflow:
    """The workflow of the path, if it is the user's organization's."""
    found: Workflow = _newer(call, "workflow", "id", user)
    return found


def webhook(call: Call) -> Webhook:
    """The webhook of the path, of whichever organization."""
    found: Webhook = _older(call, "webhook", "id")
    return found


def job(call: Call) -> Job:
    """The job of the path, of whichever organization."""
    found: Job = _older(call, "job", "id")
    return found


def own_job(call: Call, user: User, parameter: str = "id") -> Job:
    """The job of the path, if it is booked under the user's organization."""
    found: Job = _newer(call, "job", parameter, user)
    return found


def host(call: Call) -> Host:
    """The host of the path, of whichever organization."""
    found: Host = _older(call, "host", "id")
    return found


def host_by_name(call: Call, user: User) -> Host | None:
    """The host of the user's organization that the path, the body or the query names."""
    named = call.parameters.get("host") or call.given("hostname")
    found = call.engine.world.hosts.get(named) if isinstance(named, str) else None
    return found if found is not None and found.organization == user.organization else None


def optional_host(call: Call, user: User, kind: str = "host") -> Host | None:
    """The host of the user's organization that the body or query names. Another one is as good as none."""
    named = _named(call, kind, None)
    found: Host | None = _FIND["host"](call.engine, named.lower()) if named else None
    return found if found is not None and found.organization == user.organization else None
