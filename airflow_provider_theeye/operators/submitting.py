"""Submitting, or taking up the job of an earlier try."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_theeye.api.errors import Conflict, TheEyeError
from airflow_provider_theeye.api.exchange import ATTEMPTS
from airflow_provider_theeye.exceptions import TheEyeJobError, TheEyeRefused, gone_error, request_error
from airflow_provider_theeye.handover import retry_sentence
from airflow_provider_theeye.hooks.orders import submission_errors
from airflow_provider_theeye.jobs.cancelling import cancel
from airflow_provider_theeye.jobs.procedures import drive
from airflow_provider_theeye.jobs.reading import Ended, read_whole
from airflow_provider_theeye.jobs.resume import Next, Record, decide
from airflow_provider_theeye.jobs.submission import Order, release, submit, tidy
from airflow_provider_theeye.jobs.verdict import judge_whole
from airflow_provider_theeye.operators.memory import memory_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_theeye.api.call import Call
    from airflow_provider_theeye.api.models import Job
    from airflow_provider_theeye.operators.base import TheEyeJobOperator

__all__ = ["Started", "Submitter"]


@dataclass(frozen=True)
class Started:
    """A job to be followed.

    :param submitted: epoch seconds.
    :param ended: the whole job, if an earlier try started it and it is over by now.
    """

    job: Job
    submitted: float
    ended: Ended | None = None


class Submitter:
    """One try's way to a job."""

    def __init__(self, operator: TheEyeJobOperator, context: Context) -> None:
        self._operator = operator
        self._hook = operator.hook
        self._log = operator.log
        self._context = context
        self._memory = memory_of(operator, context)
        operator.memory = self._memory
        self._generation = f"{getattr(context.get('ti'), 'max_tries', 0)} {operator.retries}"

    def attach_or_submit(self) -> Started:
        """Take up the job of an earlier try, or start a new one."""
        record = self._memory.load()
        if record is None:
            return self.submit()
        with self._typed_errors(record.job_id):
            attached = self._attach(record)
        if attached is not None:
            return attached
        self._operator.running = None
        return self.submit()

    def submit(self) -> Started:
        """Start a new job."""
        with self._typed_errors():
            order = self._operator.make_order()
            self._warn_of_retention(order)
            submitted = time.time()
            job = drive(submit(order, lambda job: self._remember(job, submitted, order)), self._hook.run)
        self._log.info("TheEye job %s (%s) submitted", job.id, job.name)
        if order.held:
            self._tidy(order, job)
        return Started(job, submitted)

    def _warn_of_retention(self, order: Order) -> None:
        """Each creation makes TheEye delete what is over and not among the task's newest (CONTRACT: retention)."""
        ti = self._context.get("ti")
        if order.kept_jobs is not None and getattr(ti, "map_index", -1) >= order.kept_jobs:
            self._log.warning(
                "TheEye keeps only the newest %d jobs of task %s, fewer than there are mapped instances of this task: "
                "the record of a job that ends while others are started may be deleted before its result is read. "
                "Raise the task's autoremove_completed_jobs_limit in TheEye",
                order.kept_jobs,
                order.theeye_id,
            )

    def _remember(self, job: Job, submitted: float, order: Order) -> bool:
        """Whether the next try will find it. A job that runs already must not be lost by what goes wrong here."""
        self._is_ours(job)
        try:
            self._memory.save(Record(job.id, self._generation, submitted, job.is_workflow))
        except Exception:
            if order.held:
                raise  # it never runs, and the next try starts another one
            self._log.warning("TheEye job %s runs and could not be remembered: a retry would start another", job.id)
        try:
            self._operator.handover(self._context).announce(job)
        except Exception as error:
            if order.held:
                raise
            self._log.warning("TheEye job %s runs; Airflow did not take its id and link: %s", job.id, error)
        return self._memory.lasts

    def _is_ours(self, job: Job) -> None:
        """From now on the job is cancelled if the task is killed; at once if that has happened already.

        The process of a killed task goes on for some seconds, and must not let anything run in them.
        """
        self._operator.running = job
        if self._operator.killed:
            self._operator.on_kill()
            raise TheEyeJobError(f"the task was killed while it started TheEye job {job.id}", job.id)

    def _attach(self, record: Record) -> Started | None:
        """The job of an earlier try; ``None`` if a new one is to be submitted."""
        ended = drive(read_whole(record.job_id), self._hook.run)
        job = ended.job if ended is not None else None
        verdict = None
        # A branch may go on after the run itself was cancelled; as long as it does, the run is waited for.
        if ended is not None and ended.job.is_over and ended.steps_are_over:
            verdict = judge_whole(ended, self._operator.strictness(), self._hook.edges_of).verdict
        step = decide(record, self._generation, job, verdict)
        self._log.info("An earlier try started TheEye job %s: %s", record.job_id, step.value)
        if step is Next.UNKNOWN:
            if self._operator.on_missing == "fail":
                raise gone_error(record.job_id)
            return None
        if job is None or step is Next.SUBMIT:
            return None
        if step is Next.CANCEL_THEN_SUBMIT:
            self._cancel_before_clear(job)
            return None
        self._is_ours(job)
        self._operator.handover(self._context).announce(job)
        if step is Next.RELEASE and not drive(release(job), self._hook.run):
            return None
        return Started(job, record.submitted, ended if step is Next.TAKE_RESULT else None)

    def _cancel_before_clear(self, job: Job) -> None:
        """Make sure that the job of before a user's Clear is stopped: two of them must not run side by side."""
        problem = None
        try:
            now = drive(cancel(job.id, is_workflow=job.is_workflow), self._hook.run)
        except Conflict as error:
            problem = str(error)
        else:
            # Of a workflow job the steps count, and cancelling has looked at them.
            if now is not None and not now.is_workflow and not now.is_over:
                problem = f"it is still {now.lifecycle}"
        if problem is not None:
            raise TheEyeRefused(
                f"TheEye job {job.id} ({job.name}), started before this task was cleared, could not be cancelled: "
                f"{problem}. No new one was started beside it: cancel it in TheEye, then clear this task again",
                job.id,
            )

    def _tidy(self, order: Order, job: Job) -> None:
        """Clean up after tries that died; never at the cost of this one."""
        try:
            orphans = drive(tidy(order, job), self._tidily)
        except TheEyeError as error:
            self._log.info("Held jobs of earlier tries could not be looked for: %s", error)
            return
        for orphan in orphans:
            self._log.info("Gave up held TheEye job %s that an earlier try left behind; it never ran", orphan)

    @contextlib.contextmanager
    def _typed_errors(self, job_id: str | None = None) -> Iterator[None]:
        """What asking again cannot mend must not be tried again by Airflow either.

        :param job_id: of a job that there is already; from its creation on, that of the new one.
        """
        try:
            with submission_errors():
                yield
        except TheEyeError as error:
            running = self._operator.running
            known = running.id if running is not None else job_id
            text = str(error).rstrip(".")
            if known is not None and error.transient:
                next_step = retry_sentence(self._context, "looks at the same job first")
                text = f"lost touch with TheEye while job {known} was started or taken up: {text}. {next_step}"
            elif known is not None:
                text = f"{text}. This was about job {known}"
            raise request_error(text, error, known) from error

    def _tidily(self, call: Call[Any]) -> Any:
        """Looking for orphans is worth one attempt; cancelling one must not stop halfway."""
        return self._hook.run(call, attempts=1 if call.method == "GET" else ATTEMPTS)
