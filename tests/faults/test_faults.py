"""The quickest cases of the fault matrix, one of each kind; the whole of it is slow."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.faults.table import CASES, Case

ROOT = Path(__file__).parents[2]
QUICK = (
    "task-sync-POST-lost-after-its-effect",
    "workflow-sync-crash-between-POST-and-store",
    "task-deferrable-crash-between-store-and-release",
    "workflow-deferrable-release-lost-after-its-effect",
    "workflow-deferrable-polls-answer-503,-20-in-a-row",
    "workflow-deferrable-crash-while-waiting",
    "task-deferrable-crash-between-event-and-resume",
    "workflow-sync-crash-with-the-end-read,-before-XCom",
    "task-sync-record-deleted-before-the-end-was-read",
    "workflow-deferrable-user-cancels-in-TheEye",
    "task-sync-job-fails-and-is-retried",
    "task-deferrable-Clear-after-success",
    "workflow-sync-Clear-while-running",
    "task-deferrable-user-kills-the-task",
)
REST = tuple(case.name for case in CASES if case.name not in QUICK)


def reports(names: Sequence[str], folder: Path) -> dict[str, dict[str, Any]]:
    """Run them in a process of their own: this one has threads and sockets, which a fork would tear apart."""
    written = folder / "reports.json"
    command = [sys.executable, "-m", "tests.faults", "--report", str(written), *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert written.exists(), done.stdout + done.stderr
    return {report["name"]: report for report in json.loads(written.read_text())}


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return reports(QUICK, tmp_path_factory.mktemp("quick"))


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return reports(REST, tmp_path_factory.mktemp("rest"))


@pytest.mark.parametrize("name", QUICK)
def test_quick_case(name: str, quick: dict[str, dict[str, Any]]) -> None:
    report = quick[name]
    assert not report["problems"], report["log"]


@pytest.mark.slow
@pytest.mark.parametrize("name", REST)
def test_case(name: str, rest: dict[str, dict[str, Any]]) -> None:
    report = rest[name]
    assert not report["problems"], report["log"]


def test_each_kind_and_mode_is_among_the_quick_cases() -> None:
    chosen: list[Case] = [case for case in CASES if case.name in QUICK]
    assert len(chosen) == len(QUICK)
    assert {(case.kind, case.mode) for case in chosen} == {(case.kind, case.mode) for case in CASES}
