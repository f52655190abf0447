"""`airflow dags test` and `airflow tasks test`, ended by Ctrl-C or `kill` while a job runs: no job is left running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_theeye.sandbox import Sandbox
from tests.system.stage import MODES, WORLD
from tools.airflow_env import PrivateAirflow

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("ctrl_c")]

DAGS = """
from airflow.providers.common.compat.sdk import DAG
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator

for mode in ("sync", "deferrable"):
    with DAG(f"tried_{mode}", schedule=None, catchup=False):
        TheEyeTaskOperator(
            task_id="work",
            theeye_task_name="Gated",
            task_arguments=["/no/such/gate"],
            deferrable=mode == "deferrable",
            poll_interval=1,
        )
"""
COMMANDS = {"dags": [], "tasks": ["work"]}


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> PrivateAirflow:
    """With the DAGs in its database, where `airflow tasks test` looks for them."""
    folder = tmp_path_factory.mktemp("tried")
    (folder / "dags").mkdir()
    (folder / "dags" / "tried.py").write_text(DAGS)
    private = PrivateAirflow(home=folder / "airflow", dags_folder=folder / "dags")
    private.home.mkdir()
    private.migrate(folder / "log")
    subprocess.run(["airflow", "dags", "reserialize"], env=private.environment(), check=True, capture_output=True)
    return private


@pytest.fixture
def gated() -> Iterator[Sandbox]:
    with Sandbox(WORLD) as sandbox:
        yield sandbox


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "kill"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_run_that_is_ended_by_a_signal(
    command: str, mode: str, number: int, airflow: PrivateAirflow, gated: Sandbox, tmp_path: Path
) -> None:
    connection = json.dumps(gated.airflow_connection())
    log = tmp_path / "log"
    with log.open("wb") as output:
        running = subprocess.Popen(
            ["airflow", command, "test", f"tried_{mode}", *COMMANDS[command]],
            env={**airflow.environment(), "AIRFLOW_CONN_THEEYE_DEFAULT": connection},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        gated.wait(lambda: "is assigned" in log.read_text(), 120)
        os.kill(running.pid, number)
        running.wait(120)
    finally:
        running.kill()
    (job,) = gated.journal()["jobs"].values()
    assert (job["started"], job["cancelled"]) == (1, 1), log.read_text()
