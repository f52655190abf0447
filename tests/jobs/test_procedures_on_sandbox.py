"""The same procedures through the real client against the sandbox, whose journal counts how often scripts started."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.client import TheEyeClient
from airflow_provider_theeye.api.errors import TheEyeError
from airflow_provider_theeye.api.models import Job
from airflow_provider_theeye.api.settings import ServerSettings
from airflow_provider_theeye.jobs.cancelling import cancel
from airflow_provider_theeye.jobs.clocks import now
from airflow_provider_theeye.jobs.looking import look
from airflow_provider_theeye.jobs.outcome import Outcome
from airflow_provider_theeye.jobs.procedures import drive
from airflow_provider_theeye.jobs.reading import Ended, read_whole
from airflow_provider_theeye.jobs.submission import (
    HoldingNotSupported,
    NothingStarted,
    Order,
    SubmissionUnclear,
    release,
    submit,
)
from airflow_provider_theeye.jobs.verdict import Strictness, judge_whole
from airflow_provider_theeye.jobs.waiting import End, JobWatch, WaitRules
from airflow_provider_theeye.sandbox import Sandbox

from .fake_server import into

WORLD = Path(__file__).parents[1] / "world.yaml"
RELEASE, HOLD = {"method": "PUT", "path": "/job/*/synced"}, {"method": "PUT", "path": "/job/*/hold"}


class Setting:
    """A sandbox and what is done to it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.client = TheEyeClient(ServerSettings(sandbox.url, sandbox.organization, sandbox.token(), read_timeout=5))

    def order(self, key: str, *arguments: Any, **options: Any) -> Order:
        is_workflow = key in self.sandbox.seed["workflows"]
        ident = self.sandbox.workflow_id(key) if is_workflow else self.sandbox.task_id(key)
        return Order(ident, arguments, is_workflow=is_workflow, **options)

    def submit(self, order: Order) -> Job:
        job: Job = drive(submit(order, lambda job: True), self.client.run)
        return job

    def read(self, job_id: str) -> Ended:
        ended = drive(read_whole(job_id), self.client.run)
        assert ended is not None
        return ended

    def wait(self, job: Job, *, ends_itself: bool = True) -> tuple[End, Ended]:
        watch = JobWatch(job.id, WaitRules(poll_interval=0.2, deadline=time.time() + 20), ends_itself=ends_itself)
        while True:
            end = drive(look(watch, now), self.client.run)
            if end is not None:
                return end, self.read(job.id)
            time.sleep(watch.delay(now()))

    def starts(self) -> int:
        return int(self.sandbox.journal()["totals"]["started"])

    def runs_its_last(self, job: Job) -> bool:
        ended = self.read(job.id)
        running = ended.steps[-1] if ended.steps else ended.job
        return running.lifecycle == "assigned" and len(ended.steps) != 1

    def until_live(self, run: Job, steps: int) -> None:
        def there() -> bool:
            found = self.client.run(calls.get_steps_of([run.id]))
            return sum(step.lifecycle == "assigned" for step in found) == steps

        self.sandbox.wait(there)


@pytest.fixture
def setting(journal: Sandbox) -> Iterator[Setting]:
    made = Setting(journal)
    yield made
    made.client.close()


CLOSED = {"do": "close", "times": 1}
ANSWERED = {"do": "status", "status": 503, "times": 1}
HALF = {"do": "half_body", "times": 1, "when": "after"}


@pytest.mark.parametrize("fault", [CLOSED, ANSWERED, HALF, {"do": "html", "status": 502, "times": 2}], ids=str)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("path", ["/job", "/job/*/synced"])
def test_one_script_whatever_answer_of_a_submission_is_lost(
    setting: Setting, fault: dict[str, Any], when: str, path: str
) -> None:
    setting.sandbox.set_faults([{"path": path, "when": when, **fault}])
    end, ended = setting.wait(setting.submit(setting.order("hello")))
    assert (end, judge_whole(ended, Strictness()).verdict.good) == (End.OVER, True)
    # A release that had its effect is seen by reading the job, and not asked for again.
    once = when == "after" and path == "/job/*/synced"
    assert setting.sandbox.faults()[0]["fired"] == (1 if once else fault["times"])
    assert setting.starts() == 1


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("path", ["/workflows/*/job", "/job/*/synced"])
def test_one_run_whatever_answer_of_a_submission_is_lost(setting: Setting, when: str, path: str) -> None:
    setting.sandbox.set_faults([{"path": path, "when": when, **CLOSED}])
    end, ended = setting.wait(setting.submit(setting.order("chain", "a")))
    assert (end, judge_whole(ended, Strictness()).verdict.good) == (End.OVER, True)
    assert [step.name for step in ended.steps] == ["Chain / t1", "Chain / t2", "Chain / t3"]
    assert setting.starts() == 3


