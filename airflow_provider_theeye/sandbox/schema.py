"""From definitions to a world: every rule of the format, each broken one named with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from .definitions import Path_, Source
from .ids import is_identifier
from .world import (
    NOTIFICATION_ARGUMENTS,
    TAKEN_WORDS,
    Argument,
    Edge,
    Host,
    Organization,
    Task,
    User,
    Webhook,
    Workflow,
    World,
)

TASK_TYPES = ("script", "approval", "dummy", "notification")
ARGUMENT_TYPES = ("input", "fixed", "select")
ARGUMENTS_TYPES = ("legacy", "json", "text")
USER_ROLES = ("viewer", "user", "manager", "admin", "integration")
EVALUATIONS = ("success", "failure")
TASK_FIELDS = (
    "name", "organization", "type", "host", "script", "arguments", "arguments_type", "timeout",
    "default_state_evaluation", "multitasking", "user_inputs", "autoremove", "approvers", "acl", "tags", "id",
)  # fmt: skip
WORKFLOW_FIELDS = (
    "name", "organization", "multitasking", "autoremove", "version", "host", "steps", "start", "edges", "acl", "tags",
    "id",
)  # fmt: skip
WEBHOOK_FIELDS = ("name", "organization", "triggers", "id")
ARGUMENT_FIELDS = ("label", "type", "value", "options", "order", "required")

T = TypeVar("T")


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _truth(value: Any) -> bool:
    return isinstance(value, bool)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _seconds(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0)


def _anything(value: Any) -> bool:
    return True


class Reader:
    """Takes values out of the definitions and complains with their place."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._ids: dict[str, str] = {}

    def mapping(self, value: Any, path: Path_, known: Iterable[str] | None = None) -> dict[str, Any]:
        """A mapping; with `known`, of these keys only."""
        if not isinstance(value, dict):
            raise self.source.wrong(path, f"must be a mapping, not {_called(value)}")
        for key in value:
            if known is not None and key not in known:
                raise self.source.wrong((*path, key), f"unknown key; known are {', '.join(known)}")
        return value

    def members(self, value: Any, path: Path_) -> list[Any]:
        """A list."""
        if not isinstance(value, list):
            raise self.source.wrong(path, f"must be a list, not {_called(value)}")
        return value

    def get(self, of: dict[str, Any], key: str, path: Path_, test: Callable[[Any], bool], what: str, default: T) -> Any:
        """A value of the right kind, or the default."""
        if key not in of:
            return default
        if not test(of[key]):
            raise self.source.wrong((*path, key), f"must be {what}, not {_called(of[key])}")
        return of[key]

    def one_of(self, of: dict[str, Any], key: str, path: Path_, known: Iterable[str], default: T) -> Any:
        """One of some words, or the default."""
        if key not in of:
            return default
        return self.known(of[key], (*path, key), known)

    def known(self, value: Any, path: Path_, known: Iterable[str]) -> str:
        """A value that must be among the known names."""
        names = list(known)
        if not isinstance(value, str) or value not in names:
            raise self.source.wrong(path, f"unknown {_called(value)}; known are {', '.join(names) or 'none'}")
        return value

    def names(self, of: dict[str, Any], key: str, path: Path_, known: Iterable[str]) -> list[str] | None:
        """A list of known names; None if the key is not there."""
        if key not in of:
            return None
        names = list(known)
        here = (*path, key)
        return [self.known(one, (*here, str(n)), names) for n, one in enumerate(self.members(of[key], here))]

    def identity(self, of: dict[str, Any], path: Path_) -> str:
        """The id that something is given, in lower case as the server looks for it; empty if it is given none."""
        given = self.get(of, "id", path, is_identifier, "24 hex digits, in quotes if they are all decimal", "").lower()
        if given:
            owner = self._ids.setdefault(given, ".".join(path))
            if owner != ".".join(path):
                raise self.source.wrong((*path, "id"), f"{owner} has this id already")
        return str(given)

    def required(self, of: dict[str, Any], key: str, path: Path_) -> Any:
        """A value that must be there."""
        if key not in of:
            raise self.source.wrong(path, f"{key} is missing")
        return of[key]


def _called(value: Any) -> str:
    return repr(value) if value is None or isinstance(value, (str, int, float)) else type(value).__name__


