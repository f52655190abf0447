"""No trigger blocks its loop: a heartbeat beside thirty of them is never late by more than 50 ms.

A connection from an environment variable would hide a blocking look-up, so this one is in Airflow's database.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sealing import seal
from airflow_provider_theeye.triggers.events import TheEyeJobEventTrigger
from airflow_provider_theeye.triggers.searching import TheEyeJobSearchTrigger
from airflow_provider_theeye.triggers.theeye import TheEyeJobTrigger
from airflow_provider_theeye.version_compat import AIRFLOW_3
from tools.airflow_env import ROOT, PrivateAirflow

pytestmark = [
    pytest.mark.slow,  # measures time, which a busy machine stretches
    pytest.mark.usefixtures("connection"),
]

CONNECTION, SECRET_CONNECTION = "theeye_stored", "theeye_stored_secret"
WAITING = 30
LATEST = 0.05
#: A busy machine makes the heartbeat late now and then, a blocking call every time.
CHANCES = 4


@pytest.fixture(scope="module")
def airflow(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> PrivateAirflow:
    """A home whose database has the connections."""
    folder = tmp_path_factory.mktemp("loop")
    settings = {"PYTHONPATH": str(ROOT), "AIRFLOW__CORE__FERNET_KEY": os.environ["AIRFLOW__CORE__FERNET_KEY"]}
    if AIRFLOW_3:
        settings["_AIRFLOW_PROCESS_CONTEXT"] = "server"  # a client would ask an API server
    made = PrivateAirflow(home=folder / "home", settings=settings)
    made.migrate(folder / "log")
    stored = sandbox.airflow_connection()
    secrets = {sandbox.task_id("slow"): sandbox.task_secret("slow")}
    without_token = sandbox.airflow_connection(secrets=secrets) | {"password": ""}
    for name, value in ((CONNECTION, stored), (SECRET_CONNECTION, without_token)):
        made.command("connections", "add", name, "--conn-json", json.dumps(value), log=folder / "log")
    return made


def started(sandbox: Sandbox) -> Iterator[Any]:
    hook = TheEyeHook()
    for _ in range(WAITING):
        yield hook.run(calls.create_job(sandbox.task_id("slow"), []))


def by_token(sandbox: Sandbox) -> list[Any]:
    return [TheEyeJobTrigger(CONNECTION, job.id, poll_interval=0.5) for job in started(sandbox)]


def by_secret(sandbox: Sandbox) -> list[Any]:
    return [TheEyeJobTrigger(SECRET_CONNECTION, job.id, sealed_secret=seal(job.secret)) for job in started(sandbox)]


def by_name(sandbox: Sandbox) -> list[Any]:
    since = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    options = {"theeye_id": sandbox.task_id("slow"), "is_workflow": False, "since": since, "pick": "first"}
    return [TheEyeJobSearchTrigger(CONNECTION, **options, poll_interval=0.5) for _ in range(WAITING)]


def events(sandbox: Sandbox) -> list[Any]:
    options = {"theeye_task_id": sandbox.task_id("slow"), "poll_interval": 0.5}
    return [TheEyeJobEventTrigger(CONNECTION, **options) for _ in range(WAITING)]


def lateness(airflow: PrivateAirflow, sandbox: Sandbox, make: Callable[[Sandbox], list[Any]]) -> float:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.triggers.heartbeat"],
        env=airflow.environment(),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([trigger.serialize() for trigger in make(sandbox)]) + "\n")
        process.stdin.flush()
        for line in process.stdout:
            if line == "waiting\n":
                TheEyeHook().run(calls.create_job(sandbox.task_id("slow"), []))
            elif re.fullmatch(r"[0-9.e-]+\n", line):
                return float(line)
    finally:
        process.kill()
        process.wait()
    raise AssertionError("the triggers did not come to an end")


@pytest.mark.parametrize(
    "make",
    [by_token, by_secret, by_name, pytest.param(events, marks=pytest.mark.skipif(not AIRFLOW_3, reason="Airflow 3"))],
)
def test_the_loop_is_never_blocked(
    make: Callable[[Sandbox], list[Any]], airflow: PrivateAirflow, sandbox: Sandbox
) -> None:
    latest = []
    for _ in range(CHANCES):
        latest.append(lateness(airflow, sandbox, make))
        if latest[-1] < LATEST:
            break
    assert min(latest) < LATEST, latest
