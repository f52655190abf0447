"""What became of each task and its jobs, told by Airflow's REST API and TheEye, and what was promised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: What a task that has a job can be in while nothing is wrong.
UNFINISHED = ("deferred", "running", "queued", "scheduled", "up_for_retry", "restarting", "up_for_reschedule")


@dataclass(frozen=True)
class JobSeen:
    """One job in TheEye."""

    lifecycle: str
    state: str
    started: int

    @property
    def is_live(self) -> bool:
        # A held job is given to no host, and so never runs.
        return self.lifecycle not in ("finished", "terminated", "canceled", "syncing")

    @property
    def is_cancelled(self) -> bool:
        return not self.is_live and self.state == "canceled"


@dataclass(frozen=True)
class Work:
    """One mapped task, and its jobs in the order in which they were made.

    :param state: the task's in Airflow.
    :param has_result: whether the task's XCom is what the script answered.
    """

    name: str
    state: str
    has_result: bool
    jobs: Sequence[JobSeen]

    @property
    def starts(self) -> int:
        return sum(job.started for job in self.jobs)

    @property
    def end(self) -> str:
        """In a word, how it stands with both."""
        if self.state == "success":
            return "succeeded" if self.has_result else "success without result"
        if self.state in UNFINISHED:
            return "waiting" if self.jobs and self.jobs[-1].is_live else f"{self.state} without a live job"
        if self.state == "failed" and self.jobs and all(job.is_cancelled for job in self.jobs):
            return "cancelled"
        return self.state

    @property
    def left_running(self) -> int:
        """Jobs that run although no task waits for them: all of a task that is over, the older ones of others."""
        nobody_waits = self.jobs[:-1] if self.state in UNFINISHED else self.jobs
        return sum(job.is_live for job in nobody_waits)


@dataclass(frozen=True)
class Promise:
    """What is promised of some tasks.

    :param end: as `Work.end` says it.
    :param starts: how often the script of each runs; more than once only if a user wants it to run again.
    """

    end: str
    starts: int = 1


@dataclass(frozen=True)
class Tally:
    """The sums of a row."""

    expected: Counter[str]
    seen: Counter[str]
    doubled: int
    not_started: int
    lost: int
    left_running: int

    @property
    def is_kept(self) -> bool:
        return not (self.doubled or self.not_started or self.lost or self.left_running) and self.seen == self.expected


def tally(promised: Iterable[tuple[Promise, Sequence[Work]]]) -> Tally:
    """Compare each task with what is promised of it."""
    pairs = [(promise, work) for promise, all_work in promised for work in all_work]
    return Tally(
        expected=Counter(promise.end for promise, _ in pairs),
        seen=Counter(work.end for _, work in pairs),
        doubled=sum(max(0, work.starts - promise.starts) for promise, work in pairs),
        not_started=sum(max(0, promise.starts - work.starts) for promise, work in pairs),
        lost=sum(work.end != promise.end for promise, work in pairs),
        left_running=sum(work.left_running for _, work in pairs),
    )


def in_words(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "nothing"
