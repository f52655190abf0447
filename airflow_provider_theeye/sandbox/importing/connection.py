"""Which account is meant: an Airflow connection as a URI, as JSON, or by its name in the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_theeye.api.settings import ServerSettings

from .report import ImportRefused

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

OPTION = "--import-from"
_NAME = re.compile(r"[\w.-]+")


def server_settings(given: str, environment: Mapping[str, str]) -> ServerSettings:
    """Read with Airflow's own class and the provider's own rules; neither needs Airflow's database.

    :raises ImportRefused: without repeating what was given, which holds the token.
    """
    name, text = _text(given.strip(), environment)
    # Airflow takes seconds to import, and a sandbox that only serves does without it.
    from airflow_provider_theeye.exceptions import TheEyeSettingsError
    from airflow_provider_theeye.hooks.connection import settings_of

    connection = _connection(name, text)
    if connection.conn_type != "theeye":
        raise ImportRefused(f"connection {name!r} is of the type {connection.conn_type!r}, not 'theeye'")
    try:
        settings = settings_of(connection).server
    except TheEyeSettingsError as error:
        raise ImportRefused(str(error)) from None
    if settings.token is None:
        raise ImportRefused(
            f"connection {name!r} has no integration token (password field); secret keys alone do not show what "
            "an account holds"
        )
    return settings


def _text(given: str, environment: Mapping[str, str]) -> tuple[str, str]:
    if given.startswith("{") or "://" in given:
        return OPTION, given
    variable = f"AIRFLOW_CONN_{given.upper()}"
    if not _NAME.fullmatch(given):
        raise ImportRefused(f"{OPTION} wants a connection's URI (theeye://…), its JSON, or its name")
    if not environment.get(variable):
        raise ImportRefused(f"there is no connection {given!r}: the environment has no {variable}")
    return given, environment[variable].strip()


def _connection(name: str, text: str) -> Connection:
    from airflow.providers.common.compat.sdk import Connection

    kind: Any = Connection
    try:
        if text.startswith("{"):
            found: Connection = kind.from_json(text, conn_id=name)
        elif hasattr(kind, "from_uri"):
            found = kind.from_uri(text, conn_id=name)
        else:  # Airflow 2
            found = kind(conn_id=name, uri=text)
    except Exception:
        # Of many kinds, and their messages repeat the token.
        form = "JSON" if text.startswith("{") else "URI (user and password must be percent-encoded)"
        raise ImportRefused(f"connection {name!r} cannot be read: it is no Airflow connection as {form}") from None
    if not isinstance(found.extra, str | None):
        raise ImportRefused(f"connection {name!r}: the extra field is no JSON object")
    return found