def test_a_job_that_was_tidied_away_is_replaced(setting: Setting) -> None:
    order = setting.order("hello")
    remembered: list[str] = []

    def remember(job: Job) -> bool:
        remembered.append(job.id)
        if len(remembered) == 1:
            drive(cancel(job.id, is_workflow=False), setting.client.run)
        return True

    job = drive(submit(order, remember), setting.client.run)
    assert job.id == remembered[1]
    assert setting.wait(job)[0] is End.OVER
    assert setting.read(remembered[0]).job.lifecycle == "canceled"
    assert setting.starts() == 1


@pytest.mark.parametrize("wait", [False, True])
def test_a_second_release_is_no_second_start(setting: Setting, wait: bool) -> None:
    held: list[Job] = []
    job = drive(submit(setting.order("hello"), into(held)), setting.client.run)
    if wait:
        setting.wait(job)
    assert drive(release(held[0]), setting.client.run)
    setting.wait(job)
    assert setting.starts() == 1


@pytest.mark.parametrize("hold", [True, False])
def test_a_server_without_the_release_starts_nothing(setting: Setting, hold: bool) -> None:
    missing = {"do": "status", "status": 404, "body": {"code": "ResourceNotFound", "message": "/x does not exist"}}
    setting.sandbox.set_faults([{**RELEASE, **missing}, *([] if hold else [{**HOLD, **missing}])])
    with pytest.raises(HoldingNotSupported):
        setting.submit(setting.order("hello"))
    assert setting.starts() == 0


def test_a_server_that_stays_in_trouble_starts_nothing(setting: Setting) -> None:
    setting.sandbox.set_faults([{**RELEASE, "do": "status", "status": 503}])
    held: list[Job] = []
    with pytest.raises(TheEyeError):
        drive(submit(setting.order("hello"), into(held)), lambda call: setting.client.run(call, attempts=2))
    setting.sandbox.clear_faults()
    assert setting.starts() == 0
    assert drive(release(held[0]), setting.client.run)
    setting.wait(held[0])
    assert setting.starts() == 1


ARGUMENTS: dict[str, tuple[str, ...]] = {"hello": (), "chain": ("a",)}


@pytest.mark.parametrize("key", ["hello", "chain"])
def test_what_nobody_remembers_is_not_left_held(setting: Setting, key: str) -> None:
    """The next try could not find it, and must be free to start another one."""
    setting.sandbox.set_faults([{**RELEASE, "do": "status", "status": 503}])
    made: list[Job] = []

    def forget(job: Job) -> bool:
        made.append(job)
        return False

    order = setting.order(key, *ARGUMENTS[key])
    with pytest.raises(NothingStarted, match="given up before it ran"):
        drive(submit(order, forget), lambda call: setting.client.run(call, attempts=1))
    setting.sandbox.clear_faults()
    left = setting.read(made[0].id)
    assert {step.lifecycle for step in left.steps or (left.job,)} == {"canceled"}
    assert setting.starts() == 0


@pytest.mark.parametrize("key", ["hello", "chain"])
def test_a_lost_release_that_nobody_remembers_is_found_to_have_worked(setting: Setting, key: str) -> None:
    setting.sandbox.set_faults([{**RELEASE, "when": "after", **CLOSED}])
    job = drive(
        submit(setting.order(key, *ARGUMENTS[key]), lambda job: False),
        lambda call: setting.client.run(call, attempts=1),
    )
    assert setting.wait(job)[0] is End.OVER
    assert setting.starts() == {"hello": 1, "chain": 3}[key]


def test_a_release_in_doubt_that_nobody_remembers_is_for_a_person(setting: Setting) -> None:
    setting.sandbox.set_faults(
        [{**RELEASE, "when": "after", **CLOSED}, {"path": "*/job/*", "do": "status", "status": 503}]
    )
    with pytest.raises(SubmissionUnclear, match=r"may or may not have let job [0-9a-f]{24}"):
        drive(submit(setting.order("hello"), lambda job: False), lambda call: setting.client.run(call, attempts=1))


