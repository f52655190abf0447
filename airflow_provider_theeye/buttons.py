"""HTML buttons that start a task or workflow by its secret key, for e-mails and reports.

Whoever sees such a button holds the secret key: it can be pressed again and again, by anyone the mail is forwarded to,
until the key is changed in TheEye. Use it for tasks that do no harm when they are run once more.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from airflow_provider_theeye.exceptions import TheEyeSettingsError
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.options import check_id
from airflow_provider_theeye.version_compat import mask_secret

__all__ = ["action_button"]


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
    :raises TheEyeSettingsError: if there is no secret key, or the arguments do not fit.
    """
    from airflow_provider_theeye.hooks.connection import check_secret
    from airflow_provider_theeye.jobs.arguments import ArgumentsError, form_fields

    if (theeye_task_id is None) == (theeye_workflow_id is None):
        raise ValueError("give either theeye_task_id or theeye_workflow_id")
    ident = check_id(theeye_task_id or theeye_workflow_id, "theeye_task_id" if theeye_task_id else "theeye_workflow_id")
    server = TheEyeHook(theeye_conn_id).settings.server
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
        fields += [("task_arguments[]", text) for text in form_fields(task_arguments)]
    except ArgumentsError as error:
        raise TheEyeSettingsError(str(error)) from None
    inputs = "".join(f'<input type="hidden" name="{html.escape(n)}" value="{html.escape(v)}">' for n, v in fields)
    return (
        f'<form action="{html.escape(action)}" method="POST">{inputs}'
        f'<input type="submit" value="{html.escape(label)}"></form>'
    )
