"""Whatever comes in whatever order: rules of every wait, over histories that nobody thought of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_theeye.api.errors import AuthenticationFailed, NoAnswer, RateLimited, TheEyeError, Unavailable
from airflow_provider_theeye.api.models import LIVE, OVER, Job
from airflow_provider_theeye.jobs.waiting import LONGEST_ASKED_PAUSE, LONGEST_PAUSE, End, WaitRules

from .documents import OneClock, ident, job, run

LIVE_WORDS = sorted(LIVE - {"started"})


@dataclass(frozen=True)
class Look:
    """One look: how many seconds after the one before, and what it brought."""

    after: float
    job: Job | None = None
    steps: tuple[Job, ...] = ()
    error: TheEyeError | None = None

    def feed(self, watch: OneClock, now: float) -> End | None:
        if self.error is not None:
            return watch.failed(self.error, now)
        return watch.saw(self.job, self.steps, now) if self.job is not None else watch.waited(now)


PAUSES = st.floats(0.01, 400)
TRANSIENT = st.one_of(
    st.just(NoAnswer("closed")),
    st.just(Unavailable("503", status=503)),
    st.builds(lambda asked: RateLimited("429", retry_after=asked), st.none() | st.floats(0, 1e6)),
)
TROUBLE = st.builds(lambda after, error: Look(after, error=error), PAUSES, TRANSIENT)
REFUSED = st.builds(lambda after: Look(after, error=AuthenticationFailed("401")), PAUSES)
LIVE_TASK = st.builds(lambda after, word: Look(after, job(1, word)), PAUSES, st.sampled_from(LIVE_WORDS))
STEPS = st.lists(st.sampled_from([*LIVE_WORDS, *sorted(OVER)]), max_size=4).map(
    lambda words: tuple(job(number, word) for number, word in enumerate(words, 10))
)
LIVE_RUN = st.builds(
    lambda after, word, steps: Look(after, run(1, word), steps), PAUSES, st.sampled_from(sorted(LIVE)), STEPS
)
RULES = st.builds(
    WaitRules,
    poll_interval=st.floats(0.1, 300),
    deadline=st.none() | st.floats(1, 5000),
    queue_deadline=st.none() | st.floats(1, 5000),
    max_failures=st.integers(0, 12),
    failure_seconds=st.floats(0, 700),
)
ENDLESS = RULES.map(lambda rules: WaitRules(rules.poll_interval, None, None, 10**9, 1e12))


def played(watch: OneClock, looks: list[Look], check: Callable[[Look, float, End | None], None]) -> float:
    """Feed looks until one ends the wait. Returns the time then."""
    now = 0.0
    for look in looks:
        now += look.after
        end = look.feed(watch, now)
        check(look, now, end)
        if end is not None:
            break
    return now


@given(ENDLESS, st.lists(TROUBLE | LIVE_TASK | LIVE_RUN, max_size=30), st.sampled_from(sorted(OVER)), PAUSES)
def test_the_next_look_after_the_end_ends_the_wait(
    rules: WaitRules, looks: list[Look], lifecycle: str, after: float
) -> None:
    watch = OneClock(ident(1), rules)
    now = played(watch, looks, lambda look, now, end: None)
    assert watch.saw(job(1, lifecycle), [], now + after) is End.OVER


@given(RULES, st.lists(TROUBLE | LIVE_TASK | LIVE_RUN, max_size=40))
def test_a_live_job_without_broken_steps_ends_a_wait_by_limits_alone(rules: WaitRules, looks: list[Look]) -> None:
    failures, since = 0, 0.0

    def check(look: Look, now: float, end: End | None) -> None:
        nonlocal failures, since
        failures, since = (failures + 1, since if failures else now) if look.error else (0, now)
        assert end in (None, End.DEADLINE, End.NOT_TAKEN, End.UNREACHABLE)
        if end is End.DEADLINE:
            assert rules.deadline is not None
            assert now >= rules.deadline
        elif rules.deadline is not None:
            assert now < rules.deadline
        if end is End.NOT_TAKEN:
            assert rules.queue_deadline is not None
            assert now >= rules.queue_deadline
            assert look.job is not None
            assert look.job.lifecycle in ("ready", "onhold", "syncing")
        exceeded = failures > rules.max_failures and now - since > rules.failure_seconds
        assert (end is End.UNREACHABLE) == (exceeded and end is not End.DEADLINE)

    played(OneClock(ident(1), rules), looks, check)


@given(RULES, st.lists(TROUBLE | REFUSED | LIVE_TASK | LIVE_RUN | st.builds(Look, PAUSES), max_size=40))
def test_delays_are_positive_bounded_and_end_at_the_deadline(rules: WaitRules, looks: list[Look]) -> None:
    watch = OneClock(ident(1), rules)

    def check(look: Look, now: float, end: End | None) -> None:
        delay = watch.delay(now)
        asked = (look.error.retry_after if look.error else None) or 0.0
        assert 0 < delay <= max(rules.poll_interval, LONGEST_PAUSE, min(asked, LONGEST_ASKED_PAUSE))
        if rules.deadline is not None and now < rules.deadline:
            assert now + delay <= rules.deadline * (1 + 1e-12)
        else:
            assert delay >= min(asked, LONGEST_ASKED_PAUSE)
        if look.error:
            assert delay >= min(rules.poll_interval, (rules.deadline or now + 1e9) - now) or now >= rules.deadline

    played(watch, looks, check)


@given(st.lists(REFUSED | LIVE_TASK | TROUBLE, max_size=40), st.floats(0, 300))
def test_a_token_is_refused_only_after_its_time(looks: list[Look], seconds: float) -> None:
    watch = OneClock(ident(1), WaitRules(max_failures=10**9, refusal_seconds=seconds))
    since: float | None = None

    def check(look: Look, now: float, end: End | None) -> None:
        nonlocal since
        refused = isinstance(look.error, AuthenticationFailed)
        since = (now if since is None else since) if refused else None
        assert (end is End.REFUSED) == (since is not None and now - since >= seconds)

    played(watch, looks, check)


@given(st.lists(st.tuples(PAUSES, st.sampled_from(sorted(LIVE)), STEPS), max_size=30))
def test_each_change_is_told_once_and_in_order(history: list[tuple[float, str, tuple[Job, ...]]]) -> None:
    watch = OneClock(ident(1), WaitRules())
    last: dict[str, str] = {}
    for after, word, steps in history:
        watch.saw(run(1, word), steps, after)
        told = watch.take_notes()
        expected = []
        for seen in (run(1, word), *steps):
            now = f"{seen.lifecycle}/{seen.state}" if seen.is_over else seen.lifecycle
            if seen.is_workflow and seen.lifecycle in ("ready", "onhold", "syncing"):
                now = f"queued ({now})"
            if last.get(seen.id) != now:
                expected.append((seen.id, now))
            last[seen.id] = now
        assert len(told) == len(expected)
        assert all(who in line and f" is {what}" in line for line, (who, what) in zip(told, expected, strict=True))


@given(ENDLESS, st.lists(PAUSES, min_size=1, max_size=20), st.booleans())
def test_a_quiet_run_ends_once_it_has_settled_and_not_before(
    rules: WaitRules, pauses: list[float], ends_itself: bool
) -> None:
    watch = OneClock(ident(1), rules, ends_itself=ends_itself)
    step = job(2, "terminated", "error") if ends_itself else job(2, "finished")
    began = pauses[0]
    looks = [Look(after, run(1), (step,)) for after in pauses]

    def check(look: Look, now: float, end: End | None) -> None:
        assert (end is End.OVER) == (now - began >= rules.settling)

    played(watch, looks, check)
