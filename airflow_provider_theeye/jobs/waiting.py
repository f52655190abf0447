"""Waiting for a job's end: when to look, when to stop, what to say meanwhile.

A ``JobWatch`` is fed with what a look brought (rows, an error, or that the job was not found) and the time, and answers
whether the wait is over. The synchronous loop in a worker and the shared poll in the triggerer feed the same object.
Deadlines are epoch seconds, so that a wait goes on in another process where it was left; all else goes by a clock that
nobody can set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from airflow_provider_theeye.api.errors import RateLimited, TheEyeError, WrongPlace
from airflow_provider_theeye.jobs.verdict import last_step, newest_of_each_task
from airflow_provider_theeye.options import POLL_FAILURE_TOLERANCE, POLL_INTERVAL

if TYPE_CHECKING:
    from airflow_provider_theeye.api.models import Job
    from airflow_provider_theeye.jobs.clocks import Instant

__all__ = ["FIRST_LOOK", "End", "JobWatch", "WaitRules", "backed_off"]

#: Seconds until the first look; short jobs are over soon.
FIRST_LOOK = 0.5
#: Of a workflow job: no host has taken its first step. One that was held says syncing until then, also after its
#: release; on hold it waits for an earlier run, not for a person.
QUEUED = frozenset({"ready", "onhold", "syncing"})
#: Longest time in seconds between two looks while TheEye is in trouble, unless it asks for more itself: once it answers
#: again, all waits shall know it within ten seconds …
LONGEST_PAUSE = 8.0
#: … and the longest that it is believed.
LONGEST_ASKED_PAUSE = 3600.0
#: Seconds to leave it in peace if it does not say for how long.
UNTOLD_PAUSE = 1.0
#: Clocks and sleeps are no more exact than this, in seconds.
INEXACT = 0.01
#: Looks after which a wait is not young any more. More of them would overflow a float after an hour or so.
YOUNG_LOOKS = 30


class End(str, Enum):
    """Why a wait is over."""

    OVER = "over"
    REACHED = "reached"
    GONE = "gone"
    DEADLINE = "deadline"
    NOT_TAKEN = "not_taken"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    MOVED = "moved"


@dataclass(frozen=True)
class WaitRules:
    """How to wait.

    :param poll_interval: seconds between two looks.
    :param deadline: epoch seconds after which the wait is over, ``None`` for never.
    :param queue_deadline: the same for a job that no host has taken.
    :param max_failures: looks in a row that may fail …
    :param failure_seconds: … and for how long; both must be exceeded before the wait is given up.
    :param refusal_seconds: how long a refusal is tolerated: a token is replaced in the connection, a role or a proxy
        is put right.
    :param targets: lifecycles that are enough, besides those of a job that is over.
    """

    poll_interval: float = POLL_INTERVAL
    deadline: float | None = None
    queue_deadline: float | None = None
    max_failures: int = 10
    failure_seconds: float = POLL_FAILURE_TOLERANCE
    refusal_seconds: float = 60.0
    targets: frozenset[str] = frozenset()

    @property
    def settling(self) -> float:
        """Seconds for which a workflow job without any live step is still given the benefit of the doubt."""
        return max(5.0, 3 * self.poll_interval)


@dataclass
class JobWatch:
    """One wait for one job.

    :param is_workflow: as far as known before the first look.
    :param hosts: names of hosts by task id, for the notes about a workflow job's steps.
    :param ends_itself: ``False`` for runs of workflows of version 1, which never end and are judged by their steps;
        ``None`` if that is yet to be found out.
    :param workflow_id: of a workflow job, known from the first look on.
    :param job: its row at the last look that brought one.
    """

    job_id: str
    rules: WaitRules
    is_workflow: bool = False
    hosts: Mapping[str, str] = field(default_factory=dict)
    ends_itself: bool | None = True
    workflow_id: str | None = None
    job: Job | None = None
    notes: list[str] = field(default_factory=list)
    error: TheEyeError | None = None
    looks: int = 0
    _failures: int = 0
    _not_before: float = 0.0
    _failing_since: float | None = None
    _refused_since: float | None = None
    _queued: bool = False
    _quiet_steps: frozenset[str] = frozenset()
    _quiet_since: float | None = None
    _seen: dict[str, str] = field(default_factory=dict)

    def saw(self, job: Job, steps: Sequence[Job], now: Instant) -> End | None:
        """Take in a row of the job and, for a workflow job, the rows of its steps so far."""
        over = self._is_over(job, steps, now)
        if over:
            self.looks += 1  # its whole document is still to be read, and failing at that is failing again
        else:
            self._answered()
        self.job = job
        self.is_workflow = job.is_workflow
        self.workflow_id = job.workflow_id if job.is_workflow else None
        if not job.is_over:
            self._note_job(job)
        for step in sorted(steps, key=lambda step: step.created or ""):
            self._note_step(step)
        if job.is_over:
            self._note_job(job)
        if over:
            return End.OVER
        if job.lifecycle in self.rules.targets:
            return End.REACHED
        self._queued = self._waits_for_host(job, steps)
        return self._out_of_time(now)

    def saw_no_change(self, now: Instant) -> End | None:
        """Take in that a job, no workflow job, has the lifecycle and state that it had at the last look."""
        self._answered()
        return self._out_of_time(now)

    def _out_of_time(self, now: Instant) -> End | None:
        if self._is_late(now):
            return End.DEADLINE
        if self._queued and self.rules.queue_deadline is not None and now.epoch >= self.rules.queue_deadline:
            return End.NOT_TAKEN
        return None

    def _is_late(self, now: Instant) -> bool:
        return self.rules.deadline is not None and now.epoch >= self.rules.deadline

    def waited(self, now: Instant) -> End | None:
        """Take in an answer that says nothing new, as that of a long poll that ended before the job did."""
        self._answered()
        return End.DEADLINE if self._is_late(now) else None

    def found(self, job_id: str) -> None:
        """Take in that there is a job now to wait for."""
        self._answered()
        self.job_id = job_id
        self.looks = 0

    def missed(self) -> End:
        """Take in that the job was not found, twice, by its id."""
        self._answered()
        return End.GONE

    def failed(self, error: TheEyeError, now: Instant) -> End | None:
        """Take in that a look brought no answer. One that a later look may mend is tolerated for a while."""
        self.looks += 1
        self.error = error
        self._failures += 1
        if self._failing_since is None:
            self._failing_since = now.steady
        wants_peace = isinstance(error, RateLimited)
        self._not_before = now.steady + min(self._asked(), LONGEST_ASKED_PAUSE) if wants_peace else 0.0
        if error.transient:
            self._refused_since = None
            if self._is_late(now):
                return End.DEADLINE
            too_often = self._failures > self.rules.max_failures
            too_long = now.steady - self._failing_since > self.rules.failure_seconds
            return End.UNREACHABLE if too_often and too_long else None
        if self._refused_since is None:
            self._refused_since = now.steady
        if error.lasting or now.steady - self._refused_since >= self.rules.refusal_seconds:
            return End.MOVED if isinstance(error, WrongPlace) else End.REFUSED
        return End.DEADLINE if self._is_late(now) else None

    @property
    def is_refused(self) -> bool:
        """Whether TheEye refused the last look, which is tolerated for a while."""
        return self._refused_since is not None

    def pause(self, now: Instant) -> float:
        """Seconds for which TheEye asked not to be asked; a deadline in that time passes without another look."""
        left = self._not_before - now.steady if isinstance(self.error, RateLimited) else 0.0
        return left if left > INEXACT else 0.0

    def delay(self, now: Instant) -> float:
        """Seconds until the next look: soon for a young wait, then the interval, longer while TheEye is in trouble."""
        interval = self.rules.poll_interval
        delay = min(interval, FIRST_LOOK * 1.5 ** min(self.looks, YOUNG_LOOKS))
        if self._failures:
            delay = max(delay, backed_off(interval, self._failures, self._asked()))
        return self._until_deadline(delay, now)

    def rest(self, began: Instant, now: Instant) -> float:
        """The same after a long poll that began then: none, as TheEye itself holds its answers back.

        But a server or proxy that answers at once must not be asked at full speed.
        """
        if self.error is not None:
            return self.delay(now)
        rest = max(0.0, began.steady + self.rules.poll_interval - now.steady)
        return self._until_deadline(rest, now)

    def _until_deadline(self, seconds: float, now: Instant) -> float:
        left = None if self.rules.deadline is None else self.rules.deadline - now.epoch
        return seconds if left is None or left <= 0 else min(seconds, left)

    def take_notes(self) -> list[str]:
        """What happened since the last time, one sentence each, for the task's log."""
        notes, self.notes = self.notes, []
        return notes

    def _asked(self) -> float:
        """Seconds for which TheEye wanted to be left alone when it answered last."""
        untold = UNTOLD_PAUSE if isinstance(self.error, RateLimited) else 0.0
        return (self.error.retry_after if self.error is not None else None) or untold

    def _answered(self) -> None:
        self.looks += 1
        if self._failures:
            self.notes.append(f"TheEye answers again after {self._failures} failed looks at job {self.job_id}")
        self._failures, self._failing_since, self._refused_since, self.error = 0, None, None, None

    def _is_over(self, job: Job, steps: Sequence[Job], now: Instant) -> bool:
        if not job.is_workflow:
            return job.is_over
        if any(not step.is_over for step in steps):
            # A branch may go on after the run itself was marked as cancelled (CONTRACT: workflows).
            self._quiet_since = None
            return False
        if job.is_over and not _may_go_on(job, steps):
            return True
        broken = any(step.state == "error" for step in newest_of_each_task(steps))
        if not job.is_over and (not steps or not (broken or self.ends_itself is False)):
            return False
        known = frozenset(step.id for step in steps)
        if self._quiet_since is None or known != self._quiet_steps:
            # Another step since the last look: that was a moment between two steps.
            self._quiet_since, self._quiet_steps = now.steady, known
        return now.steady - self._quiet_since >= self.rules.settling

    @property
    def settles(self) -> bool:
        """Whether all that lives of a workflow job is over, and it is not yet known whether anything will follow."""
        return self._quiet_since is not None

    @staticmethod
    def _waits_for_host(job: Job, steps: Sequence[Job]) -> bool:
        """Whether no host has taken it. A workflow job on hold waits for an earlier run, not for a person."""
        if job.is_workflow:
            return job.lifecycle in QUEUED and all(step.lifecycle == "ready" for step in steps)
        return job.lifecycle == "ready"

    def _note_job(self, job: Job) -> None:
        if self._changed(job):
            self.notes.append(f"TheEye job {job.id} is {_word(job)}{_waits_for_person(job)}")

    def _note_step(self, step: Job) -> None:
        if not self._changed(step):
            return
        host = self.hosts.get(step.task_id or "")
        where = f" on {host}" if host else ""
        self.notes.append(f"step {step.name!r} (job {step.id}) is {_word(step)}{where}{_waits_for_person(step)}")

    def _changed(self, job: Job) -> bool:
        word = _word(job)
        if self._seen.get(job.id) == word:
            return False
        self._seen[job.id] = word
        return True


