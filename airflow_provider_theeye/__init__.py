"""Apache Airflow provider for TheEye (theeye.io)."""

from __future__ import annotations

from typing import Any

__all__ = ["__version__", "get_provider_info"]

__version__ = "0.1.0"


def get_provider_info() -> dict[str, Any]:
    """Describe this provider to Airflow (entry point ``apache_airflow_provider``).

    Airflow calls this in every process, so the description is imported only when it is asked for.
    """
    from airflow_provider_theeye.provider_info import PROVIDER_INFO

    return {**PROVIDER_INFO, "versions": [__version__]}
