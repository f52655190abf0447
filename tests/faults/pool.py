"""Runs cases in processes of their own, several at a time, from a parent that has imported everything already.

The parent has no thread and no open socket, so that forking is safe and costs milliseconds instead of the seconds that
importing Airflow takes.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults import case as one_case
from tests.faults.case import Report
from tests.faults.table import BASELINES, Case

#: Longest time in seconds for one case, its sandbox included.
_LIMIT = 150.0


@dataclass
class _Running:
    case: Case
    folder: Path
    until: float


def run_all(cases: Sequence[Case], folder: Path, at_a_time: int) -> Iterator[Report]:
    """The reports in the order in which the cases end. What the others are compared with is always run, and first."""
    baselines = {kind: BASELINES[kind] for kind in {case.kind for case in cases}}
    answers: dict[str, dict[str, Any]] = {}
    for report in _run(list(baselines.values()), folder, at_a_time, lambda case: None):
        answers[report.kind] = report.answer
        if report.name in {case.name for case in cases}:
            yield report
        elif not report.holds:
            raise RuntimeError(f"an undisturbed run failed: {report.line()}\n{report.log}")
    others = [case for case in cases if case not in baselines.values()]
    # The longest ones first, so that none of them is waited for alone at the end.
    others.sort(key=lambda case: -case.row.seconds - 10.0 * bool(case.row.faults) - 3.0 * case.row.gated)
    yield from _run(others, folder, at_a_time, lambda case: answers[case.kind])


def _run(
    cases: Sequence[Case], folder: Path, at_a_time: int, baseline: Callable[[Case], dict[str, Any] | None]
) -> Iterator[Report]:
    waiting, running = list(cases), dict[int, _Running]()
    try:
        while waiting or running:
            while waiting and len(running) < at_a_time:
                case = waiting.pop(0)
                own = folder / case.name
                own.mkdir(parents=True)
                running[_fork(case, own, baseline(case))] = _Running(case, own, time.monotonic() + _LIMIT)
            for pid in [pid for pid, one in running.items() if _is_over(pid, one)]:
                yield _report(running.pop(pid))
            time.sleep(0.02)
    finally:
        for pid in running:
            _kill(pid)


def _fork(case: Case, folder: Path, baseline: dict[str, Any] | None) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.setsid()
        report = one_case.run(case, folder, baseline)
        (folder / "report.json").write_text(json.dumps(report.to_json()))
        status = 0
    finally:
        os._exit(status)


def _is_over(pid: int, one: _Running) -> bool:
    if os.waitpid(pid, os.WNOHANG)[0]:
        _kill(pid)
        return True
    if time.monotonic() > one.until:
        _kill(pid)
        os.waitpid(pid, 0)
        return True
    return False


def _kill(pid: int) -> None:
    """The case and whatever it may have left: its own process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _report(one: _Running) -> Report:
    written = one.folder / "report.json"
    if written.exists():
        return Report(**json.loads(written.read_text()))
    case = one.case
    return Report(
        case.name, case.kind, case.mode, case.row.name, lost=True, problems=["it did not come to its end in time"]
    )
