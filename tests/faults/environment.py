"""A private Airflow home for the fault matrix. Airflow reads its environment when it is imported: call this before."""

from __future__ import annotations

import os
from pathlib import Path


def set_up(home: Path) -> None:
    os.environ.update(
        {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
            "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE": "False",
            "NO_PROXY": "127.0.0.1",
        }
    )
