"""From an account to definitions. Sorted by name, so that a second copy differs only where the account does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from airflow_provider_theeye.api.errors import UnexpectedReply
from airflow_provider_theeye.api.models import Task, Workflow

from .account import Account
from .hosts import Hosts
from .keys import Keys
from .people import People
from .report import Report
from .rows import members, reference, text
from .scripts import Texts
from .tasks import Copying, named, task_fields
from .workflows import workflow_fields
from .writing import Compact

Row = dict[str, Any]
Definitions = dict[str, dict[str, Any]]
T = TypeVar("T", Task, Workflow)


def definitions_of(account: Account, texts: Texts, report: Report, *, fixed_values: bool) -> Definitions:
    """What `written` writes.

    :param texts: finds the text of a task's script.
    :param fixed_values: whether the values of fixed arguments are copied.
    """
    copying = Copying(People(), Hosts(account.hosts, report), texts, fixed_values, report)
    tasks = _sorted(account.tasks, Task.parse, report)
    # Tasks and workflows share their keys, since webhooks name both.
    keys = _KeysById(Keys("task"))
    workflows = _workflows(account, {task.id: row for task, row in tasks}, keys, copying)
    alone = _tasks(tasks, keys, copying)
    webhooks = _webhooks(account, keys, copying)
    steps = [step for workflow in workflows.values() for step in workflow["steps"].values()]
    _leave_out_default_acls([*alone.values(), *workflows.values(), *steps], copying.people)
    users = {key: Compact(user) for key, user in copying.people.definitions().items()}
    return {
        "organizations": {account.organization: {"hosts": Compact(copying.hosts.names()), "users": users}},
        "tasks": alone,
        "workflows": workflows,
        "webhooks": webhooks,
    }


class _KeysById:
    """Keys of what is in the file, by the ids in TheEye."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self.known: dict[str, str] = {}

    def take(self, ident: str, *names: str) -> str:
        self.known[ident] = key = self._keys.take(*names)
        return key


def _sorted(rows: list[Row], parse: Callable[[object], T], report: Report) -> list[tuple[T, Row]]:
    found: list[tuple[T, Row]] = []
    for row in rows:
        try:
            found.append((parse(row), row))
        except UnexpectedReply:
            report.add("documents without an id are left out")
    return sorted(found, key=lambda pair: (pair[0].name.casefold(), pair[0].id))


def _workflows(account: Account, tasks: dict[str, Row], keys: _KeysById, copying: Copying) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for workflow, row in _sorted(account.workflows, Workflow.parse, copying.report):
        fields = workflow_fields(row, workflow, tasks, copying)
        if fields is not None:
            found[keys.take(workflow.id, workflow.name, "workflow")] = fields
    return found


def _tasks(tasks: list[tuple[Task, Row]], keys: _KeysById, copying: Copying) -> dict[str, Any]:
    """Those that are no steps."""
    found: dict[str, Any] = {}
    for task, row in tasks:
        if task.id in copying.steps:
            continue
        if task.workflow_id is not None:
            reason = "steps of workflows that the token does not see are left out"
            copying.report.add(reason, named(row.get("name"), task.id))
            continue
        outputs = [text(one.get("label")) for one in members(row.get("output_parameters")) if isinstance(one, dict)]
        fields = task_fields(row, task, copying, outputs)
        found[keys.take(task.id, task.name, task.hostname or "")] = fields
    return found


def _webhooks(account: Account, keys: _KeysById, copying: Copying) -> dict[str, Any]:
    """Their documents hold their secrets, of which nothing is copied. What they start is written at the tasks."""
    started: dict[str, list[str]] = {}
    for row in (*account.tasks, *account.workflows):
        for event in members(row.get("triggers")):
            emitter = (
                (reference(event.get("emitter")) or reference(event.get("emitter_id")))
                if isinstance(event, dict)
                else ""
            )
            if emitter and reference(row) in keys.known:
                started.setdefault(emitter, []).append(keys.known[reference(row)])
    found: dict[str, Any] = {}
    own_keys = Keys("webhook")
    for row in sorted(account.webhooks, key=lambda one: (text(one.get("name")).casefold(), reference(one))):
        name = named(row.get("name"), reference(row))
        fields: dict[str, Any] = {"name": name, **copying.identity(reference(row), name)}
        if reference(row) in started:
            fields["triggers"] = Compact(sorted(set(started[reference(row)])))
        else:
            copying.report.add("webhooks have no triggers if TheEye does not show them", name)
        found[own_keys.take(name)] = fields
    return found


def _leave_out_default_acls(described: list[dict[str, Any]], people: People) -> None:
    """An access list that names all is the default. Who all are is known only now."""
    everybody = set(people.everybody_below_admin())
    for fields in described:
        if "acl" in fields and set(fields["acl"].value) == everybody:
            del fields["acl"]
