"""Whatever TheEye answers in whatever order, a wait in a worker and one in the triggerer come to the same end."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_theeye.api.call import Call
from airflow_provider_theeye.api.errors import (
    AuthenticationFailed,
    Forbidden,
    NoAnswer,
    RateLimited,
    TheEyeError,
    Unavailable,
    UnexpectedReply,
)
from airflow_provider_theeye.api.models import Task
from airflow_provider_theeye.api.settings import Place
from airflow_provider_theeye.exceptions import TheEyeJobError
from airflow_provider_theeye.handover import Handover
from airflow_provider_theeye.hooks import wait as wait_module
from airflow_provider_theeye.jobs import clocks, procedures
from airflow_provider_theeye.jobs.handling import Handling, HandlingRules
from airflow_provider_theeye.jobs.reading import Ended
from airflow_provider_theeye.jobs.result import host_of
from airflow_provider_theeye.jobs.verdict import Judgement, Strictness, judge_whole
from airflow_provider_theeye.jobs.waiting import End, JobWatch, WaitRules
from airflow_provider_theeye.triggers import outage
from airflow_provider_theeye.triggers import shared_client as shared_client_module
from airflow_provider_theeye.triggers import watcher as watcher_module
from airflow_provider_theeye.triggers.shared_client import SharedClient
from airflow_provider_theeye.triggers.theeye import JobEvent, TheEyeJobTrigger
from tests.faults.scripted import EPOCH, Clock, Moment, Script, VirtualLoop
from tests.jobs.documents import ident, report, row

JOB, WORKFLOW = ident(1), ident(900)
ON_HOST_A = Task(ident(800), hostname="host-a", host_id=ident(700))


@dataclass(frozen=True)
class Found:
    """What a wait came to.

    :param handed_over: the task's XCom, or its exception, if a failed job's result is returned.
    :param problem: of a wait that TheEye's answers ended; elsewhere nobody is told.
    """

    end: End
    judgement: Judgement | None
    document: dict[str, Any] | None
    handed_over: Any
    problem: str | None
    notes: list[str]


# --- both ways -----------------------------------------------------------------------------------------------------


class Notes(list[str]):
    """What goes to the task's log meanwhile."""

    def info(self, message: str) -> None:
        self.append(message)


@dataclass
class ScriptedHook:
    script: Script
    log: Notes

    def run(self, call: Call[Any], **options: Any) -> Any:
        return self.script.answer(call)

    def refresh(self) -> bool:
        return False


@dataclass
class ScriptedClient:
    script: Script

    async def run(self, call: Call[Any], **options: Any) -> Any:
        return self.script.answer(call)

    async def close(self) -> None:
        pass


def in_worker(history: list[Moment], rules: WaitRules, is_workflow: bool) -> Found:
    script, clock, notes = Script(history), Clock(), Notes()
    watch = JobWatch(JOB, rules, is_workflow=is_workflow)
    with pytest.MonkeyPatch.context() as patch:
        for module in (wait_module, procedures, clocks):
            patch.setattr(module, "time", clock)
        end, ended = wait_module.wait(ScriptedHook(script, notes), watch)  # type: ignore[arg-type]
    return _found(end, ended, str(watch.error) if watch.error else None, notes)


def in_triggerer(history: list[Moment], rules: WaitRules, is_workflow: bool) -> Found:
    script, clock, notes = Script(history), Clock(), Notes()

    async def opened(shared: SharedClient) -> ScriptedClient:
        shared._client = shared._client or ScriptedClient(script)  # type: ignore[assignment]
        return shared._client  # type: ignore[return-value]

    async def unread(*where: Any) -> None:
        """The connection need not be read: the client is there."""

    async def unchanged(shared: SharedClient, refused: Any) -> bool:
        return False

    trigger = TheEyeJobTrigger(
        "theeye_default",
        JOB,
        is_workflow=is_workflow,
        poll_interval=rules.poll_interval,
        deadline=rules.deadline,
        queue_deadline=rules.queue_deadline,
        max_failures=rules.max_failures,
        failure_seconds=rules.failure_seconds,
        targets=sorted(rules.targets),
    )
    loop = VirtualLoop(clock)
    with pytest.MonkeyPatch.context() as patch:
        for module in (watcher_module, shared_client_module, outage, clocks):
            patch.setattr(module, "time", clock)
        # Waiting triggers keep out of each other's step; one alone need not.
        patch.setattr(watcher_module.random, "uniform", lambda low, high: high)
        patch.setattr(watcher_module, "where_to", unread)
        patch.setattr(SharedClient, "get", opened)
        patch.setattr(SharedClient, "_renew", unchanged)
        patch.setattr(TheEyeJobTrigger, "log", notes)
        try:
            payload = loop.run_until_complete(_first_event(trigger))
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
    event = JobEvent.parse(json.loads(json.dumps(payload)))
    return _found(event.end, Ended.parse(event.ended) if event.ended else None, event.problem, notes)


async def _first_event(trigger: TheEyeJobTrigger) -> Any:
    async for event in trigger.run():
        return event.payload
    raise AssertionError("the trigger ended without an event")


def _found(end: End, ended: Ended | None, problem: str | None, notes: Notes) -> Found:
    judgement = judge_whole(ended, Strictness()) if ended is not None else None
    document = ended.document() if ended is not None else None
    handed_over = _handed_over(ended) if ended is not None else None
    return Found(
        end, judgement, document, handed_over, problem if end in (End.UNREACHABLE, End.REFUSED) else None, notes
    )


