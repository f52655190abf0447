"""When a wait moves to the triggerer, and when it may come back."""

from __future__ import annotations

import pytest

from airflow_provider_theeye.jobs.deferral import earliest_return, hold_back


def test_an_event_waits_for_supervisor_and_scheduler() -> None:
    """The supervisor may take its interval to see the process's end, and the scheduler a while to hear of it."""
    deferred = 1000.0
    assert hold_back(earliest_return(deferred, 5.0, 2.0), deferred + 1.0) == 14.0
    assert hold_back(earliest_return(deferred, 30.0, 2.0), deferred + 1.0) == 39.0


def test_an_event_waits_longer_where_everything_takes_longer() -> None:
    deferred = 1000.0
    assert hold_back(earliest_return(deferred, 5.0, 37.0), deferred + 1.0) == 41.0
    assert hold_back(earliest_return(deferred, 5.0, 4000.0), deferred + 1.0) == 59.0


@pytest.mark.parametrize(
    ("earliest", "now", "held"),
    [
        pytest.param(None, 1000.0, 0.0, id="deferred by an older release"),
        pytest.param(1000.0, 5000.0, 0.0, id="a long job"),
        pytest.param(1000.0, 1000.0, 0.0, id="just old enough"),
        pytest.param(5000.0, 1000.0, 60.0, id="the worker's clock is ahead"),
    ],
)
def test_how_long_an_event_is_held_back(earliest: float | None, now: float, held: float) -> None:
    assert hold_back(earliest, now) == held
