"""HTML buttons that start a task or workflow by its secret key, for e-mails and reports.

Whoever sees such a button holds the secret key: it can be pressed again and again, by anyone the mail is forwarded to,
until the key is changed in TheEye. Use it for tasks that do no harm when they are run once more.
"""

from __future__ import annotations

import html
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_theeye.exceptions import TheEyeSettingsError
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.options import check_id
from airflow_provider_theeye.version_compat import mask_secret

if TYPE_CHECKING:
    from airflow_provider_theeye.api.models import Task

__all__ = ["action_button"]

log = logging.getLogger(__name__)


def action_button(
    *,
    theeye_task_id: str | None = None,
    theeye_workflow_id: str | None = None,
    task_arguments: Sequence[Any] = (),
    label: str = "Run",
    secret: str | None = None,
    theeye_conn_id: str = TheEyeHook.default_conn_name,
) -> str:
    """A form with one button, as TheEye's documentation shows it, everything in it escaped.

    :param theeye_task_id: the task to start, or
    :param theeye_workflow_id: the workflow to start.
    :param task_arguments: its arguments; what is no text is sent as its JSON text.
    :param label: the button's text.
    :param secret: the secret key; by default the connection's (extra ``secrets``).
    :param theeye_conn_id: says where TheEye is and which organization.
    :raises TheEyeSettingsError: if there is no secret key, the arguments do not fit, or (with a token in the
        connection) the task cannot be started by a form: it has fixed arguments, or takes them as JSON.
    """
    from airflow_provider_theeye.hooks.connection import check_secret
    from airflow_provider_theeye.jobs.arguments import ArgumentsError, for_form

    if (theeye_task_id is None) == (theeye_workflow_id is None):
        raise ValueError("give either theeye_task_id or theeye_workflow_id")
    ident = check_id(theeye_task_id or theeye_workflow_id, "theeye_task_id" if theeye_task_id else "theeye_workflow_id")
    hook = TheEyeHook(theeye_conn_id)
    server = hook.settings.server
    key = secret or server.secrets.get(ident)
    if key is None:
        raise TheEyeSettingsError(
            f"a button needs the secret key of {ident}: put it into the connection's extra 'secrets', or give secret="
        )
    # Not in the mail, where it is needed, but among the rendered fields that Airflow shows.
    mask_secret(check_secret(key, ident))
    key = quote(key)
    if theeye_workflow_id is not None:
        action = f"{server.url}/workflows/{ident}/secret/{key}/job"
        fields = [("customer", server.organization)]
    else:
        action = f"{server.url}/job/secret/{key}"
        fields = [("customer", server.organization), ("task", ident)]
    try:
        task = _started_task(hook, theeye_task_id, theeye_workflow_id) if server.token is not None else None
        fields += [("task_arguments[]", text) for text in for_form(task, task_arguments)]
    except ArgumentsError as error:
        raise TheEyeSettingsError(str(error)) from None
    inputs = "".join(f'<input type="hidden" name="{html.escape(n)}" value="{html.escape(v)}">' for n, v in fields)
    return (
        f'<form action="{html.escape(action)}" method="POST">{inputs}'
        f'<input type="submit" value="{html.escape(label)}"></form>'
    )


def _started_task(hook: TheEyeHook, task_id: str | None, workflow_id: str | None) -> Task | None:
    """The task whose arguments the form sends. A mail is not worth failing for if TheEye cannot be asked."""
    from airflow_provider_theeye.api.errors import TheEyeError
    from airflow_provider_theeye.hooks.orders import first_step, startable_task

    try:
        if workflow_id is not None:
            return first_step(hook, hook.get_workflow(workflow_id))
        return startable_task(hook, task_id)
    except TheEyeError as error:
        log.warning("The arguments of a button for %s were not checked: %s", task_id or workflow_id, error)
        return None
    finally:
        hook.close()
