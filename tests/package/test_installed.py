"""The wheel in an environment that has nothing else."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from airflow_provider_theeye import __version__
from tools.airflow_env import PrivateAirflow
from tools.releases import ROOT

pytestmark = pytest.mark.slow

LIGHT = """
import sys
from airflow_provider_theeye import get_provider_info
get_provider_info()
print(sorted({"airflow", "requests", "httpx"} & set(sys.modules)))
"""
EXTRAS_ARE_ABSENT = """
from importlib.util import find_spec
print([name for name in ("pytest", "mypy", "hypothesis") if find_spec(name)])
"""


def run(airflow: PrivateAirflow, *command: str) -> str:
    ended = subprocess.run(
        command, env=airflow.environment(), cwd=airflow.home, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_describing_the_provider_imports_nothing_heavy(installed: PrivateAirflow) -> None:
    assert run(installed, "python", "-c", LIGHT).strip() == "[]"


def test_it_is_the_wheel_that_is_imported(installed: PrivateAirflow) -> None:
    found = run(installed, "python", "-c", "import airflow_provider_theeye; print(airflow_provider_theeye.__file__)")
    assert not Path(found.strip()).is_relative_to(ROOT / "airflow_provider_theeye")
    assert run(installed, "python", "-c", EXTRAS_ARE_ABSENT).strip() == "[]"


def test_airflow_lists_the_provider(installed: PrivateAirflow) -> None:
    listed = json.loads(run(installed, "airflow", "providers", "list", "--output", "json"))
    found = {one["package_name"]: one["version"] for one in listed}
    assert found["airflow-provider-theeye"] == __version__
    hooks = json.loads(run(installed, "airflow", "providers", "hooks", "--output", "json"))
    assert "theeye" in {one["connection_type"] for one in hooks}
