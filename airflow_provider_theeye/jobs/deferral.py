"""When a wait moves from the worker to the triggerer, and when it may come back.

Airflow's scheduler learns from the task instance's row that a task was deferred, and from its executor, later, that the
process that deferred it has ended. If the task is queued again before the latter, the scheduler takes the end of the
first process for the end of the second one and fails the task (apache/airflow #66374, #71580): "executor reported that
the task instance finished with state success, but the task instance's state attribute is queued". Nothing that a task
or a trigger can ask tells them whether the scheduler has heard of that end.
"""

from __future__ import annotations

__all__ = ["PATIENCE", "earliest_return", "hold_back"]

#: Seconds for which a task waits in the worker before it is deferred. To go on after a deferral takes a second process,
#: whose start takes about as long.
PATIENCE = 5.0
#: Seconds in which the first process ends, its log is stored and the scheduler comes round to its executor's results …
_SCHEDULER_SECONDS = 10.0
#: … and the longest time in seconds for which an event is held back, also if the clocks of two machines differ.
_LONGEST_HOLD = 60.0


def earliest_return(deferred: float, exit_seconds: float, age: float) -> float:
    """The time from which on an event may bring a task back that was deferred at ``deferred``.

    :param exit_seconds: how long a worker's supervisor may take to notice that its process has ended.
    :param age: seconds since the task's process was started. Where a start takes long, so does an end.
    """
    return deferred + min(_LONGEST_HOLD, exit_seconds + max(_SCHEDULER_SECONDS, age))


def hold_back(earliest: float | None, now: float) -> float:
    """Seconds for which an event that is there now is held back."""
    return 0.0 if earliest is None else min(_LONGEST_HOLD, max(0.0, earliest - now))
