"""The calls for incoming webhooks: an address by which somebody sets off whatever TheEye has attached to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_theeye.api.call import Call
from airflow_provider_theeye.api.errors import InvalidRequest
from airflow_provider_theeye.api.ids import is_id

__all__ = ["trigger_webhook", "trigger_webhook_by_secret"]


def trigger_webhook(webhook_id: str, arguments: Sequence[Any]) -> Call[None]:
    """Set off a webhook with the token (role admin). TheEye does not say which jobs it starts."""
    return Call(
        "POST",
        "/{customer}/webhook/{id}/trigger",
        _nothing,
        ids={"id": _id(webhook_id)},
        body=list(arguments),
    )


def trigger_webhook_by_secret(webhook_id: str, secret: str, arguments: Sequence[Any]) -> Call[None]:
    """Set off a webhook by its secret."""
    return Call(
        "POST",
        "/{customer}/webhook/{id}/trigger/secret/{secret}",
        _nothing,
        ids={"id": _id(webhook_id)},
        keys={"secret": secret},
        body=list(arguments),
        with_token=False,
    )


def _id(value: str) -> str:
    if not is_id(value):
        raise InvalidRequest(f"{value!r} is not the id of a webhook: 24 hexadecimal digits are expected")
    return value


def _nothing(data: Any) -> None:
    """TheEye's documentation does not describe the answer."""
