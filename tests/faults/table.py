"""The matrix: one row per point, and what is promised there. Written down from the promises, not from what happens.

Each row is run for a task and a workflow, in a worker and deferrable. All ends in one of three ways: the result of an
undisturbed run, the exception that is named, or stopped by the user. TheEye runs the work ``executions`` times, of
``jobs`` that were made; ``held`` of them were never released and so never ran, ``cancelled`` of them were cancelled,
which was then confirmed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults import reactions as do
from tests.faults.scene import Scene
from tests.faults.task_run import Plan, Reaction

KINDS = ("task", "workflow")
MODES = ("sync", "deferrable")
_TWENTY = 20


@dataclass(frozen=True)
class Row:
    """A point, what happens there, and what is promised.

    :param deferrable_at: instead of ``at`` where the way through the triggerer has another such point.
    :param gated: the script ends only when a reaction lets it.
    :param fails_once: the first script fails.
    :param own_agent: the hosts outlive the server.
    :param workflow_outcome: instead of ``outcome`` for a workflow.
    :param tries: of the task in Airflow; ``deferrable_tries`` if the triggerer's death, which is no try, makes fewer.
    :param left_running: jobs that live on when the task has ended, because nobody can cancel them.
    :param faults: requests that went wrong.
    :param seconds: that it must take at least.
    """

    name: str
    at: Mapping[str, Sequence[Reaction]] = field(default_factory=dict)
    deferrable_at: Mapping[str, Sequence[Reaction]] | None = None
    gated: bool = False
    fails_once: bool = False
    own_agent: bool = False
    modes: tuple[str, ...] = MODES
    sandbox_options: tuple[str, ...] = ()
    retries: int = 2
    clear_after_success: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    connection: Mapping[str, Any] = field(default_factory=dict)
    refusal_seconds: float | None = None
    orphan_seconds: int | None = None
    after_failed_try: Callable[[Scene], None] | None = None
    outcome: str = "success"
    workflow_outcome: str | None = None
    says: str = ""
    tries: int = 1
    deferrable_tries: int | None = None
    executions: int = 1
    jobs: int = 1
    held: int = 0
    cancelled: int = 0
    left_running: int = 0
    faults: int | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Case:
    """A row for one kind and mode."""

    row: Row
    kind: str
    mode: str

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.mode}-{self.row.name.replace(' ', '-')}"

    @property
    def outcome(self) -> str:
        other = self.row.workflow_outcome if self.kind == "workflow" else None
        return other or self.row.outcome

    @property
    def tries(self) -> int:
        other = self.row.deferrable_tries if self.mode == "deferrable" else None
        return other or self.row.tries

    def plan(self) -> Plan:
        row, deferrable = self.row, self.mode == "deferrable"
        at = row.deferrable_at if deferrable and row.deferrable_at is not None else row.at
        options = {"poll_failure_tolerance": 120, **row.options}
        return Plan(
            at=_for_kind(at, self.kind),
            retries=row.retries,
            deferrable=deferrable,
            clear_after_success=row.clear_after_success,
            options=options,
            connection=row.connection,
            refusal_seconds=row.refusal_seconds,
            orphan_seconds=row.orphan_seconds,
            after_failed_try=row.after_failed_try,
        )


def _for_kind(at: Mapping[str, Sequence[Reaction]], kind: str) -> dict[str, Sequence[Reaction]]:
    """``before post/task`` is a point of tasks alone."""
    found = {}
    for point, planned in at.items():
        name, _, only = point.partition("/")
        if only in ("", kind):
            found[name] = planned
    return found


#: What it looks like when TheEye cannot ask its gateway during a POST.
GATEWAY_TROUBLE = {"do": "status", "status": 400, "body": "Invalid members. [undefined]"}


def _post_lost(when: str, **how: Any) -> dict[str, Sequence[Reaction]]:
    rule = {"method": "POST", "when": when, "do": "close", **how}
    return {
        "before post/task": [do.lose(path="/job", **rule)],
        "before post/workflow": [do.lose(path="/workflows/*", **rule)],
    }


def _release_lost(when: str) -> dict[str, Sequence[Reaction]]:
    return {"before release": [do.lose(method="PUT", path="/job/*/synced", when=when, do="close")]}


def _polls(name: str, *, seconds: float = 0.0, connection: Mapping[str, Any] | None = None, **rule: Any) -> Row:
    return Row(
        f"polls {name}, {_TWENTY} in a row",
        {"before look": [do.go_on, do.polls_fail(_TWENTY, **rule)]},
        gated=True,
        connection=connection or {},
        faults=_TWENTY,
        seconds=seconds,
    )


NOTHING = Row("nothing goes wrong")

_SUBMISSION = (
    Row("crash before the POST", {"before post": [do.crash]}, tries=2),
    Row("POST lost before its effect", _post_lost("before"), faults=1),
    Row("POST lost after its effect", _post_lost("after"), jobs=2, held=1, faults=1),
    Row("POST answered 500 after its effect", _post_lost("after", do="status"), jobs=2, held=1, faults=1),
    Row("POST refused, gateway out of reach", _post_lost("before", **GATEWAY_TROUBLE), faults=1),
    Row("crash between POST and store", {"before store": [do.crash]}, tries=2, jobs=2, held=1),
    Row("crash between store and release", {"after store": [do.crash]}, tries=2),
    Row("release lost before its effect", _release_lost("before"), faults=1),
    Row("release lost after its effect", _release_lost("after"), faults=1),
    Row(
        "release under way when its client gives up",
        {"before release": [do.slow_release("overlap")]},
        gated=True,
        connection={"timeout": 2},
        faults=1,
    ),
    Row(
        "TheEye stands still at the release",
        {"before release": [do.slow_release("stall")]},
        gated=True,
        connection={"timeout": 2},
        faults=1,
    ),
    Row(
        "crash while the release is under way",
        {"before release": [do.crash_in_the_release]},
        gated=True,
        tries=2,
        faults=1,
    ),
    Row(
        "Clear while the release of a dead try is under way",
        {"before release": [do.clear_in_the_release], "before post": [do.go_on, do.open_gate]},
        gated=True,
        tries=2,
        executions=2,
        jobs=2,
        cancelled=1,
        faults=1,
    ),
    Row("crash right after release", {"after release": [do.crash]}, tries=2),
    Row(
        "two crashes, before and after store",
        {"before store": [do.crash], "after store": [do.crash]},
        tries=3,
        jobs=2,
        held=1,
    ),
    Row(
        "held job of a dead try, old enough",
        {"before store": [do.crash]},
        orphan_seconds=0,
        tries=2,
        jobs=2,
        cancelled=1,
    ),
    Row("held job cancelled by others before release", {"before release": [do.give_up_held]}, jobs=2, cancelled=1),
    Row(
        "direct: POST lost before its effect",
        _post_lost("before"),
        options={"submission": "direct"},
        outcome="TheEyeSubmissionUnclear",
        says="may or may not have started",
        executions=0,
        jobs=0,
        faults=1,
    ),
    Row("direct: POST lost after its effect", _post_lost("after"), options={"submission": "direct"}, faults=1),
)

_POLLS = (
    _polls("answer 429 with Retry-After", do="status", status=429, headers={"Retry-After": "1"}, seconds=_TWENTY),
    _polls("answer 500", do="status", status=500),
    _polls("answer 503", do="status", status=503),
    _polls("hang", do="hang", connection={"timeout": 1}),
    _polls("end after half a body", do="half_body"),
    _polls("answer HTML", do="html", status=200),
    _polls("answer 404 in HTML", do="html", status=404),
    _polls("find the connection closed", do="close"),
    Row(
        f"its whole document answers 503, {_TWENTY} in a row",
        {"before read": [do.lose(method="GET", path="/demo/job/*", times=_TWENTY, do="status", status=503)]},
        faults=_TWENTY,
    ),
    Row(
        "TheEye out of reach for too long, then a retry",
        {"before look": [do.go_on, do.out_of_reach]},
        gated=True,
        options={"poll_failure_tolerance": 1},
        after_failed_try=lambda scene: (scene.sandbox.clear_faults(), scene.open_gate())[1],
        tries=2,
    ),
)

_WAITING = (
    Row(
        "server killed -9 and restarted mid-job",
        {"after look": [do.kill_server]},
        gated=True,
        own_agent=True,
    ),
    Row(
        "server and hosts killed -9 and restarted",
        {"after look": [do.kill_server]},
        gated=True,
        retries=0,
        outcome="JobTimedOut",
        says="its agent was silent",
    ),
    Row(
        "crash while waiting",
        {"after look": [do.crash_while_working, do.open_gate]},
        deferrable_at={"after look": [do.crash_while_working, do.crash_while_working, do.open_gate]},
        gated=True,
        tries=2,
        deferrable_tries=1,
    ),
    Row(
        "crash while waiting, over by the retry",
        {"after look": [do.crash_and_miss_the_end]},
        gated=True,
        tries=2,
        deferrable_tries=1,
    ),
    Row(
        "trigger moves to another triggerer",
        {"after look": [do.move_while_working, do.open_gate]},
        gated=True,
        modes=("deferrable",),
    ),
    Row(
        "crash between event and resume",
        {"before read": [do.crash]},
        deferrable_at={"resume": [do.crash]},
        tries=2,
    ),
    Row("crash with the end read, before XCom", {"before finish": [do.crash]}, tries=2),
    Row("crash with the value returned, before XCom", {"returned": [do.crash]}, tries=2),
    Row(
        "record deleted before the end was read",
        {"after look": [do.delete_record]},
        gated=True,
        outcome="JobOutcomeUnknown",
        says="has no record of job",
    ),
    Row(
        "record deleted after the end was read",
        {"before finish": [do.delete_record]},
        deferrable_at={"resume": [do.delete_record]},
    ),
    Row(
        "crash, and record deleted before the retry",
        {"after look": [do.crash_and_delete_record]},
        deferrable_at={"before look": [do.open_gate], "resume": [do.crash_and_delete_record]},
        gated=True,
        tries=2,
        outcome="JobOutcomeUnknown",
        says="has no record of job",
    ),
)

_PEOPLE = (
    Row(
        "token revoked midway",
        {"after look": [do.revoke_token]},
        gated=True,
        own_agent=True,
        refusal_seconds=2.0,
        tries=3,
        outcome="TheEyeRefused",
        says="may still be running",
        left_running=1,
    ),
    Row(
        "token revoked and replaced in the connection",
        {"after look": [do.replace_token, do.open_gate]},
        gated=True,
        own_agent=True,
    ),
    Row(
        "host killed",
        {"after look": [do.kill_host]},
        gated=True,
        sandbox_options=("--host-lost-after", "2"),
        retries=0,
        outcome="JobHostLost",
        workflow_outcome="JobCancelled",
        says="its host was lost",
    ),
    Row(
        "user cancels in TheEye",
        {"after look": [do.cancel_by_hand]},
        gated=True,
        retries=0,
        outcome="JobCancelled",
        says="cancelled",
        cancelled=1,
    ),
    Row("job fails and is retried", fails_once=True, tries=2, executions=2, jobs=2),
    Row("Clear after success", clear_after_success=True, tries=2, executions=2, jobs=2),
    Row(
        "Clear while running",
        {"after look": [do.clear_while_working, do.open_gate]},
        gated=True,
        tries=2,
        executions=2,
        jobs=2,
        cancelled=1,
    ),
    Row(
        "Clear while running, crash before the new POST",
        {"after look": [do.clear_while_working, do.open_gate], "before post": [do.go_on, do.crash]},
        gated=True,
        tries=3,
        executions=2,
        jobs=2,
        cancelled=1,
    ),
    Row("Clear of a try that died before release", {"after store": [do.clear]}, tries=2, jobs=2, cancelled=1),
    Row(
        "Clear while running, first cancel has no effect",
        {"after look": [do.clear_with_deaf_server(1), do.open_gate]},
        gated=True,
        tries=2,
        executions=2,
        jobs=2,
        cancelled=1,
        faults=1,
    ),
    Row(
        "Clear while running, no cancel has any effect",
        {"after look": [do.clear_with_deaf_server(None)]},
        gated=True,
        tries=2,
        outcome="TheEyeRefusedNoRetry",
        says="is still assigned",
        left_running=1,
    ),
    Row(
        "user kills the task",
        {"after look": [do.stop_while_working]},
        gated=True,
        outcome="stopped",
        cancelled=1,
    ),
    Row(
        "timeout",
        gated=True,
        retries=0,
        options={"timeout": 4},
        outcome="JobDeadlineExceeded",
        says="It is now terminated/canceled",
        cancelled=1,
    ),
)

ROWS = (NOTHING, *_SUBMISSION, *_POLLS, *_WAITING, *_PEOPLE)


CASES = [Case(row, kind, mode) for row in ROWS for kind in KINDS for mode in row.modes]
#: What the others are compared with.
BASELINES = {case.kind: case for case in CASES if case.row is NOTHING and case.mode == "sync"}
