"""The Airflow releases that we promise to work with, and the rows of the matrix in which that is tried."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "constraints"

#: Each Airflow and the day as of which its libraries are taken. Airflow sets few upper bounds, so a release breaks with
#: libraries that are younger than it is; for those with ``None`` today's still do.
AIRFLOW_RELEASES: dict[str, str | None] = {
    "2.11.2": None,
    "3.0.6": "2025-09-10",
    "3.1.8": "2026-04-01",
    "3.2.2": "2026-06-15",
    "3.3.2": None,
}
OLDEST_AIRFLOW = "2.11.2"
NEWEST_AIRFLOW = "3.3.2"
#: The Python for which the pins are made. Other Pythons get the same, as far as these exist there.
PINNED_PYTHON = "3.11"


@dataclass(frozen=True)
class Row:
    """One environment of the matrix."""

    name: str
    airflow: str
    python: str
    constraints: Path
    system_tests: tuple[str, ...] = ()


def constraints_for(airflow: str) -> Path:
    return CONSTRAINTS / f"airflow-{airflow}.txt"


#: The least that pyproject.toml allows of what we depend on, with the oldest Airflow and the libraries of its time.
LOWEST_CONSTRAINTS = CONSTRAINTS / "lowest.txt"
LOWEST_AS_OF = "2026-04-15"

#: Those that get a real scheduler and triggerer too, and what is tried there. The newest has more such tests, see
#: `make test-slow`.
SYSTEM_TESTS = {
    "2.11.2": ("tests/system/test_old_airflows.py",),
    "3.0.6": ("tests/system/test_old_airflows.py",),
    "3.3.2": ("tests/system/test_example_dags.py", "tests/system/test_asset_events.py"),
}

ROWS: tuple[Row, ...] = (
    *(
        Row(airflow, airflow, PINNED_PYTHON, constraints_for(airflow), SYSTEM_TESTS.get(airflow, ()))
        for airflow in AIRFLOW_RELEASES
    ),
    *(
        Row(f"{NEWEST_AIRFLOW}-py{python}", NEWEST_AIRFLOW, python, constraints_for(NEWEST_AIRFLOW))
        for python in ("3.12", "3.13")
    ),
    Row("lowest", OLDEST_AIRFLOW, PINNED_PYTHON, LOWEST_CONSTRAINTS),
)
QUICK_ROWS = ("2.11.2", "3.0.6")
