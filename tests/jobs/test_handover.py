"""A job's end in Airflow: log lines, XComs, or the exception that fits."""

from __future__ import annotations

import contextlib
import json
import logging
import pickle
from collections.abc import Sequence
from typing import Any

import pytest

from airflow_provider_theeye import exceptions
from airflow_provider_theeye.api.errors import Forbidden, NoAnswer, NotFound, TheEyeError, Unavailable
from airflow_provider_theeye.api.models import Edge, Job
from airflow_provider_theeye.api.settings import Place
from airflow_provider_theeye.handover import Handover, NextTry, retry_sentence
from airflow_provider_theeye.jobs.outcome import Outcome
from airflow_provider_theeye.jobs.reading import Ended
from airflow_provider_theeye.jobs.verdict import Strictness

from .documents import ident, job, recorded, recorded_steps, report, run


class TaskInstance:
    """As much of Airflow's as is used."""

    def __init__(self, try_number: int = 1, max_tries: int = 2) -> None:
        self.try_number = try_number
        self.max_tries = max_tries
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def handover(ti: TaskInstance | None, **options: Any) -> Handover:
    settings = {"web_url": "https://app.example", "strictness": Strictness(), **options}
    return Handover(
        {"ti": ti} if ti else {}, Place("https://theeye.example", "demo"), logging.getLogger("theeye.test"), **settings
    )


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "theeye.test")
    return caplog


def test_success_of_a_task(lines: pytest.LogCaptureFixture) -> None:
    ti = TaskInstance()
    value = handover(ti).finish(Ended(recorded("success")))
    assert value["output"] == ["v1", {"k": 2}, 3]
    assert ti.pushed == {"output": ["v1", {"k": 2}, 3]}
    assert lines.messages == [
        "[theeye] hello",
        '[theeye] {"state":"success","data":["v1",{"k":2},3]}',
        "TheEye job 6b048b9411be525ae0246561 (Output Task) succeeded",
    ]


def test_percent_signs_in_a_log_are_no_format(lines: pytest.LogCaptureFixture) -> None:
    handover(None).finish(Ended(job(1, "finished", result=report(0, "100%s\n%d"))))
    assert lines.messages[:2] == ["[theeye] 100%s", "[theeye] %d"]


def test_announcing_a_job_shows_id_and_link() -> None:
    ti = TaskInstance()
    handover(ti).announce(job(1))
    assert ti.pushed == {"job_id": ident(1), "url": "https://app.example/dashboard"}
    without = TaskInstance()
    handover(without, web_url=None).announce(job(1))
    assert without.pushed == {"job_id": ident(1)}
    handover(None).announce(job(1))


def test_value_of_a_job_that_nobody_waits_for() -> None:
    value = handover(None).started(job(1))
    assert (value["job_id"], value["lifecycle"], value["outcome"]) == (ident(1), "ready", None)


def test_workflow_logs_failed_steps_whole_and_others_by_their_last_line(lines: pytest.LogCaptureFixture) -> None:
    failed = job(2, "finished", "failure", result=report(1, "one\ntwo\nfailure\n"))
    by_code = job(3, "finished", result=report(4, "three\nfour\n"))
    fine = job(4, "finished", result=report(0, "five\nsix\nsuccess\n"))
    ended = Ended(run(9, "finished"), (failed, by_code, job(5, "finished"), fine))
    handover(None, strictness=Strictness(fail_on_exit_code=False, fail_on_failed_step=False)).finish(ended)
    assert [line for line in lines.messages if "hides" not in line] == [
        f"log of step 'job 2' (job {ident(2)}):",
        "[theeye] one",
        "[theeye] two",
        "[theeye] failure",
        f"log of step 'job 3' (job {ident(3)}):",
        "[theeye] three",
        "[theeye] four",
        f"step 'job 4' (job {ident(4)}) ended with: success",
        f"TheEye job {ident(9)} (job 9) succeeded",
    ]


def test_hidden_failure_is_warned_of_and_a_handled_one_is_not(lines: pytest.LogCaptureFixture) -> None:
    failed = job(2, "finished", "failure", task_id=ident(20), result=report(1))
    ended = Ended(run(9, "finished"), (failed, job(3, "finished", task_id=ident(30))))
    handover(None, strictness=Strictness(fail_on_failed_step=False)).finish(ended)
    (warning,) = [record.getMessage() for record in lines.records if record.levelno == logging.WARNING]
    assert warning.startswith(f"step 'job 2' (job {ident(2)}) failed: its script reported a failure")
    lines.clear()
    edges = [Edge(ident(20), ident(30), "failure")]
    handover(None, edges_of=lambda workflow: edges if workflow == ident(900) else []).finish(ended)
    assert not [record for record in lines.records if record.levelno == logging.WARNING]


HIDDEN = Ended(
    run(9, "finished"),
    (job(2, "finished", "failure", task_id=ident(20), result=report(1)), job(3, "finished", task_id=ident(30))),
)


def unreadable(error: TheEyeError) -> dict[str, Any]:
    def edges_of(workflow_id: str) -> Sequence[Edge]:
        raise error

    return {"edges_of": edges_of}