@pytest.mark.parametrize("key", ["notify", "hello", "greet"])
@pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
def test_an_unclear_direct_submission_is_looked_for_and_never_repeated(
    setting: Setting, key: str, when: str, made: int
) -> None:
    arguments = {"notify": ("subject", "body", None), "hello": (), "greet": ("you",)}[key]
    order = setting.order(key, *arguments, held=False)
    setting.wait(setting.submit(order))
    setting.sandbox.reset_journal()
    setting.sandbox.set_faults([{"method": "POST", "path": "/job", "when": when, **CLOSED}])
    if made:
        assert setting.wait(setting.submit(order))[0] is End.OVER
    else:
        with pytest.raises(SubmissionUnclear):
            setting.submit(order)
    journal = setting.sandbox.journal()
    assert journal["totals"]["created"] == made
    assert journal["requests"]["POST /job"] == 1


# --- cancelling ---------------------------------------------------------------------------------------------------


def test_both_branches_of_a_fork_are_stopped(setting: Setting) -> None:
    job = setting.submit(setting.order("endless-fork"))
    setting.until_live(job, 2)
    now = drive(cancel(job.id, is_workflow=True), setting.client.run)
    assert now is not None
    assert now.is_over
    assert [step.is_over for step in setting.read(job.id).steps] == [True, True, True]


@pytest.mark.parametrize("key", ["endless", "endless-chain"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_held_job_is_held_then_cancelled(setting: Setting, key: str, when: str) -> None:
    setting.sandbox.set_faults([{"path": "*/cancel", "when": when, **CLOSED}])
    procedure = submit(setting.order(key), lambda job: True)
    held = setting.client.run(next(procedure))  # type: ignore[arg-type]
    procedure.close()
    now = drive(cancel(held.id, is_workflow=held.is_workflow), setting.client.run)
    assert now is not None
    assert now.lifecycle == "canceled"
    assert setting.starts() == 0


def test_a_record_that_vanishes_is_gone(setting: Setting) -> None:
    job = setting.submit(setting.order("endless"))
    setting.sandbox.forget_job(job.id)
    assert drive(cancel(job.id, is_workflow=False), setting.client.run) is None
    assert drive(read_whole(job.id), setting.client.run) is None


# --- ends ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "outcome", "strict"),
    [
        ("hello", Outcome.SUCCEEDED, Outcome.SUCCEEDED),
        ("broken", Outcome.FAILED, Outcome.FAILED),
        ("failing", Outcome.FAILED, Outcome.FAILED),
        ("says-canceled", Outcome.CANCELLED, Outcome.CANCELLED),
        ("limited", Outcome.TIMED_OUT, Outcome.TIMED_OUT),
        ("failing-chain", Outcome.FAILED, Outcome.FAILED),
        ("handler", Outcome.SUCCEEDED, Outcome.SUCCEEDED),
        ("no-edge", Outcome.SUCCEEDED, Outcome.SUCCEEDED),
        ("event", Outcome.SUCCEEDED, Outcome.SUCCEEDED),
        ("fork", Outcome.SUCCEEDED, Outcome.SUCCEEDED),
        ("fork-hides", Outcome.SUCCEEDED, Outcome.FAILED),
        ("fork-fails-last", Outcome.FAILED, Outcome.FAILED),
        ("stuck", Outcome.STUCK, Outcome.STUCK),
        ("old", Outcome.SUCCEEDED, Outcome.SUCCEEDED),
        ("old-failing", Outcome.FAILED, Outcome.FAILED),
    ],
)
def test_how_it_ends(setting: Setting, key: str, outcome: Outcome, strict: Outcome) -> None:
    end, ended = setting.wait(setting.submit(setting.order(key)), ends_itself=not key.startswith("old"))
    edges = lambda workflow: setting.client.run(calls.get_workflow(workflow)).edges  # noqa: E731
    assert end is End.OVER
    assert judge_whole(ended, Strictness(fail_on_failed_step=False), edges).verdict.outcome is outcome
    assert judge_whole(ended, Strictness(), edges).verdict.outcome is strict


@pytest.mark.parametrize(
    ("key", "outcome", "words"),
    [
        ("endless", Outcome.HOST_LOST, "its host was lost"),
        ("endless-chain", Outcome.CANCELLED, "or its host was lost"),
    ],
)
def test_a_host_that_dies_is_named(key: str, outcome: Outcome, words: str) -> None:
    with Sandbox(WORLD, extra_args=("--host-lost-after", "0.5")) as sandbox:
        setting = Setting(sandbox)
        job = setting.submit(setting.order(key))
        sandbox.wait(lambda: setting.runs_its_last(job))
        sandbox.set_host("host-a", alive=False)
        verdict = judge_whole(setting.wait(job)[1], Strictness()).verdict
        setting.client.close()
    assert verdict.outcome is outcome
    assert words in verdict.reason
