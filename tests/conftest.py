"""What all tests share: a private Airflow home, a sandbox, and connections to it."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hypothesis
import pytest

# Airflow reads its environment when it is imported, so this comes before any test module.
_HOME = Path(tempfile.mkdtemp(prefix="airflow-home-"))
os.environ.update(
    {
        "AIRFLOW_HOME": str(_HOME),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(_HOME / "dags"),
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__CORE__FERNET_KEY": "c2FuZGJveC1zYW5kYm94LXNhbmRib3gtc2FuZGJveC0=",
        "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE": "False",
    }
)

from airflow_provider_theeye.jobs import deferral  # noqa: E402
from airflow_provider_theeye.sandbox import Sandbox  # noqa: E402
from airflow_provider_theeye.version_compat import AIRFLOW_3  # noqa: E402

# A busy machine may take its time for one example.
hypothesis.settings.register_profile("any-machine", deadline=None)
hypothesis.settings.load_profile("any-machine")

WORLD = Path(__file__).parent / "world.yaml"


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """A TheEye of our own, with a runner, holding ``tests/world.yaml``."""
    # A cancelled script runs on, so tests leave some behind.
    with Sandbox(WORLD, extra_args=["--scripts", "200"]) as running:
        yield running


@pytest.fixture(autouse=True)
def deferred_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most tests of deferred tasks have jobs that a worker would not defer."""
    monkeypatch.setattr(deferral, "PATIENCE", 0.0)


@pytest.fixture(autouse=True)
def threads_execute_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow 2 keeps by thread who may execute operators, and knows of nobody in the threads of tests."""
    if not AIRFLOW_3:
        from airflow.models.baseoperator import ExecutorSafeguard

        monkeypatch.setattr(ExecutorSafeguard, "_sentinel", SimpleNamespace(callers={}))


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Has this process, and those that it starts, hear SIGINT, which a shell's background processes ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def journal(sandbox: Sandbox) -> Iterator[Sandbox]:
    """The sandbox with an empty journal and no faults."""
    sandbox.clear_faults()
    sandbox.reset_journal()
    yield sandbox
    sandbox.clear_faults()


@pytest.fixture
def connection(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> str:
    """Id of a connection with an integration token and the secret keys of two tasks."""
    secrets = {
        sandbox.task_id("hello"): sandbox.task_secret("hello"),
        sandbox.workflow_id("chain"): sandbox.workflow_secret("chain"),
    }
    web_url = f"{sandbox.url}/jobs/{{job_id}}"
    value = sandbox.airflow_connection(secrets=secrets, web_url=web_url)
    monkeypatch.setenv("AIRFLOW_CONN_THEEYE_DEFAULT", json.dumps(value))
    return "theeye_default"


@pytest.fixture
def secret_connection(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> str:
    """Id of a connection with secret keys and no token."""
    keys = ("hello", "greet", "broken", "slow", "ask", "big", "endless")
    secrets = {sandbox.task_id(key): sandbox.task_secret(key) for key in keys}
    secrets |= {sandbox.workflow_id("chain"): sandbox.workflow_secret("chain")}
    value = sandbox.airflow_connection(secrets=secrets) | {"password": ""}
    monkeypatch.setenv("AIRFLOW_CONN_THEEYE_SECRET", json.dumps(value))
    return "theeye_secret"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal is tolerated for two seconds instead of a minute."""
    from airflow_provider_theeye.jobs.waiting import WaitRules

    init = WaitRules.__init__

    def changed(self: WaitRules, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **{"refusal_seconds": 2.0, **kwargs})

    monkeypatch.setattr(WaitRules, "__init__", changed)