@pytest.mark.parametrize(
    "error", [Forbidden("no role"), NotFound("deleted"), NoAnswer("it hangs"), Unavailable("down")]
)
@pytest.mark.parametrize("judges", [None, "judges the same job again"])
@pytest.mark.parametrize("try_number", [1, 3])
def test_a_workflow_that_cannot_be_read_turns_no_success_into_a_failure(
    error: TheEyeError, judges: str | None, try_number: int, lines: pytest.LogCaptureFixture
) -> None:
    """Only a retry that is sure to judge the same job again is worth it."""
    asked = handover(TaskInstance(try_number, 2), next_try=NextTry(judges=judges), **unreadable(error))
    if error.transient and judges is not None and try_number == 1:
        with pytest.raises(exceptions.TheEyeUnreachable, match=r"The next try \(2 of 3\) judges the same job again"):
            asked.finish(HIDDEN)
        return
    assert asked.finish(HIDDEN)["outcome"] == "succeeded"
    warnings = [record.getMessage() for record in lines.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert str(error) in warnings[0]
    assert "TheEye's verdict counts" in warnings[1]


def test_an_exit_code_needs_no_graph_to_be_a_failure() -> None:
    by_code = Ended(run(9, "finished"), (job(2, "finished", task_id=ident(20), result=report(3)), HIDDEN.steps[1]))
    with pytest.raises(exceptions.JobFailed, match="exit code 3"):
        handover(None, **unreadable(Forbidden("no role"))).finish(by_code)


ENDS: dict[str, tuple[Job, type[exceptions.TheEyeJobError]]] = {
    "failed": (recorded("exit-code-1"), exceptions.JobFailed),
    "rejected": (recorded("approved", state="failure"), exceptions.JobRejected),
    "cancelled": (recorded("cancelled-running"), exceptions.JobCancelled),
    "timed out": (recorded("silent-agent"), exceptions.JobTimedOut),
    "host lost": (recorded("host-lost"), exceptions.JobHostLost),
    "never started": (recorded("born-dead"), exceptions.JobNeverStarted),
}


@pytest.mark.parametrize("case", ENDS)
def test_each_bad_end_has_its_own_exception(case: str, lines: pytest.LogCaptureFixture) -> None:
    ended, kind = ENDS[case]
    ti = TaskInstance()
    with pytest.raises(kind) as caught:
        handover(ti).finish(Ended(ended))
    assert type(caught.value) is kind
    assert caught.value.job_id == ended.id
    assert ended.id in str(caught.value)
    assert ti.pushed == {}
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again), again.job_id) == (kind, str(caught.value), ended.id)


def test_every_outcome_but_success_has_an_exception() -> None:
    for outcome in Outcome:
        if outcome is not Outcome.SUCCEEDED:
            assert exceptions.job_error(outcome, "why", ident(1)).job_id == ident(1)


def test_too_large_a_result_is_refused_and_never_cut() -> None:
    ended = Ended(job(1, "finished", output=["y" * 500]))
    size = len(json.dumps(handover(None).finish(ended)))
    ti = TaskInstance()
    assert handover(ti, max_xcom_bytes=size).finish(ended)["output"] == ["y" * 500]
    ti = TaskInstance()
    with pytest.raises(exceptions.ResultTooLarge, match=f"takes {size} bytes of JSON and max_xcom_bytes is {size - 1}"):
        handover(ti, max_xcom_bytes=size - 1).finish(ended)
    assert ti.pushed == {}


def test_no_line_of_megabytes_is_written_into_the_tasks_log(lines: pytest.LogCaptureFixture) -> None:
    huge = "z" * 1_500_000
    handover(None).finish(Ended(job(1, "finished", result=report(0, f"first\n{huge}\n"))))
    steps = (
        job(2, "finished", "failure", task_id=ident(20), result=report(1, f"{huge}\n")),
        job(3, "finished", task_id=ident(30), result=report(0, f"{huge}\n")),
        job(4, "terminated", "error", output=[huge], result=None, task_id=ident(40)),
    )
    for strict in (True, False):
        strictness = Strictness(fail_on_failed_step=strict)
        with contextlib.suppress(exceptions.JobFailed):
            handover(None, strictness=strictness, stores_output=False).finish(Ended(run(9, "finished"), steps))
    assert max(map(len, lines.messages)) < 9000
    assert sum("characters left out" in message for message in lines.messages) >= 5


def test_a_large_output_counts_once() -> None:
    """The script's last line is where its output comes from, and both are in the result."""
    text = "x" * 600_000
    ended = Ended(job(1, "finished", output=[text], result=report(0, json.dumps([text]) + "\n")))
    ti = TaskInstance()
    assert handover(ti, max_xcom_bytes=620_000).finish(ended)["output"] == [text]
    assert ti.pushed == {"output": [text]}


@pytest.mark.parametrize(
    ("ti", "sentence"),
    [
        (None, "A retry starts a new job."),
        (TaskInstance(1, 2), "The next try (2 of 3) starts a new job."),
        (TaskInstance(2, 2), "The next try (3 of 3) starts a new job."),
        (TaskInstance(3, 2), "No retry is left (try 3 of 3); clearing the task starts a new job."),
        (TaskInstance(1, 0), "No retry is left (try 1 of 1); clearing the task starts a new job."),
    ],
)
def test_what_a_retry_will_do(ti: TaskInstance | None, sentence: str) -> None:
    assert retry_sentence({"ti": ti} if ti else {}, "starts a new job") == sentence


def test_workflow_value_has_its_steps() -> None:
    ti = TaskInstance()
    value = handover(ti).finish(Ended(recorded("workflow-done"), recorded_steps()))
    assert [step["output"] for step in value["steps"]] == [["from-t1"], ["from-t2"], ["final"]]
    assert ti.pushed == {"output": ["final"]}
    assert value["url"] == "https://app.example/admin/workflow/6b048b8c11be525ae0245d0e"
