"""From an Airflow connection to the settings of a client."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_theeye.api.ids import is_id
from airflow_provider_theeye.api.settings import DEFAULT_URL, ServerSettings, base_url
from airflow_provider_theeye.exceptions import TheEyeSettingsError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

__all__ = ["ConnectionSettings", "check_secret", "settings_of"]

#: TheEye's hosted service has its web UI here.
_HOSTED_WEB_URL = "https://app.theeye.io"
_SECRET = re.compile(r"[0-9a-zA-Z]{64}")
_SUBMISSIONS = ("held", "direct")
_KNOWN_EXTRA = ("secrets", "verify", "timeout", "web_url", "submission")


@dataclass(frozen=True)
class ConnectionSettings:
    """What a connection says.

    :param server: for the client.
    :param web_url: of TheEye's web UI, ``None`` if unknown.
    :param submission: ``held`` or ``direct``, see the operators.
    """

    server: ServerSettings
    web_url: str | None = None
    submission: str = "held"


def settings_of(connection: Connection) -> ConnectionSettings:
    """Read a connection of type ``theeye``.

    :raises TheEyeSettingsError: naming the field that is wrong and what it should hold.
    """
    name = f"connection {connection.conn_id!r}"
    extra = _extra(connection.extra, name)
    organization = (connection.schema or "").strip()
    if not organization:
        raise TheEyeSettingsError(f"{name} has no organization: put its name into the schema field")
    try:
        url = base_url(connection.host, connection.port)
    except ValueError as error:
        raise TheEyeSettingsError(f"{name}: {error}") from None
    token = (connection.password or "").strip() or None
    if token and any(character.isspace() or not character.isprintable() for character in token):
        raise TheEyeSettingsError(f"{name}: the integration token (password field) holds white space")
    secrets = _secrets(extra.get("secrets"), name)
    submission = extra.get("submission") or "held"
    if submission not in _SUBMISSIONS:
        raise TheEyeSettingsError(f"{name}: extra 'submission' must be one of {', '.join(_SUBMISSIONS)}")
    web_url = str(extra.get("web_url") or "").strip() or (_HOSTED_WEB_URL if url == DEFAULT_URL else None)
    server = ServerSettings(
        url=url,
        organization=organization,
        token=token,
        secrets=secrets,
        verify=_verify(extra.get("verify"), name),
        read_timeout=_timeout(extra.get("timeout"), name),
    )
    return ConnectionSettings(server, web_url, submission)


def check_secret(secret: Any, whose: str) -> str:
    """:raises TheEyeSettingsError: if this cannot be a secret key; the message does not repeat it."""
    if not isinstance(secret, str) or not _SECRET.fullmatch(secret):
        length = len(secret) if isinstance(secret, str) else 0
        raise TheEyeSettingsError(
            f"the secret key of {whose} is not valid: 64 letters and digits are expected, it has {length} characters"
        )
    return secret


def _extra(text: str | None, name: str) -> dict[str, Any]:
    try:
        extra = json.loads(text) if text else {}
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise TheEyeSettingsError(f"{name}: the extra field is no JSON object")
    unknown = [key for key in extra if key not in _KNOWN_EXTRA and not key.startswith(("extra__", "__"))]
    if unknown:
        raise TheEyeSettingsError(
            f"{name}: extra has the unknown key {unknown[0]!r}; known are {', '.join(_KNOWN_EXTRA)}"
        )
    return extra


def _secrets(value: Any, name: str) -> dict[str, str]:
    if value in (None, ""):
        return {}
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    if not isinstance(value, dict):
        raise TheEyeSettingsError(f"{name}: extra 'secrets' must be an object of task or workflow ids and secret keys")
    for ident, secret in value.items():
        if not is_id(ident):
            raise TheEyeSettingsError(
                f"{name}: extra 'secrets' has the key {ident!r}, which is not an id of 24 hex digits"
            )
        check_secret(secret, f"{ident} in {name}")
    return value


def _verify(value: Any, name: str) -> bool | str:
    if value is None or value == "":
        return True
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower(), value.strip())
    raise TheEyeSettingsError(f"{name}: extra 'verify' must be true, false or the path of a CA bundle")


def _timeout(value: Any, name: str) -> float:
    if value in (None, ""):
        return ServerSettings.read_timeout
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = 0.0
    if isinstance(value, bool) or not 0 < seconds < 3600:
        raise TheEyeSettingsError(
            f"{name}: extra 'timeout' must be a number of seconds between 0 and 3600, not {value!r}"
        )
    return seconds
