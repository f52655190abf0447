"""From a person's words to an ``Order``: what to start, whether the arguments fit, by token or key, held or not.

Sends nothing but look-ups. Raises ``TheEyeSettingsError`` for what cannot work. And the other way round: what a person
is told of an order that could not be submitted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_theeye.exceptions import TheEyeJobError, TheEyeSettingsError, TheEyeSubmissionUnclear
from airflow_provider_theeye.hooks.connection import check_secret
from airflow_provider_theeye.jobs import arguments
from airflow_provider_theeye.jobs.submission import HoldingNotSupported, NothingStarted, Order, SubmissionUnclear
from airflow_provider_theeye.options import check_id
from airflow_provider_theeye.version_compat import mask_secret

if TYPE_CHECKING:
    from airflow_provider_theeye.api.models import Task, Workflow
    from airflow_provider_theeye.hooks.theeye import TheEyeHook

__all__ = [
    "StartOptions",
    "checked_values",
    "first_step",
    "input_values",
    "order_for_task",
    "order_for_workflow",
    "startable_task",
    "submission_errors",
    "unchecked_values",
]


@dataclass(frozen=True)
class StartOptions:
    """How to start something; see the operators for what each means."""

    auth: str = "auto"
    secret: str | None = field(default=None, repr=False)
    submission: str | None = None


def order_for_task(
    hook: TheEyeHook,
    values: Any,
    options: StartOptions,
    *,
    task_id: str | None = None,
    name: str | None = None,
    host: str | None = None,
) -> Order:
    """What it takes to start one task, by its id or its name."""
    values = checked_values(values)
    _checked(task_id, "theeye_task_id")
    has_token = hook.settings.server.token is not None
    task = startable_task(hook, task_id, name=name, host=host) if has_token else None
    ident = task.id if task is not None else task_id
    if ident is None:
        raise TheEyeSettingsError("looking a task up by its name needs an integration token: give theeye_task_id")
    return Order(
        theeye_id=ident,
        arguments=_fitting(task, values),
        held=_holds(hook, options) and task is not None and task.can_be_held,
        secret=_secret(hook, ident, options),
        may_search=has_token,
        kept_jobs=task.kept_jobs if task is not None else None,
    )


def order_for_workflow(
    hook: TheEyeHook,
    values: Any,
    options: StartOptions,
    *,
    workflow_id: str | None = None,
    name: str | None = None,
    start_task_id: str | None = None,
) -> Order:
    """What it takes to start one workflow, by its id or its name, at its first step or at another."""
    values = checked_values(values)
    _checked(workflow_id, "theeye_workflow_id")
    _checked(start_task_id, "theeye_start_task")
    has_token = hook.settings.server.token is not None
    workflow = hook.get_workflow(workflow_id, name=name) if has_token else None
    ident = workflow.id if workflow is not None else workflow_id
    if ident is None:
        raise TheEyeSettingsError(
            "looking a workflow up by its name needs an integration token: give theeye_workflow_id"
        )
    first = first_step(hook, workflow, start_task_id) if workflow is not None else None
    return Order(
        theeye_id=ident,
        is_workflow=True,
        arguments=_fitting(first, values),
        held=_holds(hook, options) and has_token and (first is None or first.can_be_held),
        secret=_secret(hook, ident, options),
        start_task_id=start_task_id,
        may_search=has_token,
    )


def startable_task(hook: TheEyeHook, task_id: str | None, *, name: str | None = None, host: str | None = None) -> Task:
    """A task that is no step of a workflow."""
    task = hook.get_task(task_id, name=name, host=host)
    if task.workflow_id is not None:
        raise TheEyeSettingsError(
            f"task {task.name!r} ({task.id}) is a step of workflow {task.workflow_id}: TheEye cannot start it alone. "
            "Use TheEyeWorkflowOperator with theeye_start_task"
        )
    return task


def first_step(hook: TheEyeHook, workflow: Workflow, start_task_id: str | None = None) -> Task | None:
    """The step at which a workflow starts, here or at its own first one; ``None`` if the token may not see it."""
    steps = hook.steps_of(workflow.id)
    wanted = start_task_id or workflow.start_task_id
    step = next((step for step in steps if step.id == wanted), None)
    if step is None and start_task_id is not None:
        listed = "; ".join(f"{step.id} ({step.name})" for step in steps)
        raise TheEyeSettingsError(
            f"{start_task_id} is no step of workflow {workflow.name!r} ({workflow.id}). Its steps: {listed}"
        )
    return step


def _secret(hook: TheEyeHook, ident: str, options: StartOptions) -> str | None:
    """The secret key to start a task or workflow with; ``None`` for the token."""
    settings = hook.settings
    token = settings.server.token
    if options.auth == "token" or (options.auth == "auto" and options.secret is None and token is not None):
        if token is None:
            raise TheEyeSettingsError(f"connection {hook.theeye_conn_id!r} has no integration token (password field)")
        return None
    secret = options.secret or settings.server.secrets.get(ident)
    if secret is None:
        no_token = "" if options.auth == "secret" else "no integration token (password field), "
        raise TheEyeSettingsError(
            f"nothing to start {ident} with: connection {hook.theeye_conn_id!r} has {no_token}no secret key for it "
            "(extra 'secrets'), and secret= is not given"
        )
    check_secret(secret, ident)
    mask_secret(secret)
    return secret


def _holds(hook: TheEyeHook, options: StartOptions) -> bool:
    return (options.submission or hook.settings.submission) == "held"


def input_values(hook: TheEyeHook, job_id: str, values: Any) -> list[Any]:
    """What to send as the input of a job on hold, for the definition of the job's task."""
    from airflow_provider_theeye.api.errors import Forbidden, NotFound

    with _settings_errors("arguments"):
        checked = arguments.check_json(values)
        task_id = hook.get_job(job_id).task_id
        task = None
        if task_id is not None:
            with contextlib.suppress(NotFound, Forbidden):
                task = hook.get_task(task_id)
        return arguments.for_unknown_task(checked) if task is None else arguments.for_task(task, checked)


