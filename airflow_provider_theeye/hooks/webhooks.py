"""Setting off an incoming webhook of TheEye."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_theeye.api import webhooks
from airflow_provider_theeye.exceptions import TheEyeSettingsError
from airflow_provider_theeye.hooks.orders import unchecked_values
from airflow_provider_theeye.version_compat import mask_secret

if TYPE_CHECKING:
    from airflow_provider_theeye.hooks.theeye import TheEyeHook

__all__ = ["trigger"]


def trigger(hook: TheEyeHook, webhook_id: str, secret: str | None, payload: Sequence[Any] | None) -> None:
    """See ``TheEyeHook.trigger_webhook``."""
    settings = hook.settings
    if secret is None and settings.server.token is None:
        secret = settings.server.secrets.get(webhook_id)
        if secret is None:
            raise TheEyeSettingsError(
                f"nothing to trigger webhook {webhook_id} with: connection {hook.theeye_conn_id!r} has no integration "
                "token (password field), no secret for it (extra 'secrets'), and secret= is not given"
            )
    arguments = unchecked_values([] if payload is None else payload, "payload")
    if secret is None:
        hook.run(webhooks.trigger_webhook(webhook_id, arguments))
        return
    if not secret.strip():
        raise TheEyeSettingsError(f"the secret of webhook {webhook_id} is empty")
    mask_secret(secret)
    hook.run(webhooks.trigger_webhook_by_secret(webhook_id, secret, arguments))
