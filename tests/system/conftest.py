"""A real Airflow and a real sandbox, started once for all system tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_theeye.sandbox import Sandbox
from tests.system.stage import Stage
from tools.airflow_env import CONNECTION_ID, PrivateAirflow, sandbox_connection
from tools.standalone import Standalone


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """A TheEye that runs its scripts."""
    with Sandbox() as running:
        yield running


@pytest.fixture(scope="session")
def airflow(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    """`airflow standalone` with the example DAGs and a connection to the sandbox.

    The connection is in Airflow's database, as a user's is. From an environment variable it could be had without any
    call, which would hide a blocking look-up on the triggerer's event loop.
    """
    with Standalone(PrivateAirflow(home=tmp_path_factory.mktemp("airflow"))) as standalone:
        standalone.api.put_connection(CONNECTION_ID, sandbox_connection(sandbox))
        yield standalone


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Another pair of them, whose waits may be disturbed. What ends parts of Airflow puts new ones in their place."""
    with Stage(tmp_path_factory.mktemp("stage")).running() as running:
        yield running