def unchecked_values(values: Any, name: str) -> list[Any]:
    """What to send to tasks that are not known; ``name`` is what an error calls the list."""
    with _settings_errors(name):
        return arguments.for_unknown_task(arguments.check_json(values))


def checked_values(values: Any) -> list[Any]:
    """A list of what JSON can say."""
    with _settings_errors():
        return arguments.check_json(values)


def _fitting(task: Task | None, values: Sequence[Any]) -> list[Any]:
    with _settings_errors():
        return arguments.for_unknown_task(values) if task is None else arguments.for_task(task, values)


@contextlib.contextmanager
def _settings_errors(name: str = "task_arguments") -> Iterator[None]:
    """Arguments that cannot be sent, called ``name`` in the error."""
    try:
        yield
    except arguments.ArgumentsError as error:
        raise TheEyeSettingsError(str(error).replace("task_arguments", name)) from None


def _checked(value: str | None, name: str) -> None:
    try:
        if value is not None:
            check_id(value, name)
    except ValueError as error:
        raise TheEyeSettingsError(str(error)) from None


@contextlib.contextmanager
def submission_errors() -> Iterator[None]:
    """Raises what became of an order as one of the public exceptions. ``TheEyeError`` of a request goes through."""
    try:
        yield
    except NothingStarted as error:
        raise TheEyeJobError(str(error)) from error
    except SubmissionUnclear as error:
        raise TheEyeSubmissionUnclear(str(error)) from error
    except HoldingNotSupported as error:
        raise TheEyeSettingsError(
            f"this TheEye server cannot release held jobs ({error}): set submission='direct' on the operator or in the "
            "connection's extra. Nothing was run"
        ) from error
