"""The name under which a part of Airflow appears: all run on one machine, and shall be told apart like many."""

from __future__ import annotations

import os

VARIABLE = "THEEYE_TEST_PART"


def of_part() -> str:
    """For Airflow's setting ``hostname_callable``."""
    return os.environ.get(VARIABLE, "localhost")
