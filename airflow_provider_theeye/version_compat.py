"""Which Airflow this runs on, and where it keeps what it moved; the only place that asks."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow import __version__ as _airflow_version

__all__ = [
    "AIRFLOW_3",
    "HAS_TASK_STATE_STORE",
    "BaseEventTrigger",
    "get_fernet",
    "mask_secret",
]

_VERSION = tuple(int(part) for part in _airflow_version.split(".")[:2])

#: Tasks talk to an API server instead of the database.
AIRFLOW_3 = _VERSION >= (3, 0)
#: Tasks have a store that outlives a try, and triggers are told when a user kills their task.
HAS_TASK_STATE_STORE = _VERSION >= (3, 3)

# What may watch an asset. Airflow 2 has no such watchers, but a module for them must not fail there.
if TYPE_CHECKING or AIRFLOW_3:
    from airflow.triggers.base import BaseEventTrigger
else:
    from airflow.triggers.base import BaseTrigger as BaseEventTrigger


def mask_secret(secret: str) -> None:
    """Have a secret replaced by stars in the logs of this process.

    Of Airflow's own compatibility library only the newest releases know this, which would shut out Airflow 3.1 and 3.2
    with the libraries of their time.
    """
    if _VERSION >= (3, 1):
        module = "airflow.sdk.log"
    elif AIRFLOW_3:
        module = "airflow.sdk.execution_time.secrets_masker"
    else:
        module = "airflow.utils.log.secrets_masker"
    import_module(module).mask_secret(secret)


def get_fernet() -> Any:
    """Airflow's own encryption, with the key that workers and triggerers share."""
    module = "airflow.sdk.crypto" if _VERSION >= (3, 2) else "airflow.models.crypto"
    return import_module(module).get_fernet()