def backed_off(interval: float, failures: int, asked: float | None = None) -> float:
    """Seconds until TheEye is asked again after so many failures in a row, in workers and in the triggerer.

    :param interval: between two looks if there is no trouble.
    :param asked: for how long TheEye itself wants to be left alone.
    """
    grown: float = min(max(LONGEST_PAUSE, interval), interval * 2 ** min(failures - 1, 10))
    return max(grown, min(asked or 0.0, LONGEST_ASKED_PAUSE))


def _may_go_on(run: Job, steps: Sequence[Job]) -> bool:
    """Whether a cancelled workflow job had a branch that nobody cancelled and that has ended by itself just now."""
    last = last_step(steps)
    return run.state == "canceled" and last is not None and last.state != "canceled"


def _waits_for_person(job: Job) -> str:
    """Who must do something before the job goes on, and since when. A workflow job on hold is queued."""
    if job.lifecycle != "onhold" or job.is_workflow:
        return ""
    since = f" since {job.created}" if job.created else ""
    if job.kind == "ApprovalJob":
        named = f" ({', '.join(job.approvers)})" if job.approvers else ""
        return f" and waits for one of its approvers{named}{since}"
    named = f" ({', '.join(job.assigned_users)})" if job.assigned_users else ""
    return f" and waits for somebody{named} to give its input in TheEye{since}"


def _word(job: Job) -> str:
    if job.is_over:
        return f"{job.lifecycle}/{job.state}"
    queued = job.is_workflow and job.lifecycle in QUEUED
    return f"queued ({job.lifecycle})" if queued else job.lifecycle
