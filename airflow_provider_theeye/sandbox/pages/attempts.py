"""The attempts of a job: TheEye starts one again that is over, under the same id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..job import Job, Moment
from ..lifecycle import LIVE, OVER
from .look import Look, of_moment
from .show import Time, duration, times


@dataclass(frozen=True)
class Attempt:
    """One of them, from its first moment to its last; it has `ended` unless it lives."""

    began: float
    last: Moment

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.last.lifecycle in OVER

    @property
    def look(self) -> Look:
        """How it ended, or how it is."""
        return of_moment(self.last)


def begins_again(before: Moment | None, moment: Moment) -> bool:
    """Whether a new attempt begins: what was over lives again."""
    return before is not None and before.lifecycle in OVER and moment.lifecycle in LIVE


def of_history(history: Sequence[Moment]) -> list[Attempt]:
    """All attempts, oldest first."""
    found: list[Attempt] = []
    for before, moment in zip([None, *history], history, strict=False):
        first = before is None or begins_again(before, moment)
        began = moment.at if first else found.pop().began
        found.append(Attempt(began, moment))
    return found


def began(job: Job) -> float:
    """When the newest attempt began."""
    return of_history(job.history)[-1].began


def restarts(job: Job) -> int:
    """How often a job was started again."""
    return len(of_history(job.history)) - 1


def again(job: Job) -> str:
    """How often a job was started again, when last, and how it had ended before; nothing if it never was.

    A run is not started again itself, and its words do not tell how it had ended.
    """
    *earlier, newest = of_history(job.history)
    if not earlier:
        return ""
    often = f"{times(len(earlier))}, last" if len(earlier) > 1 else "once,"
    when = f"{often} at {Time.at(newest.began).clock}"
    return f"opened again {when}" if job.is_run else f"started again {when}; before: {earlier[-1].look.word}"


@dataclass(frozen=True)
class AttemptRow:
    """An attempt in a table."""

    number: int
    look: Look
    began: Time
    took: str


def rows(job: Job, now: float) -> list[AttemptRow]:
    """All attempts, newest first; none if there is but one."""
    found = of_history(job.history)
    if len(found) == 1:
        return []
    shown = [
        AttemptRow(number, one.look, Time.at(one.began), duration((one.last.at if one.ended else now) - one.began))
        for number, one in enumerate(found, 1)
    ]
    return shown[::-1]
