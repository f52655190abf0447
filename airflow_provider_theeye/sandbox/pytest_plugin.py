"""The pytest fixture `theeye_sandbox`: a sandbox as new for each test, and an Airflow connection to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .process import Sandbox

CONNECTION = "AIRFLOW_CONN_THEEYE_DEFAULT"


@pytest.fixture(scope="session")
def _theeye_sandbox_of_the_session() -> Iterator[Sandbox]:
    """Starting one takes a second, so all tests have the same."""
    from .process import Sandbox

    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def theeye_sandbox(_theeye_sandbox_of_the_session: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A running sandbox with the default world and without jobs; the connection `theeye_default` leads to it."""
    from .process import SandboxError

    sandbox = _theeye_sandbox_of_the_session
    try:
        sandbox.reset()
    except (SandboxError, OSError):  # the test before has ended it
        sandbox.restart()
    monkeypatch.setenv(CONNECTION, json.dumps(sandbox.airflow_connection()))
    return sandbox
