"""Which Airflow this runs on; the only place that asks."""

from __future__ import annotations

from airflow import __version__ as _airflow_version

__all__ = ["AIRFLOW_3", "HAS_TASK_STATE_STORE"]

_VERSION = tuple(int(part) for part in _airflow_version.split(".")[:2])

#: Tasks talk to an API server instead of the database.
AIRFLOW_3 = _VERSION >= (3, 0)
#: Tasks have a store that outlives a try, and triggers are told when a user kills their task.
HAS_TASK_STATE_STORE = _VERSION >= (3, 3)
