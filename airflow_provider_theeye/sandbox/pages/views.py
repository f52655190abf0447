"""What the overview and the pages of tasks and workflows show, as plain values for their templates."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ..connection import airflow_connection
from ..engine import Engine
from ..job import Job
from ..world import Task, Workflow
from . import forms, hosts
from .actions import acting_user
from .rows import Row, row, task_page, workflow_page
from .show import Text, duration
from .steps import drawing_of

LATEST = 30  # jobs on the overview
OF_A_TEMPLATE = 10  # jobs on the page of a task or workflow


def _newest(engine: Engine, organization: str) -> Iterator[Job]:
    """Jobs that somebody asked for, newest first; steps are found with their runs."""
    for job in reversed(engine.jobs.values()):
        if job.workflow_job_id is None and job.customer_name in (organization, None):
            yield job


@dataclass(frozen=True)
class Template:
    """A task or workflow in a list. Without fields that want a value it can be run at once."""

    id: str
    page: str
    name: str
    about: str
    asks: bool
    last: Row | None


def _asks(task: Task) -> bool:
    return any(argument.type != "fixed" for argument in task.arguments)


def _last(engine: Engine, jobs: dict[str, Job]) -> Row | None:
    job = next(reversed(jobs.values()), None)
    return row(engine, job) if job else None


def _task_entry(engine: Engine, task: Task) -> Template:
    about = task.host.name if task.host else task.type
    last = _last(engine, engine.by_task.get(task.id, {}))
    return Template(task.id, task_page(task.id), task.name, about, _asks(task), last)


def _workflow_entry(engine: Engine, workflow: Workflow) -> Template:
    count = len(workflow.steps)
    places = dict.fromkeys(task.host.name for task in workflow.steps.values() if task.host)
    about = f"{count} step{'s' if count > 1 else ''}" + (f" on {', '.join(places)}" if places else "")
    last = _last(engine, engine.by_workflow.get(workflow.id, {}))
    return Template(workflow.id, workflow_page(workflow.id), workflow.name, about, _asks(workflow.start), last)


def export_line(engine: Engine, organization: str) -> str:
    """What a shell is told so that Airflow's connection `theeye_default` leads here."""
    user = acting_user(engine.world, organization)
    token, secrets = user.token if user else "", engine.world.secrets(organization)
    connection = airflow_connection(engine.base_url, organization, token, secrets)
    return f"export AIRFLOW_CONN_THEEYE_DEFAULT={shlex.quote(json.dumps(connection))}"


def home(engine: Engine, organization: str) -> dict[str, Any]:
    """The overview of an organization."""
    world = engine.world
    found = list(islice(_newest(engine, organization), LATEST + 1))
    return {
        "hosts": [hosts.card(engine, host) for host in world.hosts.values() if host.organization == organization],
        "jobs": [row(engine, job) for job in found[:LATEST]],
        "more_jobs": len(found) > LATEST,
        "tasks": [_task_entry(engine, one) for one in world.tasks.values() if one.organization == organization],
        "workflows": [
            _workflow_entry(engine, one) for one in world.workflows.values() if one.organization == organization
        ],
        "export_line": export_line(engine, organization),
    }


def facts_of_task(task: Task) -> list[tuple[str, str]]:
    """What there is to say about a task, beside its script."""
    limit = f"killed after {duration(task.timeout)}" if task.timeout else ""
    evaluation = f"{task.default_state_evaluation}, unless the last line says otherwise"
    kept = "all jobs" if task.autoremove is None else f"the newest {task.autoremove} jobs"
    facts = [
        ("Type", task.type),
        ("Host", task.host.name if task.host else ""),
        ("Limit", limit),
        ("State", evaluation if task.default_state_evaluation else ""),
        ("At a time", "" if task.multitasking else "one job"),
        ("Input", "asked of a person if started by secret key" if task.user_inputs else ""),
        ("Approvers", ", ".join(user.key for user in task.approvers)),
        ("Keeps", kept),
        ("Tags", ", ".join(task.tags)),
        ("Id", task.id),
    ]
    return [(name, value) for name, value in facts if value]


def task(engine: Engine, one: Task, form: Mapping[str, str]) -> dict[str, Any]:
    """The page of a task, or of a workflow's step. What a form holds that was refused is not lost."""
    workflow = engine.world.workflow_by_id.get(one.workflow_id or "")
    made = list(reversed(engine.by_task.get(one.id, {}).values()))
    return {
        "task": one,
        "page": task_page(one.id),
        "workflow": workflow,
        "workflow_page": workflow_page(workflow.id) if workflow else None,
        "facts": facts_of_task(one),
        "fields": forms.fields(one, forms.filled(form, one)),
        "script": Text.beginning(one.script),
        "jobs": [row(engine, job) for job in made[:OF_A_TEMPLATE]],
        "more_jobs": len(made) > OF_A_TEMPLATE,
    }


def workflow(engine: Engine, one: Workflow, form: Mapping[str, str]) -> dict[str, Any]:
    """The page of a workflow. What a form holds that was refused is not lost."""
    made = list(reversed(engine.by_workflow.get(one.id, {}).values()))
    facts = [
        ("Steps", str(len(one.steps))),
        ("Begins with", next(key for key, step in one.steps.items() if step is one.start)),
        ("At a time", "" if one.multitasking else "one run"),
        ("Version", "1: its runs never end" if one.version == 1 else ""),
        ("Tags", ", ".join(one.tags)),
        ("Id", one.id),
    ]
    return {
        "workflow": one,
        "page": workflow_page(one.id),
        "facts": [(name, value) for name, value in facts if value],
        "fields": forms.fields(one.start, forms.filled(form, one.start)),
        "drawing": drawing_of(one),
        "steps": {
            step.id: {"name": key, "page": task_page(step.id), "host": step.host.name if step.host else step.type}
            for key, step in one.steps.items()
        },
        "jobs": [row(engine, job) for job in made[:OF_A_TEMPLATE]],
        "more_jobs": len(made) > OF_A_TEMPLATE,
    }
