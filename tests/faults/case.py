"""Runs one case and compares what happened with what is promised."""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.scene import Run, Scene
from tests.faults.table import Case
from tests.faults.task_run import Outcome, TaskRun
from tests.faults.tries import PROCESS_BEGINS

#: What differs from run to run.
_OWN = ("job_id", "url", "server", "seconds")
_ID = re.compile(r"[0-9a-f]{24}")
#: The part of the task's log that comes from TheEye's end of the job.
_SAID = re.compile(r"(?:\[theeye\] .*|step '.* ended with.*|TheEye job .* succeeded.*)")


@dataclass
class Report:
    """What a case brought.

    :param problems: a sentence for each broken promise.
    :param answer: the XComs and the remote log as handed over, without ids, to be compared between cases.
    """

    name: str
    kind: str
    mode: str
    point: str
    found: str = ""
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    started_twice: bool = False
    lost: bool = False
    left_running: bool = False
    answer: dict[str, Any] = field(default_factory=dict)
    log: str = ""

    @property
    def holds(self) -> bool:
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def line(self) -> str:
        verdict = "holds" if self.holds else "BROKEN: " + "; ".join(self.problems)
        return f"{self.kind:8} {self.mode:10} {self.point:46} {self.found:74} {self.seconds:5.1f} s  {verdict}"


def run(case: Case, folder: Path, baseline: dict[str, Any] | None) -> Report:
    """:param baseline: the answer of an undisturbed run of the same kind; ``None`` to make one."""
    report = Report(case.name, case.kind, case.mode, case.row.name)
    began = time.monotonic()
    row = case.row
    try:
        with Scene(folder, case.kind, own_agent=row.own_agent, sandbox_options=row.sandbox_options) as scene:
            if not row.gated:
                scene.open_gate()
            if row.fails_once:
                scene.fail_once()
            outcome = TaskRun(scene, case.plan()).to_its_end()
            report.seconds = time.monotonic() - began
            running = scene.still_running()
            scene.settle()
            report.answer = _answer(outcome, scene)
            _compare(report, case, outcome, scene, running)
    except Exception as error:
        report.lost = True
        report.problems.append(f"the case itself failed: {type(error).__name__}: {error}")
    if baseline is not None and not report.problems and case.outcome == "success" and report.answer != baseline:
        report.lost = True
        report.problems.append(f"not the answer of an undisturbed run: {report.answer} instead of {baseline}")
    log = folder / "log"
    report.log = log.read_text(errors="replace") if report.problems and log.exists() else ""
    return report


def _compare(report: Report, case: Case, outcome: Outcome, scene: Scene, running: int) -> None:
    row, runs = case.row, scene.runs()
    executions = sum(run.started > 0 for run in runs)
    held = sum(run.live > 0 and not run.steps_started and run.lifecycle == "syncing" for run in runs)
    live = sum(run.live > 0 for run in runs) - held
    cancelled = sum(run.cancelled for run in runs)
    report.found = ", ".join(
        [
            outcome.word,
            f"ran {executions} of {row.executions}",
            f"jobs {len(runs)}",
            *([f"held {held}, never ran"] if held else []),
            *([f"cancelled {cancelled}"] if cancelled else []),
            f"tries {outcome.tries}",
            *([f"kills {outcome.crashes}"] if outcome.crashes else []),
            *([f"left running {running}"] if running else []),
        ]
    )
    report.started_twice = executions > row.executions or any(run.started_twice for run in runs)
    report.lost = executions < row.executions or outcome.word != case.outcome or row.says not in outcome.message
    report.left_running = live > 0 or running > row.left_running
    expected = [
        ("outcome", outcome.word, case.outcome),
        ("executions", executions, row.executions),
        ("jobs", len(runs), row.jobs),
        ("held and never released", held, row.held),
        ("cancelled", cancelled, row.cancelled),
        ("tries", outcome.tries, case.tries),
        ("left running", running, row.left_running),
        ("never over", live, 0),
        ("points that were never reached", outcome.unused, ()),
    ]
    if row.faults is not None:
        expected.append(("requests that went wrong", scene.faults_fired, row.faults))
    report.problems += [f"{what}: {found} instead of {wanted}" for what, found, wanted in expected if found != wanted]
    report.problems += _scripts(case, runs)
    if row.says not in outcome.message:
        report.problems.append(f"the message does not say {row.says!r}: {outcome.message}")
    elif outcome.word not in ("success", case.outcome):
        report.problems.append(outcome.message)
    if report.seconds < row.seconds:
        report.problems.append(f"over after {report.seconds:.1f} s, before TheEye allowed")


def _scripts(case: Case, runs: list[Run]) -> list[str]:
    """Every script of an execution starts once: one of a task, two of the workflow."""
    whole = 1 if case.kind == "task" else 2
    problems = [f"a script was started twice ({run})" for run in runs if run.started_twice]
    return problems + [
        f"{run.steps_started} scripts started instead of {whole}"
        for run in runs
        if run.started and run.steps_started != whole
    ]


def _answer(outcome: Outcome, scene: Scene) -> dict[str, Any]:
    """What users see of a success, in XCom and in the log of the process that handed it over."""
    text = json.dumps(outcome.xcoms).replace(scene.gate, "GATE")
    log = (scene.folder / "log").read_text(errors="replace").replace(scene.gate, "GATE")
    last = log.rpartition(PROCESS_BEGINS)[2]
    return {"xcoms": _without_own(json.loads(text)), "log": _SAID.findall(_ID.sub("ID", last))}


def _without_own(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_own(one) for key, one in value.items() if key not in _OWN}
    return [_without_own(one) for one in value] if isinstance(value, list) else value
