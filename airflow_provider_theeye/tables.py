"""TheEye's tasks, workflows and jobs as rows for a person or for a program. Nothing secret is in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_theeye.api.models import Job, Task, TaskArgument, Workflow

__all__ = [
    "argument_values",
    "job_row",
    "sheet",
    "table",
    "task_row",
    "time_limit",
    "workflow_row",
]

Row = dict[str, Any]
#: The agent's own limit for a task that has none.
DEFAULT_LIMIT = "default (10 min)"


def task_row(task: Task) -> Row:
    return {
        "name": task.name,
        "id": task.id,
        "host": task.hostname,
        "time_limit": task.timeout,
        "arguments": [_argument(argument) for argument in task.arguments],
        "workflow_id": task.workflow_id,
    }


def workflow_row(workflow: Workflow, first_step: Task | None) -> Row:
    return {
        "name": workflow.name,
        "id": workflow.id,
        "first_step": first_step.name if first_step else None,
        "arguments": [_argument(argument) for argument in first_step.arguments] if first_step else [],
    }


def job_row(job: Job) -> Row:
    return {
        "created": job.created,
        "id": job.id,
        "name": job.name,
        "lifecycle": job.lifecycle,
        "state": job.state,
        "seconds": job.seconds if job.is_over else None,
        "task_id": job.task_id,
        "workflow_id": job.workflow_id,
    }


def argument_values(job: Job, task: Task | None) -> list[Any] | None:
    """The values that a job got, but for the fixed ones, which may be passwords; ``None`` if these are not known."""
    if task is None:
        return None
    fixed = {place for place, argument in enumerate(task.arguments) if argument.is_fixed}
    return ["***" if place in fixed else value for place, value in enumerate(job.arguments)]


def time_limit(seconds: float | None) -> str:
    """How long TheEye lets a task run. It has an own limit for a task that names none."""
    if seconds is None:
        return DEFAULT_LIMIT
    if seconds < 60 or seconds % 60:
        return f"{seconds:g} s"
    return f"{seconds / 60:g} min" if seconds < 3600 or seconds % 3600 else f"{seconds / 3600:g} h"


def table(rows: Sequence[Row], none: str) -> str:
    """Columns under their names; ``none`` is said if there are no rows."""
    if not rows:
        return none
    # A column in which nobody has anything says nothing.
    columns = [name for name in rows[0] if any(row[name] not in (None, "", []) for row in rows) or name == "time_limit"]
    lines = [[name.replace("_", " ").upper() for name in columns]]
    lines += [[_cell(name, row[name]) for name in columns] for row in rows]
    widths = [max(len(line[n]) for line in lines) for n in range(len(columns))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)  # noqa: B905


def sheet(values: Mapping[str, Any]) -> str:
    """One thing, a line for each of its values that says something."""
    said = {name: _cell(name, value) for name, value in values.items() if value not in (None, "", [])}
    width = max((len(name) for name in said), default=0) + 2
    return "\n".join(f"{name.replace('_', ' ') + ':':{width}}{text}" for name, text in said.items())


def _argument(argument: TaskArgument) -> Row:
    """Without the value of a fixed one, which may be a password."""
    return {"label": argument.label, "kind": argument.kind, "required": argument.required}


def _cell(name: str, value: Any) -> str:
    if name == "time_limit":
        return time_limit(value)
    if name == "arguments":
        return ", ".join(_shown(argument) for argument in value)
    if isinstance(value, list):
        return ", ".join(one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in value)
    return "" if value is None else " ".join(str(value).split())


def _shown(argument: Row) -> str:
    note = argument["kind"] if argument["kind"] != "input" else "" if argument["required"] else "optional"
    return f"{argument['label']} ({note})" if note else str(argument["label"])