def build(source: Source) -> World:
    """The world that definitions describe. Raises DefinitionError for the first thing that is wrong."""
    read = Reader(source)
    data = read.mapping(source.data, (), ("organizations", "tasks", "workflows", "webhooks"))
    world = World()
    for name, value in read.mapping(read.required(data, "organizations", ()), ("organizations",)).items():
        _organization(read, world, name, value or {})
    if not world.organizations:
        raise source.wrong(("organizations",), "at least one organization is needed")
    for key, value in read.mapping(data.get("tasks") or {}, ("tasks",)).items():
        world.tasks[key] = _task(read, world, key, value, ("tasks", key), None)
    for key, value in read.mapping(data.get("workflows") or {}, ("workflows",)).items():
        world.workflows[key] = _workflow(read, world, key, value, ("workflows", key))
    for key, value in read.mapping(data.get("webhooks") or {}, ("webhooks",)).items():
        world.webhooks[key] = _webhook(read, world, key, value, ("webhooks", key))
    world.index()
    return world


def _organization(read: Reader, world: World, name: str, value: Any) -> None:
    path: Path_ = ("organizations", name)
    if not name or "/" in name or name in TAKEN_WORDS:
        raise read.source.wrong(path, "cannot be the name of an organization: it must fit into a URL's path")
    fields = read.mapping(value, path, ("hosts", "users"))
    world.organizations[name] = Organization(name)
    for n, host in enumerate(read.members(fields.get("hosts") or [], (*path, "hosts"))):
        here = (*path, "hosts", str(n))
        if not _name(host):
            raise read.source.wrong(here, f"must be the name of a host, not {_called(host)}")
        if host in world.hosts:
            raise read.source.wrong(here, f"there are two hosts called {host!r}; a host's name must be unique")
        world.hosts[host] = Host(host, name)
    for key, user in read.mapping(fields.get("users") or {}, (*path, "users")).items():
        here = (*path, "users", key)
        if key in world.users:
            raise read.source.wrong(here, f"there are two users with the key {key!r}")
        described = read.mapping(user, here, ("role",))
        read.required(described, "role", here)
        world.users[key] = User(key, name, read.one_of(described, "role", here, USER_ROLES, "user"))


def _arguments(read: Reader, value: Any, path: Path_) -> tuple[Argument, ...]:
    found: list[Argument] = []
    for n, one in enumerate(read.members(value, path)):
        here = (*path, str(n))
        fields = {"label": one} if isinstance(one, str) else read.mapping(one, here, ARGUMENT_FIELDS)
        read.required(fields, "label", here)
        kind = read.one_of(fields, "type", here, ARGUMENT_TYPES, "input")
        if kind == "fixed":
            read.required(fields, "value", here)
        options = read.members(fields.get("options") or [], (*here, "options"))
        order = read.get(fields, "order", here, _whole, "a whole number", n)
        if order in (other.order for other in found):
            raise read.source.wrong(here, f"there are two arguments with the order {order}")
        found.append(
            Argument(
                order,
                read.get(fields, "label", here, _name, "a name", ""),
                kind,
                fields.get("value"),
                tuple(options),
                read.get(fields, "required", here, _truth, "true or false", True),
            )
        )
    return tuple(sorted(found, key=lambda argument: argument.order))


def _people(read: Reader, world: World, organization: str, fields: dict[str, Any], path: Path_) -> tuple[str, ...]:
    users = {key: user for key, user in world.users.items() if user.organization == organization}
    listed = read.names(fields, "acl", path, users)
    chosen = users if listed is None else listed
    return tuple(users[key].email for key in chosen if users[key].below("admin"))


def _task(
    read: Reader, world: World, key: str, value: Any, path: Path_, default: tuple[str, str, Host | None, str] | None
) -> Task:
    """A task, or a step: then `default` is its workflow's organization, name of the step, host and id."""
    known = TASK_FIELDS if default is None else tuple(f for f in TASK_FIELDS if f != "organization")
    fields = read.mapping(value, path, known)
    first = "demo" if "demo" in world.organizations else next(iter(world.organizations))
    organization = default[0] if default else read.one_of(fields, "organization", path, world.organizations, first)
    if default is None:
        read.required(fields, "name", path)
    kind = read.one_of(fields, "type", path, TASK_TYPES, "script")
    hosts = [host.name for host in world.hosts.values() if host.organization == organization]
    host = default[2] if default else None
    if "host" in fields:
        host = world.hosts[read.known(fields["host"], (*path, "host"), hosts)]
    if kind == "script" and host is None:
        raise read.source.wrong(path, f"host is missing; known are {', '.join(hosts) or 'none'}")
    users = [user.key for user in world.users.values() if user.organization == organization]
    approvers: list[str] = read.names(fields, "approvers", path, users) or []
    arguments = _arguments(read, fields.get("arguments", []), (*path, "arguments"))
    return Task(
        key=key,
        organization=organization,
        name=read.get(fields, "name", path, _name, "a name", default[1] if default else ""),
        type=kind,
        host=host if kind == "script" else None,
        script=read.get(fields, "script", path, _text, "text", "echo success"),
        arguments=NOTIFICATION_ARGUMENTS if kind == "notification" else arguments,
        arguments_type=read.one_of(fields, "arguments_type", path, ARGUMENTS_TYPES, "legacy"),
        timeout=read.get(fields, "timeout", path, _seconds, "a number of seconds above 0", None),
        default_state_evaluation=read.one_of(fields, "default_state_evaluation", path, EVALUATIONS, None),
        multitasking=read.get(fields, "multitasking", path, _truth, "true or false", True),
        user_inputs=read.get(fields, "user_inputs", path, _truth, "true or false", False),
        autoremove=_autoremove(read, fields, path),
        approvers=tuple(world.users[one] for one in approvers),
        acl=_people(read, world, organization, fields, path),
        tags=_tags(read, fields, path),
        workflow_id=default[3] if default else None,
        id=read.identity(fields, path),
    )


