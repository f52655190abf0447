"""What goes to XCom can always travel there; what goes to the log and the exception helps the person on call."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_theeye.api.models import Job, Task
from airflow_provider_theeye.jobs import result
from airflow_provider_theeye.jobs.outcome import Outcome, Verdict, judge
from airflow_provider_theeye.jobs.reading import Ended
from airflow_provider_theeye.jobs.verdict import Strictness, judge_whole

from .documents import ident, job, recorded, recorded_steps, report, run

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
RAW = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3),
    max_leaves=10,
)


def carried(value: Any) -> Any:
    """As a database would: strict JSON in UTF-8."""
    return json.loads(json.dumps(value, allow_nan=False, ensure_ascii=False).encode())


def parts(value: Any) -> list[Any]:
    found, pending = [], [value]
    while pending:
        part = pending.pop()
        found.append(part)
        if isinstance(part, list | dict):
            pending.extend(part if isinstance(part, list) else [*part, *part.values()])
    return found


@given(VALUES)
def test_json_texts_are_read(value: Any) -> None:
    assert result.decoded_output([json.dumps(value)]) == [value]
    assert result.decoded_output([json.dumps(value, ensure_ascii=False)]) == [value]


@given(TEXT)
def test_what_is_no_json_stays_text(text: str) -> None:
    try:
        json.loads(text)
    except ValueError:
        assert result.decoded_output([text]) == [text]


@given(st.lists(RAW | st.text(st.characters()), max_size=3) | RAW)
@example(["NaN", "Infinity", "-Infinity", "[NaN]", "1e999", "-1e999", '{"a":1e999}'])
@example([math.nan, [math.inf]])
@example(["9" * 5000, str(2**64), str(-(2**63) - 1), f'{{"a":[{2**200}]}}', 2**70])
@example(['"\\ud800"', '{"\\udfff":1}', "\ud800", '"a\\u0000b"', "a\0b"])
@example(["[" * 101 + "]" * 101, "[" * 900 + "]" * 900, "[" * 100_000, '{"a":' * 500 + "1" + "}" * 500])
def test_whatever_a_script_says_can_be_carried(output: Any) -> None:
    decoded = result.decoded_output(output)
    assert carried(decoded) == decoded
    for part in parts(decoded):
        if isinstance(part, int):
            assert -(2**63) <= part < 2**64
        if isinstance(part, str):
            assert "\0" not in part


def test_a_value_beyond_the_limits_is_left_as_its_text() -> None:
    texts = ["NaN", "1e999", str(2**64), "[" * 150 + "]" * 150, '{"big":' + str(2**70) + "}", '"half \\ud800"']
    assert result.decoded_output(texts) == texts
    assert result.decoded_output([str(2**64 - 1), "[" * 100 + "]" * 100])[0] == 2**64 - 1


@pytest.mark.parametrize(
    ("output", "decoded"),
    [
        (None, []),
        ([], []),
        ("", [""]),
        (["v1", '{"k":2}', "3"], ["v1", {"k": 2}, 3]),
        ([None], [None]),
        ({"k": 1}, [{"k": 1}]),
        ('"InvalidTaskArguments"', ["InvalidTaskArguments"]),
        ([""], [""]),
        (["007", "1_000", " 1", "true", "null"], ["007", "1_000", 1, True, None]),
    ],
)
def test_output_of_every_shape(output: Any, decoded: list[Any]) -> None:
    assert result.decoded_output(output) == decoded


@given(RAW)
@example("")
def test_output_is_the_same_by_way_of_the_triggerer(output: Any) -> None:
    ended = Ended(job(1, "finished", output=output))
    event = json.loads(json.dumps(ended.document()))
    assert repr(result.decoded_output(Ended.parse(event).job.output)) == repr(result.decoded_output(output))


@given(RAW, st.text(st.characters()), st.text(st.characters()))
@example(["\ud83d"], "cut \ud83d", "find -print0\0")
@example(2**70, "", "")
def test_what_a_trigger_sends_can_be_carried(output: Any, name: str, log: str) -> None:
    """A text that Airflow cannot encode would end the triggerer with all that waits there."""
    row = {"id": ident(1), "name": name, "output": output, "result": {"log": log, "lastline": log}}
    document = Ended(Job.parse(row), (Job.parse(row),)).document()
    assert carried(document) == document
    for part in parts(document):
        assert not isinstance(part, int) or -(2**63) <= part < 2**64
        assert not isinstance(part, str) or "\0" not in part


def test_value_of_a_task() -> None:
    ended = recorded("success")
    assert result.xcom_value(ended, judge(ended), "http://x/", hosts={ended.id: "host-a"}) == {
        "job_id": "6b048b9411be525ae0246561",
        "name": "Output Task",
        "lifecycle": "finished",
        "state": "success",
        "outcome": "succeeded",
        "output": ["v1", {"k": 2}, 3],
        "exit_code": 0,
        "lastline": '{"state":"success","data":["v1",{"k":2},3]}',
        "host": "host-a",
        "url": "http://x/",
    }


def test_value_of_a_job_that_nobody_waited_for() -> None:
    value = result.xcom_value(job(1), None, None)
    assert (value["outcome"], value["output"], value["exit_code"], value["lastline"]) == (None, [], None, None)


def test_value_of_a_workflow() -> None:
    ended, steps = recorded("workflow-done"), recorded_steps()
    hosts = {steps[0].id: "host-a", steps[2].id: "host-b"}
    value = result.xcom_value(ended, judge(ended), None, steps, hosts=hosts)
    assert (value["output"], value["host"]) == (["final"], "host-b")
    assert [row["host"] for row in value["steps"]] == ["host-a", None, "host-b"]
    assert (value["exit_code"], value["lastline"]) == (0, '["final"]')
    first, second, third = value["steps"]
    assert first == {
        "name": "Chain Workflow / t1",
        "task_id": "6b048b8c11be525ae0245d0f",
        "job_id": "6b048bb911be525ae0246cb3",
        "host": "host-a",
        "lifecycle": "finished",
        "state": "success",
        "outcome": "succeeded",
        "exit_code": 0,
        "output": ["from-t1"],
        "seconds": 0.341,
    }
    assert [second["name"], third["name"]] == ["Chain Workflow / t2", "Chain Workflow / t3"]
    assert carried(value) == value


@pytest.mark.parametrize(
    ("ended", "task", "name"),
    [
        (job(1, host="h1"), Task("t", hostname="host-a", host_id="h1"), "host-a"),
        (job(1, host="h1"), Task("t", hostname="host-b", host_id="h2"), None),  # the task was moved to another host
        (job(1, host="h1"), None, None),
        (job(1), Task("t", hostname="host-a", host_id="h1"), "host-a"),
        (job(1, host="h1"), Task("t", hostname="host-a"), "host-a"),
        (job(1, host={"id": "h1", "hostname": "host-a"}), Task("t", hostname="host-b", host_id="h2"), "host-a"),
        (job(1), Task("t"), None),
    ],
)
def test_the_name_of_a_jobs_host(ended: Job, task: Task | None, name: str | None) -> None:
    assert result.host_of(ended, task) == name
    by_event = Ended.parse(json.loads(json.dumps(Ended(ended).document()))).job
    assert result.host_of(by_event, task) == name


def test_of_a_failed_workflow_job_the_step_that_decided_speaks() -> None:
    failed = job(1, "finished", "failure", result=report(7, "disk is full\nfailure\n"), output=["left"])
    ended = Ended(run(9, "finished"), (failed, job(2, "finished", output=["right"])))
    value = result.xcom_value(ended.job, judge_whole(ended, Strictness()).verdict, None, ended.steps)
    assert (value["outcome"], value["output"], value["exit_code"], value["lastline"]) == (
        "failed",
        ["left"],
        7,
        "failure",
    )


def test_a_long_last_line_does_not_store_the_output_twice() -> None:
    text = "x" * 600_000
    line = json.dumps([text])
    ended = job(1, "finished", output=[text], result=report(0, line + "\n"))
    value = result.xcom_value(ended, judge(ended), None)
    assert value["output"] == [text]
    assert value["lastline"].startswith('["xxx')
    assert value["lastline"].endswith('xxx"]')
    assert "598004 characters left out" in value["lastline"]
    assert len(text) < result.result_size(value) == len(json.dumps(value)) < len(text) + 3000


def test_the_output_of_a_workflow_job_counts_once() -> None:
    steps = (job(1, "finished", output=["y" * 5000]), job(2, "finished", output=["x" * 100_000]))
    value = result.xcom_value(run(9, "finished"), None, None, steps)
    assert value["output"] == value["steps"][1]["output"]
    assert 105_000 < result.result_size(value) < 107_000
    alone = result.xcom_value(run(9, "finished"), None, None)
    assert result.result_size(alone) == len(json.dumps(alone))


def test_lines_of_megabytes_are_shortened() -> None:
    ended = job(1, "finished", "failure", result=report(1, "short\n" + "y" * 1_500_000 + "END\n"))
    short, long, *rest = result.log_lines(ended)
    assert (short, rest) == ("short", [])
    assert len(long) < 9000
    assert long.startswith("yyy")
    assert long.endswith("yyyEND")
    assert "[... 1491811 characters left out ...]" in long
    message = result.failure_message(Ended(ended), judge(ended), "Next.")
    assert len(message) < 2000


def test_steps_come_in_order_of_creation_and_output_of_what_ended_last() -> None:
    slow = job(1, "finished", output=["slow"], last_update="2026-01-01T09:00:00.000Z")
    steps = [job(3, "ready"), job(2, "finished", output=["quick"]), slow]
    value = result.xcom_value(run(9, "finished"), None, None, steps)
    assert [step["name"] for step in value["steps"]] == ["job 1", "job 2", "job 3"]
    assert [step["outcome"] for step in value["steps"]] == ["succeeded", "succeeded", None]
    assert value["output"] == ["slow"]


def test_a_workflow_job_without_steps_has_no_output() -> None:
    value = result.xcom_value(run(9, "finished"), None, None)
    assert (value["output"], value["exit_code"], value["steps"]) == ([], None, [])


def test_broken_text_of_a_script_does_not_reach_xcom() -> None:
    ended = job(1, "finished", name="a\ud800b", result=report(lastline="x\0y\udfff"))
    value = result.xcom_value(ended, judge(ended), None)
    assert (value["name"], value["lastline"]) == ("a?b", "x\ufffdy?")


@pytest.mark.parametrize(
    ("web_url", "workflow_id", "url"),
    [
        (None, None, None),
        ("", None, None),
        ("https://app.example", None, "https://app.example/dashboard"),
        ("https://app.example/", ident(900), f"https://app.example/admin/workflow/{ident(900)}"),
        ("http://h/jobs/{job_id}?x", None, f"http://h/jobs/{ident(1)}?x"),
    ],
)
def test_url(web_url: str | None, workflow_id: str | None, url: str | None) -> None:
    assert result.job_url(job(1, workflow_id=workflow_id), web_url) == url


def test_message_about_a_failed_job() -> None:
    log = "".join(f"line {number}\n\n" for number in range(30)) + "x" * 900
    ended = Ended(job(7, "finished", "failure", name="Nightly", result=report(1, log)))
    message = result.failure_message(ended, judge(ended.job), "What a retry does.")
    head, says, *lines = message.splitlines()
    assert head == (
        f"TheEye job {ident(7)} 'Nightly' failed (finished/failure): its script reported a failure (exit code 1). "
        "What a retry does."
    )
    assert says == "Its log ends with:"
    assert lines[0] == "    line 11"
    assert lines[-1] == f"    {'x' * 375} [... 400 characters left out ...] {'x' * 125}"
    assert len(lines) == result.TAIL_LINES


def test_a_reason_that_quotes_a_log_is_shortened() -> None:
    ended = Ended(recorded("born-dead", output="why " * 500_000))
    message = result.failure_message(ended, judge(ended.job), "What a retry does.")
    assert len(message) < 12_000
    assert "could not start it: why why" in message
    assert "characters left out" in message
    assert message.splitlines()[0].endswith("What a retry does.")


def test_message_without_name_and_log() -> None:
    ended = Ended(recorded("born-dead-step"))
    message = result.failure_message(ended, judge(ended.job), "Next.")
    assert message == (
        "TheEye job 6b048b9011be525ae0246169 never started (terminated/error): "
        'TheEye could not start it: missing workflow job. Next.\nIts log ends with:\n    "missing workflow job"'
    )
    gone = Verdict(Outcome.GONE, "nothing is known")
    assert result.failure_message(Ended(job(1, "", "")), gone, "Next.").endswith("nothing is known. Next.")


def test_message_about_a_workflow_shows_the_log_of_the_step_that_failed() -> None:
    failed = job(2, "finished", "failure", result=report(1, "left is broken\n"))
    fine = job(3, "finished", result=report(0, "right is fine\n"))
    ended = Ended(run(9, "finished", "success"), (job(1, "finished"), failed, fine))
    verdict = judge_whole(ended, Strictness()).verdict
    message = result.failure_message(ended, verdict, "Next.")
    assert message.startswith(f"TheEye workflow job {ident(9)} 'job 9' failed (finished/success): ")
    assert message.endswith("The log of its step 'job 2' ends with:\n    left is broken")
