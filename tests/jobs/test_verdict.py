"""The truth about a workflow job, which its own document hides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from airflow_provider_theeye.api.models import Edge, Job
from airflow_provider_theeye.jobs.outcome import Outcome
from airflow_provider_theeye.jobs.reading import Ended
from airflow_provider_theeye.jobs.verdict import Judgement, Strictness, judge_whole, last_step

from .documents import ident, job, recorded, report, run

STRICT, LENIENT = Strictness(), Strictness(fail_on_failed_step=False)
FAILED = report(1, "left is broken\nfailure\n")


def judged(ended: Job, *steps: Job, rules: Strictness = STRICT, edges: Sequence[Edge] = ()) -> Judgement:
    return judge_whole(Ended(ended, steps), rules, lambda workflow: edges if workflow == ident(900) else ())


def step(number: int, state: str = "success", code: int = 0, lifecycle: str = "finished", **fields: object) -> Job:
    usual = {"task_id": ident(number + 100), "trigger_name": state, "result": report(code), "workflow_job_id": ident(9)}
    return job(number, lifecycle, state, **{**usual, **fields})


def test_a_task_is_judged_by_its_own_document() -> None:
    for strict in (True, False):
        rules = Strictness(fail_on_exit_code=strict)
        assert judge_whole(Ended(recorded("exit-code-1")), rules).verdict.good != strict
    assert judge_whole(Ended(recorded("success")), STRICT) == Judgement(judged(recorded("success")).verdict)


def test_a_chain_that_went_well() -> None:
    assert judged(run(9, "finished"), step(1), step(2)).verdict.outcome is Outcome.SUCCEEDED
    assert judged(run(9, "finished")).verdict.good


def test_a_fork_hides_a_failure_but_not_from_us() -> None:
    steps = (step(1), step(2, "failure", 1), step(3))
    strict = judged(run(9, "finished"), *steps)
    assert strict.verdict.outcome is Outcome.FAILED
    assert strict.verdict.reason == (
        f"TheEye calls it a success, but step 'job 2' (job {ident(2)}) failed: "
        "its script reported a failure (exit code 1)"
    )
    assert strict.verdict.step == steps[1]
    lenient = judged(run(9, "finished"), *steps, rules=LENIENT)
    assert lenient.verdict.good
    (warning,) = lenient.warnings
    assert warning.startswith(f"step 'job 2' (job {ident(2)}) failed")
    assert "TheEye's verdict on the workflow job hides" in warning


@pytest.mark.parametrize(
    ("failed", "event", "handled"),
    [
        (step(1, "failure", 1), "failure", True),
        (step(1, "failure", 1), "success", False),
        (step(1, "failure", 1, trigger_name="disk-full"), "disk-full", True),
        (step(1, "failure", 1, trigger_name="disk-full"), "other", False),
        (step(1, "failure", 1, trigger_name="disk-full"), "failure", False),  # TheEye followed the event's name
        (step(1, "failure", 1, trigger_name=None), "failure", True),
        (step(1, "success", 3), "success", False),
        (step(1, "success", 3, trigger_name="odd"), "odd", True),
        (step(1, "normal", 3), "normal", False),
        (step(1, "timeout", 0, "terminated"), "timeout", True),
        (step(1, "timeout", 0, "terminated"), "failure", False),
        (step(1, "canceled", 0, "terminated"), "canceled", True),
        (step(1, "canceled", 0, "terminated"), "success", False),
    ],
)
def test_a_failure_that_an_edge_leads_on_from_is_handled(failed: Job, event: str, handled: bool) -> None:
    edge = Edge(failed.task_id or "", ident(102), event)
    assert judged(run(9, "finished"), failed, step(2), edges=[edge]).verdict.good == handled
    assert not judged(run(9, "finished"), failed, step(2), edges=[Edge(ident(102), ident(101), event)]).verdict.good
    lenient = judged(run(9, "finished"), failed, step(2), rules=LENIENT, edges=[edge])
    assert bool(lenient.warnings) != handled


def test_the_graph_is_asked_for_only_if_a_step_failed() -> None:
    def no_request(workflow_id: str) -> Sequence[Edge]:
        raise AssertionError("not needed")

    assert judge_whole(Ended(run(9, "finished"), (step(1),)), STRICT, no_request).verdict.good
    assert not judge_whole(Ended(run(9, "finished", "failure"), (step(1, "failure"),)), STRICT, no_request).verdict.good


def test_the_exit_code_of_the_last_step_counts() -> None:
    steps = (step(1), step(2, "success", 3))
    verdict = judged(run(9, "finished"), *steps, rules=Strictness()).verdict
    assert verdict.outcome is Outcome.FAILED
    assert verdict.reason == f"step 'job 2' (job {ident(2)}) failed: its script ended with exit code 3"
    assert judged(run(9, "finished"), *steps, rules=Strictness(fail_on_exit_code=False)) == judged(run(9, "finished"))
    earlier = judged(run(9, "finished"), step(1, "success", 3), step(2), rules=LENIENT)
    assert earlier.verdict.good
    assert len(earlier.warnings) == 1


def test_an_exit_code_in_the_middle_of_a_chain_is_a_failure() -> None:
    """The graph leads on from it, as from a success: that handles nothing."""
    chain = [Edge(ident(101), ident(102), "success"), Edge(ident(102), ident(103), "success")]
    steps = (step(1), step(2, "success", 3), step(3))
    judgement = judged(run(9, "finished"), *steps, edges=chain)
    assert (judgement.verdict.outcome, judgement.verdict.step) == (Outcome.FAILED, steps[1])
    assert "step 'job 2'" in judgement.verdict.reason
    assert "exit code 3" in judgement.verdict.reason
    assert judgement.hidden == (steps[1],)
    assert judged(run(9, "finished"), *steps, rules=Strictness(fail_on_exit_code=False), edges=chain).verdict.good


@pytest.mark.parametrize("code", [0, 3])
@pytest.mark.parametrize("state", ["failure", "success", "timeout", "canceled"])
def test_of_a_step_that_was_run_again_the_newest_job_counts(state: str, code: int) -> None:
    old = step(1, state, code or 1, task_id=ident(500))
    new = step(3, task_id=ident(500))
    assert judged(run(9, "finished"), step(2), old, new).verdict.good
    assert not judged(
        run(9, "finished"), step(2), replace(old, created=new.created), replace(new, created=old.created)
    ).verdict.good
    repaired = step(4, "error", lifecycle="terminated", result=None, task_id=ident(500), creation_date="2025")
    assert judged(run(9), step(2), repaired, new).verdict.outcome is not Outcome.STUCK


def test_a_step_that_two_branches_lead_to_counts_twice() -> None:
    """TheEye joins no branches: each makes a job of the step, and neither stands for the other."""
    edges = [Edge(ident(101), ident(500), "success"), Edge(ident(102), ident(500), "success")]
    branches = (step(1), step(2))
    first, second = step(3, "failure", 1, task_id=ident(500)), step(4, task_id=ident(500))
    assert not judged(run(9, "finished"), *branches, first, second, edges=edges).verdict.good
    again = step(5, task_id=ident(500))
    assert judged(run(9, "finished"), *branches, first, second, again, edges=edges).verdict.good
    assert judged(run(9, "finished"), *branches, first, second, edges=edges[:1]).verdict.good


def test_without_the_graph_only_what_no_graph_handles_is_a_failure() -> None:
    def judged_blindly(*steps: Job, rules: Strictness = STRICT) -> Judgement:
        return judge_whole(Ended(run(9, "finished"), steps), rules, lambda workflow: None)

    unclear = judged_blindly(step(1, "failure", 1), step(2))
    assert unclear.verdict.good
    (warning,) = unclear.warnings
    assert warning.startswith(f"step 'job 1' (job {ident(1)}) failed: its script reported a failure")
    assert "its graph cannot be read" in warning
    both = judged_blindly(step(1, "failure", 1), step(2, "success", 3), step(3))
    assert both.verdict.step == step(2, "success", 3)
    assert len(both.warnings) == 1
    assert judged_blindly(step(2, "success", 3), step(3), rules=LENIENT).verdict.good


def test_a_failed_run_names_the_step_that_decided_it() -> None:
    early = step(1, "failure", 1, last_update="2026-01-01T05:00:00.000Z")
    late = step(2, "failure", 2, last_update="2026-01-01T06:00:00.000Z")
    for steps in ((early, late), (late, early)):
        verdict = judged(run(9, "finished", "failure"), *steps).verdict
        assert (verdict.outcome, verdict.step) == (Outcome.FAILED, late)
    assert judged(run(9, "finished", "failure")).verdict.outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("last", "ended", "outcome", "words"),
    [
        (
            step(2, "failure", _type="ApprovalJob", result={"user": {"email": "bot@example.org"}}),
            run(9, "finished", "failure"),
            Outcome.REJECTED,
            "rejected by bot@example.org",
        ),
        (
            step(2, "timeout", lifecycle="terminated", result=report(None, killed=True)),
            run(9, "terminated", "timeout"),
            Outcome.TIMED_OUT,
            "its agent stopped it",
        ),
        (
            step(2, "canceled", lifecycle="terminated", result={"user": {"email": "bot@example.org"}}),
            run(9, "terminated"),
            Outcome.CANCELLED,
            "it was cancelled by bot@example.org while it ran",
        ),
        (
            step(2, "canceled", lifecycle="terminated", result={"killed": True}, output=['{"message":"silent"}']),
            run(9, "terminated"),
            Outcome.TIMED_OUT,
            "its agent was silent for too long: silent",
        ),
        (
            step(2, "canceled", lifecycle="terminated", result=None),
            run(9, "terminated"),
            Outcome.CANCELLED,
            "somebody cancelled it, or its host was lost",
        ),
        (step(2), run(9, "canceled"), Outcome.CANCELLED, "it was cancelled before it was over"),
    ],
)
def test_a_run_ends_as_its_last_step_did(last: Job, ended: Job, outcome: Outcome, words: str) -> None:
    verdict = judged(ended, step(1), last).verdict
    assert verdict.outcome is outcome
    assert words in verdict.reason


def test_a_stuck_run_is_named_with_the_reason_of_its_step() -> None:
    dead = step(2, "error", lifecycle="terminated", output='"InvalidTaskArguments"', result=None)
    verdict = judged(run(9), step(1), dead).verdict
    assert (verdict.outcome, verdict.step) == (Outcome.STUCK, dead)
    assert verdict.reason.startswith("its step 'job 2'")
    assert verdict.reason.endswith("so it never ends: TheEye could not start it: InvalidTaskArguments")


def test_a_run_that_never_ends_is_judged_by_its_last_step() -> None:
    assert judged(run(9), step(1), step(2)).verdict.good
    failed = judged(run(9), step(1), step(2, "failure", 1)).verdict
    assert (failed.outcome, failed.step and failed.step.id) == (Outcome.FAILED, ident(2))
    assert not judged(run(9), step(2, "success", 1)).verdict.good
    assert judged(run(9), step(2, "success", 1), rules=Strictness(fail_on_exit_code=False)).verdict.good
    assert not judged(run(9), step(1, "failure"), step(2)).verdict.good
    assert judged(run(9)).verdict.outcome is Outcome.GONE


def test_the_last_step_is_the_one_that_ended_last() -> None:
    slow = job(1, "finished", last_update="2026-01-01T09:00:00.000Z")
    assert last_step([slow, job(2, "finished"), job(3, "assigned")]) is slow
    assert last_step([job(3, "assigned")]) is None
    assert last_step([]) is None
