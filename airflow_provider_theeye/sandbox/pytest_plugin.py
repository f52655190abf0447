"""The pytest fixture `theeye_sandbox`: a sandbox for the whole session, and an Airflow connection to it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .process import Sandbox

CONNECTION = "AIRFLOW_CONN_THEEYE_DEFAULT"


@pytest.fixture(scope="session")
def theeye_sandbox() -> Iterator[Sandbox]:
    """A running sandbox with the default world; the connection `theeye_default` leads to it."""
    from .process import Sandbox

    before = os.environ.get(CONNECTION)
    with Sandbox() as sandbox:
        os.environ[CONNECTION] = json.dumps(sandbox.airflow_connection())
        try:
            yield sandbox
        finally:
            if before is None:
                del os.environ[CONNECTION]
            else:
                os.environ[CONNECTION] = before
