"""Carrying a job's own secret through Airflow's database.

A trigger's arguments are stored, shown by the API and written to logs, and before Airflow 3.3 nothing encrypts them. A
wait without a token needs the job's secret, so it travels encrypted with Airflow's own Fernet key, which workers and
triggerers share anyway to read connections. Without such a key nothing is sealed, and the operator waits in the worker.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_theeye.version_compat import get_fernet

__all__ = ["seal", "unseal"]


def seal(secret: str) -> str | None:
    """The secret as a text that only holders of Airflow's Fernet key can read; ``None`` if there is no such key."""
    try:
        fernet = get_fernet()
    except AirflowException:  # the key is not one
        return None
    if not fernet.is_encrypted:
        return None
    sealed: bytes = fernet.encrypt(secret.encode())
    return sealed.decode()


def unseal(sealed: str) -> str:
    opened: bytes = get_fernet().decrypt(sealed.encode())
    return opened.decode()
