"""The stage sees each way in which a promise can be broken."""

from __future__ import annotations

from tests.production.counting import JobSeen, Promise, Work, tally

DONE = JobSeen("finished", "success", 1)
LIVE = JobSeen("assigned", "in_progress", 1)
CANCELLED = JobSeen("terminated", "canceled", 1)
HELD = JobSeen("syncing", "in_progress", 0)
SUCCEEDS, WAITS, CANCELS, AGAIN = (
    Promise("succeeded"),
    Promise("waiting"),
    Promise("cancelled"),
    Promise("succeeded", 2),
)


def sums(promise: Promise, state: str, *jobs: JobSeen, has_result: bool = True) -> tuple[int, int, int, bool]:
    found = tally([(promise, [Work("deferred-0", state, has_result, jobs)])])
    return found.doubled, found.lost, found.left_running, found.is_kept


def test_what_is_promised() -> None:
    assert sums(SUCCEEDS, "success", DONE) == (0, 0, 0, True)
    assert sums(SUCCEEDS, "success", HELD, DONE) == (0, 0, 0, True)
    assert sums(WAITS, "deferred", LIVE) == (0, 0, 0, True)
    assert sums(CANCELS, "failed", CANCELLED) == (0, 0, 0, True)
    assert sums(AGAIN, "success", CANCELLED, DONE) == (0, 0, 0, True)


def test_started_twice() -> None:
    assert sums(SUCCEEDS, "success", CANCELLED, DONE) == (1, 0, 0, False)
    assert sums(SUCCEEDS, "success", JobSeen("finished", "success", 2)) == (1, 0, 0, False)
    assert sums(AGAIN, "success", CANCELLED, CANCELLED, DONE) == (1, 0, 0, False)


def test_lost() -> None:
    assert sums(SUCCEEDS, "failed", DONE) == (0, 1, 0, False)
    assert sums(SUCCEEDS, "success", DONE, has_result=False) == (0, 1, 0, False)
    assert sums(SUCCEEDS, "failed", CANCELLED) == (0, 1, 0, False)
    assert sums(WAITS, "deferred", DONE) == (0, 1, 0, False)
    assert sums(WAITS, "failed", CANCELLED) == (0, 1, 0, False)


def test_left_running() -> None:
    assert sums(CANCELS, "failed", LIVE) == (0, 1, 1, False)
    assert sums(SUCCEEDS, "failed", LIVE) == (0, 1, 1, False)
    assert sums(AGAIN, "success", LIVE, DONE) == (0, 0, 1, False)


def test_a_clear_that_runs_nothing() -> None:
    assert sums(AGAIN, "success", DONE) == (0, 0, 0, False)


def test_nothing_at_all() -> None:
    assert sums(SUCCEEDS, "success") == (0, 0, 0, False)
