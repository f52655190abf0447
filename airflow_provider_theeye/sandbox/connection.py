"""An Airflow connection to a sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


def airflow_connection(
    url: str, organization: str, token: str, secrets: Mapping[str, str], extra: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """As the JSON of `AIRFLOW_CONN_…` has it. Links lead to the sandbox's pages."""
    return {
        "conn_type": "theeye",
        "host": url,
        "schema": organization,
        "password": token,
        "extra": {"web_url": f"{url}/jobs/{{job_id}}", "secrets": dict(secrets), **extra},
    }
