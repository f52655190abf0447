"""When a wait ends, when it looks again, and what it says meanwhile: single rules, one test each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_theeye.api.errors import (
    AuthenticationFailed,
    Forbidden,
    ForeignJob,
    InvalidRequest,
    NoAnswer,
    NotFound,
    RateLimited,
    RouteNotFound,
    TheEyeError,
    TooLarge,
    Unavailable,
    UnexpectedReply,
    WrongOrganization,
    WrongPlace,
)
from airflow_provider_theeye.jobs.clocks import Instant
from airflow_provider_theeye.jobs.waiting import (
    FIRST_LOOK,
    LONGEST_ASKED_PAUSE,
    LONGEST_PAUSE,
    End,
    JobWatch,
    WaitRules,
    backed_off,
)

from .documents import OneClock, ident, job, run

RULES = WaitRules(poll_interval=2.0, deadline=1000.0)
TROUBLE = [
    NoAnswer("closed"),
    Unavailable("500", status=500),
    UnexpectedReply("HTML"),
    RateLimited("429", retry_after=3),
]
REFUSALS = [
    AuthenticationFailed("401"),
    Forbidden("403"),
    WrongOrganization("409"),
    InvalidRequest("400"),
    NotFound("404"),
    RouteNotFound("404"),
]


def watch(rules: WaitRules = RULES, **options: object) -> OneClock:
    return OneClock(ident(1), rules, **options)  # type: ignore[arg-type]


# --- the end of a task's job --------------------------------------------------------------------------------------


@pytest.mark.parametrize("lifecycle", ["finished", "terminated", "canceled", "expired", "completed"])
def test_a_job_that_is_over_ends_the_wait_even_after_the_deadline(lifecycle: str) -> None:
    assert watch().saw(job(1, lifecycle), [], 5.0) is End.OVER
    assert watch().saw(job(1, lifecycle), [], 5000.0) is End.OVER


@pytest.mark.parametrize("lifecycle", ["ready", "assigned", "onhold", "syncing", "locked", "a new word"])
def test_a_live_job_is_waited_for_until_the_deadline(lifecycle: str) -> None:
    waiting = watch()
    assert waiting.saw(job(1, lifecycle), [], 999.9) is None
    assert waiting.saw(job(1, lifecycle), [], 1000.0) is End.DEADLINE


def test_a_target_is_enough() -> None:
    waiting = watch(WaitRules(targets=frozenset({"assigned"})))
    assert waiting.saw(job(1, "ready"), [], 0) is None
    assert waiting.saw(job(1, "assigned"), [], 1) is End.REACHED
    assert watch(WaitRules(targets=frozenset({"assigned"}))).saw(job(1, "finished"), [], 0) is End.OVER


def test_without_a_token_only_the_deadline_ends_a_wait() -> None:
    waiting = watch(replace(RULES, queue_deadline=10))
    assert waiting.waited(999) is None
    assert waiting.waited(1000) is End.DEADLINE
    assert watch().missed() is End.GONE


# --- the queue ----------------------------------------------------------------------------------------------------

QUEUE = WaitRules(deadline=1000, queue_deadline=50)


@pytest.mark.parametrize(
    ("lifecycle", "end"), [("ready", End.NOT_TAKEN), ("assigned", None), ("onhold", None), ("syncing", None)]
)
def test_only_a_job_that_waits_for_a_host_has_a_queue_deadline(lifecycle: str, end: End | None) -> None:
    assert watch(QUEUE).saw(job(1, lifecycle), [], 49.9) is None
    assert watch(QUEUE).saw(job(1, lifecycle), [], 50) is end
    assert watch(QUEUE).saw(job(1, lifecycle), [], 1000) is End.DEADLINE


@pytest.mark.parametrize(
    ("lifecycle", "steps", "end"),
    [
        ("onhold", ["ready"], End.NOT_TAKEN),
        ("syncing", ["ready"], End.NOT_TAKEN),
        ("ready", ["ready"], End.NOT_TAKEN),
        ("ready", [], End.NOT_TAKEN),
        ("syncing", ["syncing"], None),
        ("onhold", ["onhold"], None),
        ("started", ["finished", "ready"], None),
        ("started", ["assigned"], None),
    ],
)
def test_a_workflow_job_on_hold_waits_for_an_earlier_run(lifecycle: str, steps: list[str], end: End | None) -> None:
    rows = [job(number, word) for number, word in enumerate(steps, 10)]
    assert watch(QUEUE).saw(run(1, lifecycle), rows, 50) is end


# --- workflow jobs ------------------------------------------------------------------------------------------------

SETTLING = RULES.settling


def test_a_workflow_job_ends_by_its_own_word() -> None:
    assert watch().saw(run(1, "finished"), [job(2, "finished")], 0) is End.OVER
    assert watch().saw(run(1, "finished"), [], 0) is End.OVER


def test_nothing_is_concluded_between_two_steps() -> None:
    waiting = watch()
    for moment in range(900):
        assert waiting.saw(run(1), [job(2, "finished"), job(3, "finished")], moment) is None


def test_a_live_branch_goes_on_after_its_run_was_cancelled() -> None:
    waiting = watch()
    steps = [job(2, "finished"), job(3, "canceled"), job(4, "ready")]
    for moment, live in enumerate(["ready", "assigned"] * 10):
        assert waiting.saw(run(1, "terminated"), [*steps[:2], job(4, live)], moment) is None
    assert waiting.saw(run(1, "terminated"), [*steps[:2], job(4, "canceled")], 30) is End.OVER


def test_a_branch_that_ended_by_itself_may_lead_on_although_its_run_was_cancelled() -> None:
    waiting = watch()
    steps = [job(3, "canceled"), job(4, "finished")]
    assert waiting.saw(run(1, "terminated"), steps, 0) is None
    assert waiting.saw(run(1, "started", "canceled"), [*steps, job(5, "ready")], 2) is None
    assert waiting.saw(run(1, "terminated"), [*steps, job(5, "finished")], 4) is None
    assert waiting.saw(run(1, "terminated"), [*steps, job(5, "finished")], 4 + SETTLING) is End.OVER


def test_a_stuck_workflow_job_ends_after_the_settling_period() -> None:
    waiting = watch()
    steps = [job(2, "finished"), job(3, "terminated", "error")]
    assert waiting.saw(run(1), steps, 100) is None
    assert waiting.saw(run(1), steps, 100 + SETTLING - 0.1) is None
    assert waiting.saw(run(1), steps, 100 + SETTLING) is End.OVER


def test_settling_begins_anew_with_each_live_step() -> None:
    waiting = watch()
    dead = job(3, "terminated", "error")
    assert waiting.saw(run(1), [dead], 0) is None
    assert waiting.saw(run(1), [dead, job(4, "assigned")], 4) is None
    assert waiting.saw(run(1), [dead, job(4, "finished")], SETTLING + 1) is None
    assert waiting.saw(run(1), [dead, job(4, "finished")], 2 * SETTLING + 1) is End.OVER


def test_a_run_that_never_ends_is_judged_by_its_steps() -> None:
    waiting = watch(ends_itself=False)
    assert waiting.saw(run(1), [], 0) is None
    assert waiting.saw(run(1), [], 100) is None
    assert waiting.saw(run(1), [job(2, "finished")], 101) is None
    assert waiting.saw(run(1), [job(2, "finished")], 101 + SETTLING) is End.OVER


def test_quick_steps_seen_only_between_each_other_are_no_end() -> None:
    waiting = watch(ends_itself=False)
    for count in range(1, 40):
        steps = [job(number, "finished") for number in range(2, 2 + count)]
        assert waiting.saw(run(1), steps, count * SETTLING) is None
    waiting.failed(NoAnswer("down"), 39.5 * SETTLING)
    assert waiting.saw(run(1), [*steps, job(99, "finished")], 45 * SETTLING) is None
    assert waiting.saw(run(1), [*steps, job(99, "finished")], 46 * SETTLING) is End.OVER


@pytest.mark.parametrize(("interval", "settling"), [(0.1, 5.0), (2.0, 6.0), (60.0, 180.0)])
def test_settling_takes_a_few_looks(interval: float, settling: float) -> None:
    assert WaitRules(poll_interval=interval).settling == settling


# --- errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", TROUBLE, ids=lambda error: type(error).__name__)
def test_trouble_ends_a_wait_only_after_both_limits(error: TheEyeError) -> None:
    rules = WaitRules(max_failures=3, failure_seconds=100)
    often = watch(rules)
    assert [often.failed(error, 0.1 * n) for n in range(50)] == [None] * 50
    long = watch(rules)
    assert [long.failed(error, 1000.0 * n) for n in range(4)] == [None, None, None, End.UNREACHABLE]
    assert often.failed(error, 100.0) is None
    assert often.failed(error, 100.1) is End.UNREACHABLE


def test_an_answer_forgives_all_trouble() -> None:
    waiting = watch(WaitRules(max_failures=3, failure_seconds=100))
    for start in range(0, 10_000, 1000):
        assert [waiting.failed(TROUBLE[0], start + n) for n in (0, 50, 101)] == [None] * 3
        assert waiting.saw(job(1, "assigned"), [], start + 200) is None
        assert waiting.error is None
    assert waiting.take_notes()[-1] == f"TheEye answers again after 3 failed looks at job {ident(1)}"


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: type(error).__name__)
def test_a_refusal_is_tolerated_for_a_while(error: TheEyeError) -> None:
    """A token is replaced, a role or a proxy is put right."""
    rules = WaitRules(refusal_seconds=60)
    waiting = watch(rules)
    assert [waiting.failed(error, moment) for moment in (0, 30, 59.9, 60)] == [None, None, None, End.REFUSED]
    renewed = watch(rules)
    assert renewed.failed(error, 0) is None
    assert renewed.saw(job(1), [], 30) is None
    assert renewed.failed(error, 61) is None


@pytest.mark.parametrize("error", [ForeignJob("job 1 belongs to 'b'"), TooLarge("more than 64 MiB")], ids=str)
def test_what_is_found_wrong_with_one_job_for_certain_ends_its_wait(error: TheEyeError) -> None:
    assert watch().failed(error, 0) is End.REFUSED


def test_a_connection_that_leads_elsewhere_is_neither_refused_nor_gone() -> None:
    waiting = watch(WaitRules(refusal_seconds=60))
    assert [waiting.failed(WrongPlace("moved"), moment) for moment in (0, 59.9, 60)] == [None, None, End.MOVED]


def test_the_deadline_ends_a_wait_that_is_refused() -> None:
    assert watch().failed(REFUSALS[0], 1000) is End.DEADLINE


def test_an_unknown_token_is_tolerated_after_other_trouble_too() -> None:
    waiting = watch(WaitRules(refusal_seconds=60))
    assert waiting.failed(TROUBLE[0], 0) is None
    assert waiting.failed(AuthenticationFailed("401"), 300) is None
    assert waiting.failed(AuthenticationFailed("401"), 360) is End.REFUSED


def test_the_deadline_ends_a_wait_in_trouble_after_a_look() -> None:
    waiting = watch()
    assert waiting.failed(TROUBLE[0], 999) is None
    assert waiting.failed(TROUBLE[0], 1000) is End.DEADLINE


# --- delays -------------------------------------------------------------------------------------------------------


def test_looks_come_soon_at_first_and_then_at_the_interval() -> None:
    waiting = watch(WaitRules(poll_interval=2.0))
    delays = []
    for moment in range(6):
        delays.append(waiting.delay(moment))
        waiting.saw(job(1), [], moment)
    assert delays[0] == FIRST_LOOK
    assert delays == sorted(delays)
    assert delays[-1] == 2.0


def test_a_wait_may_be_as_long_as_it_likes() -> None:
    waiting = watch(WaitRules(poll_interval=2.0))
    waiting.looks = 10_000_000
    assert waiting.delay(0) == 2.0


@pytest.mark.parametrize("interval", [0.2, 2.0, 60.0, 600.0])
def test_trouble_makes_looks_rarer_never_more_frequent(interval: float) -> None:
    waiting = watch(WaitRules(poll_interval=interval))
    delays = []
    for moment in range(30):
        waiting.failed(TROUBLE[0], moment)
        delays.append(waiting.delay(moment))
    assert delays == sorted(delays)
    assert delays[0] >= interval
    assert delays[-1] == max(LONGEST_PAUSE, interval)
    assert LONGEST_PAUSE < 10


@pytest.mark.parametrize(
    ("asked", "delay"), [(0.0, 2.0), (30.0, 30.0), (500.0, 500.0), (1e12, LONGEST_ASKED_PAUSE), (None, 2.0)]
)
def test_retry_after_is_honoured(asked: float | None, delay: float) -> None:
    waiting = watch(WaitRules(poll_interval=2.0))
    waiting.failed(RateLimited("429", retry_after=asked), 0)
    assert waiting.delay(0) == delay


def test_one_rule_says_when_to_ask_again() -> None:
    assert [backed_off(0.5, failures) for failures in range(1, 8)] == [0.5, 1, 2, 4, 8, 8, 8]
    assert backed_off(300, 5) == 300
    assert backed_off(10, 1, 77) == 77
    assert backed_off(10, 1, 1e9) == LONGEST_ASKED_PAUSE


@pytest.mark.parametrize("set_by", [-3600.0, 3600.0])
def test_a_clock_that_is_set_changes_deadlines_alone(set_by: float) -> None:
    """Neither a pause nor a period of grace goes by it."""
    waiting = JobWatch(ident(1), WaitRules(poll_interval=2.0, max_failures=1, failure_seconds=100))
    assert waiting.failed(RateLimited("429", retry_after=30), Instant(5000, 10)) is None
    assert waiting.pause(Instant(5000 + set_by, 15)) == 25
    for moment in (20, 60, 109):
        assert waiting.failed(Unavailable("503"), Instant(5000 + set_by, moment)) is None
    assert waiting.failed(Unavailable("503"), Instant(5000 + set_by, 111)) is End.UNREACHABLE
    refused = JobWatch(ident(1), WaitRules())
    assert refused.failed(Forbidden("403"), Instant(5000, 10)) is None
    assert refused.failed(Forbidden("403"), Instant(5000 + set_by, 12)) is None
    assert refused.failed(Forbidden("403"), Instant(5000 + set_by, 70)) is End.REFUSED
    polling = JobWatch(ident(1), WaitRules(poll_interval=2.0))
    assert polling.rest(Instant(5000, 10), Instant(5000 + set_by, 11)) == 1.0
    stuck = JobWatch(ident(1), WaitRules(poll_interval=2.0))
    dead = [job(2, "terminated", "error")]
    assert stuck.saw(run(1), dead, Instant(5000, 10)) is None
    assert stuck.saw(run(1), dead, Instant(5000 + set_by, 12)) is None
    assert stuck.saw(run(1), dead, Instant(5000 + set_by, 16)) is End.OVER


def test_no_delay_goes_beyond_the_deadline() -> None:
    waiting = watch()
    waiting.failed(RateLimited("429", retry_after=900), 990)
    assert waiting.delay(990) == 10
    waiting.saw(job(1), [], 999.5)
    assert waiting.delay(999.5) == 0.5


# --- notes --------------------------------------------------------------------------------------------------------


def test_steps_are_told_once_each_in_order_with_their_host() -> None:
    waiting = watch(hosts={ident(70): "host-a"})
    one, two = {"task_id": ident(70)}, {"task_id": ident(71)}
    waiting.saw(run(1, "ready"), [job(2, "ready", **one)], 0)
    waiting.saw(run(1, "ready"), [job(2, "ready", **one)], 1)
    waiting.saw(run(1), [job(3, "ready", **two), job(2, "finished", "failure", **one)], 2)
    assert waiting.workflow_id == ident(900)
    first = waiting.take_notes()
    waiting.saw(run(1, "finished"), [job(3, "finished", **two), job(2, "finished", "failure", **one)], 3)
    assert first == [
        f"TheEye job {ident(1)} is queued (ready)",
        f"step 'job 2' (job {ident(2)}) is ready on host-a",
        f"TheEye job {ident(1)} is started",
        f"step 'job 2' (job {ident(2)}) is finished/failure on host-a",
        f"step 'job 3' (job {ident(3)}) is ready",
    ]
    assert waiting.take_notes() == [
        f"step 'job 3' (job {ident(3)}) is finished/success",
        f"TheEye job {ident(1)} is finished/success",
    ]
    assert waiting.take_notes() == []


# --- a long poll --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("began", "now", "rest"),
    [
        (0.0, 500.0, 0.0),  # TheEye held its answer back
        (500.0, 500.0, 2.0),  # it, or a proxy, answered at once
        (500.0, 500.5, 1.5),
        (999.0, 999.5, 0.5),  # the deadline is near
        (1000.0, 1000.0, 2.0),
    ],
)
def test_rounds_of_a_long_poll_are_as_far_apart_as_looks(began: float, now: float, rest: float) -> None:
    waiting = watch()
    assert waiting.rest(began, now) == rest
    waiting.failed(Unavailable("500"), now)
    assert waiting.rest(began, now) == waiting.delay(now)


def test_what_was_looked_for_and_found_is_a_young_wait_without_trouble() -> None:
    waiting = watch()
    for _ in range(5):
        waiting.failed(Unavailable("500"), 0.0)
    waiting.found(ident(2))
    assert (waiting.job_id, waiting.error, waiting.delay(0.0)) == (ident(2), None, FIRST_LOOK)
