"""The sandbox as a child process of a program on a machine with its own peculiarities."""

from __future__ import annotations

import urllib.request

import pytest

from airflow_provider_theeye.sandbox import Sandbox


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_no_proxy_stands_between_a_program_and_its_sandbox(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.setattr(urllib.request, "_opener", None)  # urllib reads the environment once
    assert "totals" in sandbox.journal()
