"""What a task does about the end of its job."""

from __future__ import annotations

import pytest

from airflow_provider_theeye.api.models import Edge, Job
from airflow_provider_theeye.jobs.handling import FAILED_JOB, Handling, HandlingRules
from airflow_provider_theeye.jobs.outcome import Outcome, Verdict
from airflow_provider_theeye.jobs.reading import Ended
from airflow_provider_theeye.jobs.verdict import Judgement, Strictness, judge_whole

from .documents import ident, job, recorded, report, run

FAIL, SKIP, RETURN = Handling


def handled(ended: Ended, rules: HandlingRules, edges: tuple[Edge, ...] = (), **strictness: bool) -> Handling:
    return rules.of(ended, judge_whole(ended, Strictness(**strictness), lambda workflow_id: edges))


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("wanted", Handling)
def test_what_ended_is_handled_and_what_is_not_known_fails(outcome: Outcome, wanted: Handling) -> None:
    usual = RETURN if outcome is Outcome.SUCCEEDED else wanted if outcome in FAILED_JOB else FAIL
    judgement = Judgement(Verdict(outcome, "why"))
    assert HandlingRules(wanted).of(Ended(job(1, "finished", result=report(3))), judgement) is usual
    # An exit code of a job that never ran, or of which nobody knows how it ended, is not its end.
    by_code = HandlingRules(wanted, frozenset({3})).of(Ended(job(1, "finished", result=report(3))), judgement)
    assert by_code is (SKIP if outcome in FAILED_JOB | {Outcome.SUCCEEDED} else FAIL)


@pytest.mark.parametrize(
    ("ended", "outcome"),
    [
        (recorded("exit-code-1"), RETURN),
        (recorded("approved", state="failure"), RETURN),
        (recorded("cancelled-running"), RETURN),
        (recorded("silent-agent"), RETURN),
        (recorded("host-lost"), RETURN),
        (recorded("born-dead"), FAIL),
    ],
)
def test_real_ends(ended: Job, outcome: Handling) -> None:
    assert handled(Ended(ended), HandlingRules(RETURN)) is outcome


@pytest.mark.parametrize(
    ("state", "code", "strict", "handling"),
    [
        ("success", 99, True, SKIP),
        ("success", 99, False, SKIP),  # a success for TheEye and for the task
        ("failure", 99, True, SKIP),
        ("success", 3, True, FAIL),
        ("success", 3, False, RETURN),
        ("failure", 3, True, FAIL),
        ("success", 0, True, RETURN),
        ("failure", None, True, FAIL),
    ],
)
def test_the_exit_code_of_a_job(state: str, code: int | None, strict: bool, handling: Handling) -> None:
    ended = Ended(job(1, "finished", state, result=report(code)))
    assert handled(ended, HandlingRules(FAIL, frozenset({98, 99})), fail_on_exit_code=strict) is handling


def test_an_exit_code_says_more_than_a_failure() -> None:
    ended = Ended(job(1, "finished", result=report(99)))
    for wanted in Handling:
        assert handled(ended, HandlingRules(wanted, frozenset({99}))) is SKIP


def step(number: int, code: int, state: str = "success") -> Job:
    return job(number, "finished", state, task_id=ident(number + 100), result=report(code), trigger_name=state)


@pytest.mark.parametrize(
    ("steps", "state", "handling"),
    [
        ([step(1, 0), step(2, 99)], "success", SKIP),
        ([step(1, 99), step(2, 0)], "success", SKIP),
        ([step(1, 99), step(2, 98), step(3, 0)], "success", SKIP),
        ([step(1, 99), step(2, 1), step(3, 0)], "success", FAIL),
        ([step(1, 1), step(2, 99)], "success", FAIL),
        ([step(1, 1, "failure"), step(2, 99, "failure")], "failure", FAIL),
        ([step(1, 0), step(2, 99, "failure")], "failure", SKIP),
        ([step(1, 0), step(2, 1, "failure")], "failure", FAIL),
    ],
)
def test_of_a_workflow_job_every_failed_step_must_say_skip(steps: list[Job], state: str, handling: Handling) -> None:
    rules = HandlingRules(FAIL, frozenset({98, 99}))
    assert handled(Ended(run(9, "finished", state), tuple(steps)), rules) is handling


def test_a_step_whose_failure_is_handled_does_not_keep_the_others_from_it() -> None:
    steps = (step(1, 1, "failure"), step(2, 99), step(3, 0))
    edges = (Edge(ident(101), ident(102), "failure"), Edge(ident(102), ident(103), "success"))
    assert handled(Ended(run(9, "finished"), steps), HandlingRules(FAIL, frozenset({99})), edges) is SKIP
