"""An operator's way from a job that runs to its end: wait or defer, then hand over, give up, or say what is wrong."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_theeye.api.errors import TheEyeError
from airflow_provider_theeye.exceptions import (
    JobDeadlineExceeded,
    JobNotTaken,
    ResultTooLarge,
    TheEyeJobError,
    TheEyeSettingsError,
    TheEyeUnreachable,
    cancelled_by_kill,
    gone_error,
    lost_touch_error,
    request_error,
)
from airflow_provider_theeye.handover import CLEARED, retry_is_left, retry_sentence
from airflow_provider_theeye.hooks.wait import read_again, wait, wait_briefly
from airflow_provider_theeye.jobs import deferral
from airflow_provider_theeye.jobs.procedures import drive
from airflow_provider_theeye.jobs.reading import Ended, read_whole
from airflow_provider_theeye.jobs.waiting import QUEUED, End, JobWatch, WaitRules
from airflow_provider_theeye.operators.cancelling import cancel_surely, was_cancelled_here
from airflow_provider_theeye.operators.memory import TaskMemory, memory_of
from airflow_provider_theeye.operators.submitting import Started, Submitter
from airflow_provider_theeye.options import in_brackets
from airflow_provider_theeye.sealing import seal, unseal
from airflow_provider_theeye.triggers.theeye import JobEvent, TheEyeJobTrigger, return_of_a_task_deferred_now

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_theeye.api.models import Job
    from airflow_provider_theeye.operators.base import TheEyeJobOperator

__all__ = ["Follower"]

#: Airflow's own timeout for a deferred task comes so many seconds after ours: a net for a lost trigger only, since it
#: neither looks at the job nor cancels it.
_NET_SECONDS = 600.0
#: What clearing the task does after touch was lost, if the job is remembered, and what the next try does if it is not.
_CLEARED_LATER = "waits for the same job if it still runs, or else starts a new one"
_FORGETFUL = "starts a new job, whatever became of this one"


class Follower:
    """Follows the job of one try of a task."""

    def __init__(self, operator: TheEyeJobOperator, context: Context) -> None:
        self._operator = operator
        self._context = context
        self._kept: set[str] = set()

    @property
    def _memory(self) -> TaskMemory:
        return memory_of(self._operator, self._context)

    def follow(self, started: Started) -> Any:
        """From the job that was started or taken up to its end."""
        job = started.job
        if started.ended is not None:
            return self._finish(started.ended)
        if job.is_over and not job.is_workflow:
            return self._over(job)
        if not self._operator.wait_for_completion:
            self._operator.running = None
            return self._operator.handover(self._context).started(job)
        return self._wait(job, started.submitted)

    def resume(self, event: dict[str, Any]) -> Any:
        """From the trigger's event on."""
        seen = JobEvent.parse(event)
        ended = Ended.parse(seen.ended) if seen.ended else None
        submitted = seen.submitted if seen.submitted is not None else time.time()
        job_secret = unseal(seen.sealed_secret) if seen.sealed_secret else None
        end, problem = seen.end, seen.problem
        self._operator.hook.stay_at(seen.place)
        if ended is not None:
            self._keep(ended)
        if ended is not None and not seen.whole:
            ended = read_again(self._operator.hook, ended, job_secret)
        elif not seen.whole:
            watch = JobWatch(seen.job_id, self._rules(submitted, queued=False), ends_itself=None)
            end, ended, problem = self._wait_here(watch, job_secret)
        return self._conclude(seen.job_id, submitted, end, ended, problem)

    # -- waiting ---------------------------------------------------------------------------------------------------

    def _wait(self, job: Job, submitted: float, *, queued: bool = True) -> Any:
        rules = self._rules(submitted, queued=queued)
        job_secret = self._job_secret(job)
        looked_up = self._looked_up(job.id)
        self._operator.running = job
        watch = JobWatch(job.id, rules, is_workflow=job.is_workflow, **looked_up)
        sealed = self._sealed(job_secret) if self._operator.deferrable else None
        if self._operator.deferrable and (job_secret is None or sealed is not None):
            seen = self._wait_before_deferring(watch, job_secret)
            if seen is None:
                self._defer(job, rules, submitted, sealed, looked_up)
        else:
            seen = self._wait_here(watch, job_secret)
        return self._conclude(job.id, submitted, *seen)

    def _wait_before_deferring(
        self, watch: JobWatch, job_secret: str | None
    ) -> tuple[End, Ended | None, str | None] | None:
        """Whether the job is one of the short ones. A long poll, by its own secret, cannot be so brief."""
        if job_secret is not None:
            return None
        end, ended = wait_briefly(self._operator.hook, watch, deferral.PATIENCE)
        return None if end is None else (end, ended, str(watch.error) if watch.error else None)

    def _wait_here(self, watch: JobWatch, job_secret: str | None) -> tuple[End, Ended | None, str | None]:
        """Wait in this process."""
        end, ended = wait(self._operator.hook, watch, job_secret)
        return end, ended, str(watch.error) if watch.error else None

    def _looked_up(self, job_id: str) -> dict[str, Any]:
        with self._in_touch(job_id):
            return self._operator.watch_options()

    def _defer(
        self, job: Job, rules: WaitRules, submitted: float, sealed_secret: str | None, looked_up: dict[str, Any]
    ) -> NoReturn:
        net = None
        if rules.deadline is not None:
            net = timedelta(seconds=max(0.0, rules.deadline - time.time()) + _NET_SECONDS)
        trigger = TheEyeJobTrigger(
            theeye_conn_id=self._operator.theeye_conn_id,
            job_id=job.id,
            is_workflow=job.is_workflow,
            submitted=submitted,
            poll_interval=rules.poll_interval,
            deadline=rules.deadline,
            queue_deadline=rules.queue_deadline,
            failure_seconds=rules.failure_seconds,
            sealed_secret=sealed_secret,
            cancel_on_kill=self._operator.cancel_on_kill,
            not_before=return_of_a_task_deferred_now(self._context),
            server=self._operator.hook.place.server,
            organization=self._operator.hook.place.organization,
            **looked_up,
        )
        self._operator.running, self._operator.deferred = None, job
        self._operator.defer(trigger=trigger, method_name="execute_complete", timeout=net)

    def _rules(self, submitted: float, *, queued: bool) -> WaitRules:
        timeout, queue_timeout = self._operator.timeout, self._operator.queue_timeout
        return WaitRules(
            poll_interval=self._operator.poll_interval,
            deadline=None if timeout is None else submitted + timeout,
            queue_deadline=None if queue_timeout is None or not queued else submitted + queue_timeout,
            failure_seconds=self._operator.poll_failure_tolerance,
        )

    def _job_secret(self, job: Job) -> str | None:
        """The job's own secret where it is the only way to its result."""
        if self._operator.hook.settings.server.token is not None:
            return None
        if job.secret is None:
            raise TheEyeSettingsError(
                f"TheEye started job {job.id} and gave it no secret of its own (an older server), so without an "
                "integration token nobody can wait for it. Add a token to the connection, or set "
                "wait_for_completion=False",
                job.id,
            )
        return job.secret

    def _sealed(self, job_secret: str | None) -> str | None:
        sealed = seal(job_secret) if job_secret is not None else None
        if job_secret is not None and sealed is None:
            self._operator.log.warning(
                "Waiting in the worker: without a token the trigger needs the job's secret, and Airflow has no "
                "[core] fernet_key to carry it encrypted"
            )
        return sealed

    # -- the end ---------------------------------------------------------------------------------------------------

    def _conclude(self, job_id: str, submitted: float, end: End, ended: Ended | None, problem: str | None) -> Any:
        """The same for a wait in the worker and in the triggerer."""
        if end is End.OVER and ended is not None:
            return self._finish(ended)
        if end is End.GONE:
            return self._gone(job_id)
        if end in (End.UNREACHABLE, End.REFUSED, End.MOVED):
            self._operator.running = None
            message = self._lost_touch(job_id, problem or "no answer", final=end is not End.UNREACHABLE)
            raise lost_touch_error(end, message, job_id, retried=self._memory.lasts)
        return self._late(job_id, submitted, end)

    def _lost_touch(self, job_id: str, problem: str, *, final: bool) -> str:
        """Leave the job alone, and say so."""
        self._memory.leave_alone(job_id)
        if final and not self._memory.lasts:
            next_step = (
                "Airflow does not try again by itself, as that would start a second job: fix this, wait for the job's "
                "end in TheEye or cancel it there, then clear the task."
            )
        else:
            fix = "Fix this before the next try. " if final else ""
            next_step = fix + retry_sentence(
                self._context, self._retry_of_a_live_job(), _CLEARED_LATER if self._memory.lasts else None
            )
        return (
            f"lost touch with TheEye while waiting for job {job_id}: {problem.rstrip('.')}. The job was left alone and "
            f"may still be running. {next_step}"
        )

    def _late(self, job_id: str, submitted: float, end: End) -> Any:
        """A deadline has passed: look once more, then give the job up."""
        if self._operator.hook.settings.server.token is None:  # the long poll that ended just now was the last look
            raise JobDeadlineExceeded(
                f"TheEye job {job_id} was not over within timeout{in_brackets(self._operator.timeout)}. It was left "
                f"running: cancelling needs an integration token. "
                f"{self._after_giving_up()}",
                job_id,
            )
        ended = self._read(job_id)
        if ended is None:
            return self._gone(job_id)
        job = ended.job
        if job.is_over and ended.steps_are_over:
            return self._finish(ended)
        if end is End.NOT_TAKEN and job.lifecycle not in QUEUED:
            self._operator.log.info("A host took TheEye job %s at the last moment: waiting on", job_id)
            return self._wait(job, submitted, queued=False)
        fate = self._give_up(job)
        self._operator.running = None
        if end is End.NOT_TAKEN:
            raise JobNotTaken(
                f"no host took TheEye job {job_id} ({job.name}) within queue_timeout"
                f"{in_brackets(self._operator.queue_timeout)}: is the agent of its host running? {fate} "
                f"{self._after_giving_up()}",
                job_id,
            )
        raise JobDeadlineExceeded(
            f"TheEye job {job_id} ({job.name}) was not over within timeout{in_brackets(self._operator.timeout)}, it is "
            f"{job.lifecycle}. {fate} {self._after_giving_up()}",
            job_id,
        )

    def _give_up(self, job: Job) -> str:
        if not self._operator.cancel_on_timeout:
            return "It was left running (cancel_on_timeout=False)."
        return cancel_surely(self._operator.hook, job)

    def _over(self, job: Job) -> Any:
        """The answer to the creation, or to the first look of a retry, says that the job is over already."""
        token = self._operator.hook.settings.server.token
        ended = Ended(job) if job.state == "error" or token is None else self._read(job.id)
        return self._gone(job.id) if ended is None else self._finish(ended)

    def _finish(self, ended: Ended) -> Any:
        self._operator.running = None
        if was_cancelled_here(ended.job.id) and "canceled" in {one.state for one in (ended.job, *ended.steps)}:
            raise cancelled_by_kill(ended.job)
        self._keep(ended)
        try:
            return self._operator.handover(self._context).finish(ended)
        except TheEyeJobError as error:
            if not ended.job.is_over and not isinstance(error, ResultTooLarge | TheEyeUnreachable):
                # A run that is stuck, or of an old version, never ends: a retry must not wait for it once more.
                self._memory.forget(ended.job.id)
            raise

    def _keep(self, ended: Ended) -> None:
        """Before anything else is done with a job's end: whatever fails then, a retry finds it.

        Clearing the task starts a new job, so without a retry nobody would look.
        """
        if ended.job.id in self._kept or not ended.is_over or not retry_is_left(self._context):
            return
        self._kept.add(ended.job.id)
        document = ended.keepsake(output=self._operator.do_xcom_push)
        if document is not None:
            self._memory.keep_end(ended.job.id, document)

    def _gone(self, job_id: str) -> Any:
        self._operator.running = None
        if self._operator.on_missing == "fail":
            raise gone_error(job_id)
        self._operator.log.warning("TheEye has no record of job %s any more: starting a new one", job_id)
        return self.follow(Submitter(self._operator, self._context, instead_of=job_id).submit())

    def _read(self, job_id: str) -> Ended | None:
        with self._in_touch(job_id):
            return drive(read_whole(job_id), self._operator.hook.run)

    @contextlib.contextmanager
    def _in_touch(self, job_id: str) -> Iterator[None]:
        """For requests about a job that runs: if one fails, the job is left alone."""
        try:
            yield
        except TheEyeError as error:
            self._operator.running = None
            message = self._lost_touch(job_id, str(error), final=not error.transient)
            raise request_error(message, error, job_id, retried=self._memory.lasts) from error

    def _retry_of_a_live_job(self) -> str:
        return "waits for the same job" if self._memory.lasts else _FORGETFUL

    def _after_giving_up(self) -> str:
        if not self._memory.lasts:
            return retry_sentence(self._context, _FORGETFUL)
        return retry_sentence(self._context, "starts a new job if this one is over by then", CLEARED)
