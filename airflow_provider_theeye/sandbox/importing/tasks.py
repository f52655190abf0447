"""A task's document as the file of definitions says it; what has the default value is left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from airflow_provider_theeye.api.carried import carried
from airflow_provider_theeye.api.ids import is_id
from airflow_provider_theeye.api.models import Task, TaskArgument

from ..schema import ARGUMENT_TYPES, ARGUMENTS_TYPES, EVALUATIONS, TASK_TYPES
from .hosts import Hosts
from .people import People
from .report import Report
from .rows import members, text
from .scripts import Texts, stand_in
from .writing import Compact, Script

Row = dict[str, Any]

LEFT_OUT = "left out"


@dataclass
class Copying:
    """What is needed to copy anything: where names are collected, and what is wanted."""

    people: People
    hosts: Hosts
    texts: Texts
    fixed_values: bool
    report: Report
    ids: set[str] = field(default_factory=set)
    #: Ids of the tasks that are steps.
    steps: set[str] = field(default_factory=set)

    def identity(self, ident: str, name: str) -> dict[str, str]:
        """The id, if it can be kept."""
        if not is_id(ident) or ident in self.ids:
            self.report.add("invalid and duplicate ids are replaced", name)
            return {}
        self.ids.add(ident)
        return {"id": ident}


def named(given: object, ident: str) -> str:
    """A name to show; TheEye's documents may have none."""
    return text(given) or f"unnamed {ident}"


def task_fields(row: Row, task: Task, copying: Copying, outputs: list[str]) -> dict[str, Any]:
    """:param outputs: what a stand-in for its script puts out."""
    name = named(row.get("name"), task.id)
    kind = _kind(row, task, name, copying.report)
    fields: dict[str, Any] = {"name": name, **copying.identity(task.id, name)}
    if kind == "script":
        fields["host"] = copying.hosts.of(task)
    else:
        fields["type"] = kind
    if kind == "approval":
        fields["approvers"] = Compact(copying.people.approvers(row))
    if kind != "notification":
        fields.update(_arguments(row, task, name, copying))
    fields.update(_behaviour(row, task, name, copying.report))
    fields.update(common_fields(row, copying))
    script = (copying.texts(row, name) or stand_in(outputs)) if kind == "script" else None
    if script is not None:
        fields["script"] = Script(script)
    return fields


def _kind(row: Row, task: Task, name: str, report: Report) -> str:
    has_host = bool(task.hostname or task.host_id)
    kind = task.kind.removesuffix("Task").lower() or ("script" if has_host or "script_id" in row else "dummy")
    if kind in TASK_TYPES:
        return kind
    played = "script" if has_host else "dummy"
    report.add(f"tasks of the unsupported type {kind} become type {played}", name)
    return played


def _behaviour(row: Row, task: Task, name: str, report: Report) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if task.arguments_type in ARGUMENTS_TYPES and task.arguments_type != "legacy":
        fields["arguments_type"] = task.arguments_type
    elif task.arguments_type != "legacy":
        report.add(f"the unsupported arguments_type {task.arguments_type} becomes legacy", name)
    if task.timeout is not None:
        fields["timeout"] = int(task.timeout) if task.timeout.is_integer() else task.timeout
    evaluation = row.get("default_state_evaluation")
    if evaluation in EVALUATIONS:
        fields["default_state_evaluation"] = evaluation
    elif evaluation:
        report.add("default_state_evaluation is ignored unless it is success or failure", name)
    if not task.multitasking:
        fields["multitasking"] = False
    if task.user_inputs:
        fields["user_inputs"] = True
    return fields


def common_fields(row: Row, copying: Copying) -> dict[str, Any]:
    """What tasks and workflows have in common."""
    fields: dict[str, Any] = {}
    limit = row.get("autoremove_completed_jobs_limit")
    if row.get("autoremove_completed_jobs") is False:
        fields["autoremove"] = None
    elif isinstance(limit, int) and not isinstance(limit, bool) and limit > 0 and limit != 5:
        fields["autoremove"] = limit
    if "acl" in row:
        fields["acl"] = Compact(copying.people.in_acl(row))
    tags = [tag for tag in map(text, members(row.get("tags"))) if tag]
    return {**fields, "tags": Compact(tags)} if tags else fields


def _arguments(row: Row, task: Task, name: str, copying: Copying) -> dict[str, Any]:
    rows = members(row.get("task_arguments"))
    # In the order of what Task.parse made of them.
    pairs = sorted(
        ((TaskArgument.parse(one, n), one if isinstance(one, dict) else {}) for n, one in enumerate(rows)),
        key=lambda pair: pair[0].order,
    )
    orders = [argument.order for argument, _ in pairs]
    if len(set(orders)) < len(orders) or min(orders, default=0) < 0:
        copying.report.add("arguments with duplicate or negative orders are renumbered", name)
        orders = list(range(len(orders)))
    found = [
        _argument(argument, one, order, place, name, copying)
        for place, ((argument, one), order) in enumerate(zip(pairs, orders, strict=True))
    ]
    if not found:
        return {}
    return {"arguments": Compact(found) if all(isinstance(one, str) for one in found) else found}


def _argument(
    argument: TaskArgument, row: Row, order: int, place: int, name: str, copying: Copying
) -> str | Compact[dict[str, Any]]:
    label = text(argument.label) or f"argument {order + 1}"
    fields: dict[str, Any] = {"label": label}
    if argument.kind not in ARGUMENT_TYPES:
        copying.report.add(f"arguments of the unsupported type {argument.kind} become type input", f"{name}: {label}")
    elif argument.kind != "input":
        fields["type"] = argument.kind
    if argument.is_fixed:
        fields["value"] = carried(argument.value) if copying.fixed_values else LEFT_OUT
        if not copying.fixed_values:
            copying.report.add("values of fixed arguments are left out, they may be secrets", f"{name}: {label}")
    options = [one.get("label") if isinstance(one, dict) else one for one in members(row.get("options"))]
    options = carried([one for one in options if one is not None])
    if argument.kind == "select" and options:
        fields["options"] = options
    if order != place:
        fields["order"] = order
    if not argument.required:
        fields["required"] = False
    return label if len(fields) == 1 else Compact(fields)