def _handed_over(ended: Ended) -> Any:
    handover = Handover(
        {},
        Place("http://here", "demo"),
        logging.getLogger("theeye.test"),
        "https://app.example",
        Strictness(),
        handling=HandlingRules(Handling.RETURN, frozenset({2})),
        hosts_of=lambda jobs: {job.id: host_of(job, ON_HOST_A) or "" for job in jobs},
    )
    try:
        return handover.finish(ended)
    except (TheEyeJobError, AirflowSkipException) as error:
        return type(error), str(error)


# --- histories -----------------------------------------------------------------------------------------------------

TRANSIENT = st.one_of(
    st.just(NoAnswer("connection closed")),
    st.builds(lambda seconds: Unavailable("trouble", status=503, retry_after=seconds), st.sampled_from([None, 40])),
    st.just(UnexpectedReply("the answer is no JSON")),
    st.builds(lambda seconds: RateLimited("slowly", status=429, retry_after=seconds), st.sampled_from([None, 3, 40])),
)
ERRORS: st.SearchStrategy[TheEyeError] = st.one_of(
    TRANSIENT, TRANSIENT, TRANSIENT, st.just(AuthenticationFailed("unknown", status=401)), st.just(Forbidden("no"))
)
NO_ERROR: st.SearchStrategy[TheEyeError | None] = st.none()
MOSTLY_FINE = st.one_of(NO_ERROR, NO_ERROR, NO_ERROR, TRANSIENT)

LIVE = st.sampled_from(["ready", "assigned", "onhold", "syncing"])
ENDS = st.sampled_from(
    [
        ("finished", "success", report()),
        ("finished", "success", report(1, "Traceback\nValueError: bad\n")),
        ("finished", "failure", report(2, "disk is full\nfailure\n")),
        ("terminated", "timeout", report(None, killed=True, signal="SIGTERM")),
        ("terminated", "canceled", None),
        ("canceled", "canceled", {"user": {"email": "someone@example.org"}}),
        ("terminated", "error", None),
    ]
)


def _document(number: int, how: Any, **more: Any) -> dict[str, Any]:
    more |= {"host": {"id": ident(701), "hostname": "host-b"} if number == 10 else ident(700)}
    if isinstance(how, str):
        return row(number, how, **more)
    lifecycle, state, result = how
    return row(number, lifecycle, state, **more, **({"result": result, "output": ['"x"']} if result else {}))


STEPS = st.lists(st.one_of(LIVE, ENDS), max_size=3).map(
    lambda hows: tuple(
        _document(number, how, workflow_job_id=JOB, workflow_id=WORKFLOW) for number, how in enumerate(hows, 10)
    )
)
RUN = {"_type": "WorkflowJob", "workflow_id": WORKFLOW}
TASK_MOMENT = st.builds(
    Moment,
    row=st.one_of(LIVE, LIVE, ENDS).map(lambda how: _document(1, how)),
    listed=st.sampled_from([True, True, True, False]),
    error=MOSTLY_FINE,
    read_error=MOSTLY_FINE,
)
RUN_MOMENT = st.builds(
    Moment,
    row=st.one_of(LIVE, st.just("started"), st.just("started"), ENDS).map(lambda how: _document(1, how, **RUN)),
    steps=STEPS,
    listed=st.sampled_from([True, True, True, False]),
    error=MOSTLY_FINE,
    steps_error=MOSTLY_FINE,
    read_error=MOSTLY_FINE,
)
TROUBLE = ERRORS.map(lambda error: Moment(row=row(1), error=error))
GONE = st.just(Moment())


def histories(moment: st.SearchStrategy[Moment]) -> st.SearchStrategy[list[Moment]]:
    """Moments, some of which last for several polls."""
    lasting = st.tuples(st.one_of(moment, moment, moment, TROUBLE, GONE), st.sampled_from([1, 1, 1, 2, 5, 15]))
    return st.lists(lasting, min_size=1, max_size=8).map(
        lambda parts: [one for one, times in parts for _ in range(times)]
    )


RULES = st.builds(
    WaitRules,
    poll_interval=st.sampled_from([0.3, 2.0, 10.0]),
    deadline=st.sampled_from([20.0, 90.0, 400.0]).map(lambda seconds: EPOCH + seconds),
    queue_deadline=st.sampled_from([None, 5.0, 60.0]).map(lambda seconds: seconds and EPOCH + seconds),
    max_failures=st.sampled_from([0, 3, 10]),
    failure_seconds=st.sampled_from([0.0, 15.0, 120.0]),
    targets=st.sampled_from([frozenset(), frozenset(), frozenset({"assigned"})]),
)


@pytest.mark.parametrize("wait", [in_worker, in_triggerer])
def test_a_document_that_can_never_be_read_is_given_up(wait: Callable[..., Found]) -> None:
    history = [Moment(row=row(1, "finished"), read_error=UnexpectedReply("cut short"))]
    found = wait(history, WaitRules(), False)
    assert (found.end, found.problem) == (End.UNREACHABLE, "TheEye: cut short")


#: TheEye asks for a pause, and the deadline and the job's end fall into it.
_PAUSED = [Moment(row(1), error=RateLimited("slowly", retry_after=40)), Moment(row(1, "finished", result=report()))]


@settings(max_examples=250, deadline=None)
@example(_PAUSED, WaitRules(deadline=EPOCH + 20))
@given(histories(TASK_MOMENT), RULES)
def test_a_task_ends_the_same_in_a_worker_and_in_the_triggerer(history: list[Moment], rules: WaitRules) -> None:
    assert in_worker(history, rules, False) == in_triggerer(history, rules, False)


@settings(max_examples=250, deadline=None)
@given(histories(RUN_MOMENT), RULES)
def test_a_workflow_ends_the_same_in_a_worker_and_in_the_triggerer(history: list[Moment], rules: WaitRules) -> None:
    assert in_worker(history, rules, True) == in_triggerer(history, rules, True)
