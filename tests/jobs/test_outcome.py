"""Every way a job ends on the real server is told apart, and said in words that name who or why."""

from __future__ import annotations

import json

import pytest

from airflow_provider_theeye.api.models import OVER, Job
from airflow_provider_theeye.jobs.outcome import Outcome, judge
from airflow_provider_theeye.jobs.reading import Ended

from .documents import job, recorded, report

SAID_CANCELED = report(log="working\ncanceled\n")
AGENT_ERROR = report(None, "working\n\n", lastline="", output={"message": "no interpreter"})
KILLED_BY_SOMEONE = report(None, "working\n", signal="SIGKILL")
REJECTED = {"_type": "ApprovalJob", "state": "failure"}

ENDS = {
    "success": (recorded("success"), Outcome.SUCCEEDED, "it succeeded"),
    "the old word for success": (recorded("success", state="normal"), Outcome.SUCCEEDED, "it succeeded"),
    "completed, which other servers say": (
        recorded("success", lifecycle="completed"),
        Outcome.SUCCEEDED,
        "it succeeded",
    ),
    "dummy": (recorded("dummy"), Outcome.SUCCEEDED, "it succeeded"),
    "notification": (job(1, "finished", _type="NotificationJob", output=[]), Outcome.SUCCEEDED, "it succeeded"),
    "approved": (recorded("approved"), Outcome.SUCCEEDED, "it succeeded"),
    "rejected": (recorded("approved", **REJECTED), Outcome.REJECTED, "rejected by bot@example.org"),
    "rejected by nobody known": (recorded("approved", **REJECTED, result=None), Outcome.REJECTED, "it was rejected"),
    "failure": (
        recorded("success", state="failure", result=report(1, "working\nfailure\n")),
        Outcome.FAILED,
        "its script reported a failure (exit code 1)",
    ),
    "failure without a result": (
        recorded("success", state="failure", result=None),
        Outcome.FAILED,
        "its script reported a failure",
    ),
    "exit code": (recorded("exit-code-1"), Outcome.FAILED, "its script ended with exit code 1"),
    "killed on its host": (recorded("success", result=KILLED_BY_SOMEONE), Outcome.FAILED, "was killed (SIGKILL)"),
    "agent error": (
        recorded("success", result=AGENT_ERROR, output=['{"message":"no interpreter"}']),
        Outcome.FAILED,
        "its agent reported no exit code: no interpreter",
    ),
    "killed at the limit": (recorded("killed-by-limit"), Outcome.TIMED_OUT, "its agent stopped it at the task's time"),
    "silent agent": (
        recorded("silent-agent"),
        Outcome.TIMED_OUT,
        "its agent was silent for too long: The task was terminated after 1.03 minutes due to execution timeout.",
    ),
    "host lost": (recorded("host-lost"), Outcome.HOST_LOST, "its host was lost"),
    "step cut off": (
        recorded("host-lost", workflow_job_id="6b048bb911be525ae0246cb1"),
        Outcome.CANCELLED,
        "somebody cancelled it, or its host was lost",
    ),
    "cancelled before it ran": (
        recorded("cancelled-before"),
        Outcome.CANCELLED,
        "it was cancelled by bot@example.org before it was over",
    ),
    "cancelled by nobody known": (
        recorded("cancelled-before", result=None, output=[None]),
        Outcome.CANCELLED,
        "it was cancelled before it was over",
    ),
    "cancelled while it ran": (
        recorded("cancelled-running"),
        Outcome.CANCELLED,
        "it was cancelled by bot@example.org while it ran; its script may still be running",
    ),
    "its script's last line was canceled": (
        recorded("success", lifecycle="terminated", state="canceled", result=SAID_CANCELED),
        Outcome.CANCELLED,
        "its script said that it is canceled",
    ),
    "a workflow job that was cancelled": (
        recorded("workflow-done", lifecycle="terminated", state="canceled"),
        Outcome.CANCELLED,
        "it was cancelled while it ran",
    ),
    "born dead": (recorded("born-dead"), Outcome.NEVER_STARTED, "TheEye could not start it: InvalidTaskArguments"),
    "born dead as a step": (
        recorded("born-dead-step"),
        Outcome.NEVER_STARTED,
        "TheEye could not start it: missing workflow job",
    ),
    "born dead, told by the result only": (
        recorded("born-dead", output=None),
        Outcome.NEVER_STARTED,
        "TheEye could not start it: InvalidTaskArguments",
    ),
    "an error after it ran": (recorded("success", state="error"), Outcome.FAILED, "'error', which is no success"),
    "terminated as success": (
        recorded("success", lifecycle="terminated"),
        Outcome.FAILED,
        "it was terminated with state success",
    ),
    "expired": (recorded("success", lifecycle="expired"), Outcome.TIMED_OUT, "TheEye says that it expired"),
    "a word that nobody knows": (recorded("success", state="splendid"), Outcome.FAILED, "'splendid', which is no"),
    "no word at all": (recorded("success", state=None), Outcome.FAILED, "'unknown', which is no success"),
}


@pytest.mark.parametrize("case", ENDS)
def test_each_end_has_its_outcome_and_its_reason(case: str) -> None:
    ended, outcome, reason = ENDS[case]
    verdict = judge(ended)
    assert verdict.outcome is outcome
    assert reason in verdict.reason
    assert verdict.good == (outcome is Outcome.SUCCEEDED)


@pytest.mark.parametrize("case", ENDS)
def test_the_way_through_the_triggerer_changes_no_verdict(case: str) -> None:
    ended = ENDS[case][0]
    carried = Ended.parse(Ended(ended).document()).job
    assert judge(carried) == judge(ended)


@pytest.mark.parametrize("case", ["exit code", "killed on its host", "agent error"])
def test_exit_codes_count_unless_told_otherwise(case: str) -> None:
    assert judge(ENDS[case][0], fail_on_exit_code=False).good


@pytest.mark.parametrize(
    "case", ["failure", "killed at the limit", "silent agent", "host lost", "born dead", "no word at all"]
)
def test_nothing_else_is_forgiven_with_the_exit_code(case: str) -> None:
    assert judge(ENDS[case][0], fail_on_exit_code=False).outcome is ENDS[case][1]


def test_a_result_without_an_exit_code_is_no_failure_of_other_kinds_of_task() -> None:
    scraped = recorded("success", _type="ScraperJob", result={"log": "200 OK", "lastline": "200 OK"})
    assert judge(scraped).good


@pytest.mark.parametrize("lifecycle", ["ready", "assigned", "onhold", "syncing", "locked", "started", "", "dreaming"])
def test_a_job_that_is_not_over_is_not_judged(lifecycle: str) -> None:
    live = Job(id="6b048b9411be525ae0246561", lifecycle=lifecycle, state="success")
    with pytest.raises(ValueError, match="is not over"):
        judge(live)


@pytest.mark.parametrize("lifecycle", sorted(OVER))
@pytest.mark.parametrize("state", ["", "in_progress", "sucess", "SUCCESS", "failed", "started"])
def test_unknown_words_are_never_success(lifecycle: str, state: str) -> None:
    assert not judge(Job(id="6b048b9411be525ae0246561", lifecycle=lifecycle, state=state)).good


def test_nothing_of_a_deeply_nested_reason_breaks_the_verdict() -> None:
    nested = "[" * 100_000
    assert judge(recorded("born-dead", output=nested)).reason.endswith(nested)
    quoted = "plain"
    for _ in range(4):
        quoted = json.dumps(quoted)
    assert judge(recorded("born-dead", output=quoted)).reason == "TheEye could not start it: plain"