def _autoremove(read: Reader, fields: dict[str, Any], path: Path_) -> int | None:
    found: int | None = read.get(
        fields, "autoremove", path, lambda v: v is None or (_whole(v) and v > 0), "a number above 0, or null", 5
    )
    return found


def _tags(read: Reader, fields: dict[str, Any], path: Path_) -> tuple[str, ...]:
    tags = read.members(fields.get("tags", []), (*path, "tags"))
    for n, tag in enumerate(tags):
        if not _name(tag):
            raise read.source.wrong((*path, "tags", str(n)), f"must be a word, not {_called(tag)}")
    return tuple(tags)


def _workflow(read: Reader, world: World, key: str, value: Any, path: Path_) -> Workflow:
    fields = read.mapping(value, path, WORKFLOW_FIELDS)
    first = "demo" if "demo" in world.organizations else next(iter(world.organizations))
    organization = read.one_of(fields, "organization", path, world.organizations, first)
    read.required(fields, "name", path)
    name = read.get(fields, "name", path, _name, "a name", "")
    hosts = [host.name for host in world.hosts.values() if host.organization == organization]
    host = world.hosts[read.known(fields["host"], (*path, "host"), hosts)] if "host" in fields else None
    described = read.mapping(read.required(fields, "steps", path), (*path, "steps"))
    if not described:
        raise read.source.wrong((*path, "steps"), "at least one step is needed")
    workflow_id = read.identity(fields, path) or Workflow.derive_id(organization, key)
    steps: dict[str, Task] = {}
    for step, described_step in described.items():
        default = (organization, f"{name} / {step}", host, workflow_id)
        task = _task(read, world, f"{key}.{step}", described_step or {}, (*path, "steps", step), default)
        steps[step] = task
    start = read.one_of(fields, "start", path, steps, next(iter(steps)))
    return Workflow(
        key=key,
        organization=organization,
        name=name,
        version=read.get(fields, "version", path, lambda v: v in (1, 2), "1 or 2", 2),
        multitasking=read.get(fields, "multitasking", path, _truth, "true or false", True),
        autoremove=_autoremove(read, fields, path),
        steps=steps,
        start=steps[start],
        edges=_edges(read, fields, path, steps),
        acl=_people(read, world, organization, fields, path),
        tags=_tags(read, fields, path),
        id=workflow_id,
    )


def _webhook(read: Reader, world: World, key: str, value: Any, path: Path_) -> Webhook:
    fields = read.mapping(value, path, WEBHOOK_FIELDS)
    first = "demo" if "demo" in world.organizations else next(iter(world.organizations))
    organization = read.one_of(fields, "organization", path, world.organizations, first)
    read.required(fields, "name", path)
    templates: list[Task | Workflow] = [*world.tasks.values(), *world.workflows.values()]
    attachable = {one.key: one for one in templates if one.organization == organization}
    wanted: list[str] = read.names(fields, "triggers", path, attachable) or []
    name = read.get(fields, "name", path, _name, "a name", "")
    triggers = tuple(attachable[one] for one in wanted)
    return Webhook(key, organization, name, triggers, read.identity(fields, path))


def _edges(read: Reader, fields: dict[str, Any], path: Path_, steps: dict[str, Task]) -> tuple[Edge, ...]:
    found: list[Edge] = []
    for n, one in enumerate(read.members(fields.get("edges", []), (*path, "edges"))):
        here = (*path, "edges", str(n))
        edge = read.mapping(one, here, ("from", "to", "on"))
        ends = [read.known(read.required(edge, end, here), (*here, end), steps) for end in ("from", "to")]
        on = read.get(edge, "on", here, _name, "success, failure or the name of an event", "success")
        found.append(Edge(steps[ends[0]].id, steps[ends[1]].id, on))
    return tuple(found)
