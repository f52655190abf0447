"""Submitting, or taking up the job of an earlier try."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_theeye.api.errors import Conflict, TheEyeError
from airflow_provider_theeye.api.exchange import ATTEMPTS
from airflow_provider_theeye.exceptions import (
    TheEyeJobError,
    TheEyeRefusedNoRetry,
    TheEyeSettingsError,
    gone_error,
    moved_error,
    request_error,
)
from airflow_provider_theeye.handover import retry_sentence
from airflow_provider_theeye.hooks.orders import checked_values, submission_errors
from airflow_provider_theeye.jobs.procedures import drive
from airflow_provider_theeye.jobs.reading import Ended, read_whole
from airflow_provider_theeye.jobs.resume import Next, Record, Wanted, decide, fingerprint
from airflow_provider_theeye.jobs.submission import Order, give_up, release, submit, tidy
from airflow_provider_theeye.operators.memory import generation_of, memory_of, try_id_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_theeye.api.call import Call
    from airflow_provider_theeye.api.models import Job
    from airflow_provider_theeye.api.settings import Place
    from airflow_provider_theeye.hooks.theeye import TheEyeHook
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
    """One order's way to a job.

    :param instead_of: the job that a new one replaces.
    """

    def __init__(self, operator: TheEyeJobOperator, context: Context, *, instead_of: str | None = None) -> None:
        self._operator = operator
        self._hook = operator.hook
        self._log = operator.log
        self._context = context
        self._memory = memory_of(operator, context)
        operator.memory = self._memory
        self._instead_of = instead_of

    @functools.cached_property
    def _arguments(self) -> list[Any]:
        """Asked for once: a function may return them, and return others when it is called again."""
        return checked_values(self._operator.rendered_arguments())

    @functools.cached_property
    def _wanted(self) -> Wanted:
        return Wanted(
            order=fingerprint(self._operator.order_identity(), self._arguments),
            place=self._place,
            conn_id=self._operator.theeye_conn_id,
            try_id=try_id_of(self._context),
            generation=generation_of(self._operator, self._context),
        )

    def attach_or_submit(self) -> Started:
        """Take up the job that an earlier try started for this order, or start a new one."""
        found = self._memory.take(self._wanted)
        for record in found.stale:
            self._stop_old(record)
        if found.elsewhere is not None:
            raise moved_error(found.elsewhere.job_id, self._operator.theeye_conn_id, found.elsewhere.place, self._place)
        for record in found.in_the_way:
            self._clear_the_way(record)
        if found.record is not None:
            with self._typed_errors(found.record.job_id):
                try:
                    attached = self._attach(found.record, after_clear=found.after_clear)
                except TheEyeError:
                    self._memory.leave_alone(found.record.job_id)
                    raise
            if attached is not None:
                return attached
            self._instead_of = found.record.job_id
        self._operator.running = None
        return self.submit()

    def submit(self) -> Started:
        """Start a new job."""
        with self._typed_errors():
            order = self._operator.make_order(self._arguments)
            self._warn_of_retention(order)
            submitted = time.time()
            job = drive(submit(order, lambda job: self._remember(job, submitted, order)), self._hook.run)
        self._log.info("TheEye job %s (%s) submitted", job.id, job.name)
        if order.held:
            self._tidy(order, job)
        return Started(job, submitted)

    @property
    def _place(self) -> Place:
        return self._hook.settings.server.place

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
            self._memory.save(Record.of(job, submitted, self._wanted), instead_of=self._instead_of)
            self._instead_of = job.id  # should this one be cancelled before its release, the next replaces it
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
        if order.held and self._operator.killed:
            # A signal that comes in the midst of a request to Airflow leaves the rest to what follows it.
            raise TheEyeJobError(f"the task was killed before TheEye job {job.id} was released", job.id)
        return self._memory.lasts

    def _is_ours(self, job: Job) -> None:
        """From now on the job is cancelled if the task is killed; at once if that has happened already.

        The process of a killed task goes on for some seconds, and must not let anything run in them.
        """
        self._operator.running = job
        if self._operator.killed:
            self._operator.on_kill()
            raise TheEyeJobError(f"the task was killed while it started TheEye job {job.id}", job.id)

    def _attach(self, record: Record, *, after_clear: bool) -> Started | None:
        """The job of an earlier try; ``None`` if a new one is to be submitted."""
        ended = drive(read_whole(record.job_id), self._hook.run)
        is_over = ended is not None and ended.job.is_over and ended.steps_are_over
        if ended is None:
            ended = self._kept_end(record)
            is_over = ended is not None
        job = ended.job if ended is not None else None
        accepted = None
        # A branch may go on after the run itself was cancelled; as long as it does, the run is waited for.
        if ended is not None and is_over:
            accepted = self._operator.handover(self._context).accepts(ended)
        step = decide(job, accepted, after_clear=after_clear)
        self._log.info("An earlier try started TheEye job %s: %s", record.job_id, step.value)
        if step is Next.UNKNOWN:
            if self._operator.on_missing == "fail":
                raise gone_error(record.job_id)
            return None
        if job is None or step is Next.SUBMIT:
            return None
        self._is_ours(job)
        self._operator.handover(self._context).announce(job)
        if step is Next.RELEASE and not drive(release(job, of_earlier_try=True), self._hook.run):
            return None
        return Started(job, record.submitted, ended if step is Next.TAKE_RESULT else None)

    def _kept_end(self, record: Record) -> Ended | None:
        """How a job ended whose record is gone, if an earlier try saw it."""
        document = self._memory.kept_end(record.job_id)
        if document is None:
            return None
        self._log.info("TheEye has no record of job %s any more; an earlier try kept how it ended", record.job_id)
        return Ended.parse(document)

    def _stop_old(self, record: Record) -> None:
        """Make sure that a job of before a user's Clear is stopped: two of them must not run side by side."""
        hook = self._hook_at(record)
        if hook is None:
            self._log.error(
                "TheEye job %s, started before this task was cleared, lives in %s, where connection %r leads no more: "
                "it could not be cancelled from here and may still be running. A new job is started",
                record.job_id,
                record.place,
                record.conn_id,
            )
        else:
            self._stop(record, hook, "started before this task was cleared")
        self._memory.forget(record.job_id)

    def _clear_the_way(self, record: Record) -> None:
        """The same for a job that an earlier try started for another order than any of this try's so far."""
        hook = self._hook_at(record)
        if hook is None:
            raise moved_error(record.job_id, record.conn_id, record.place, self._place)
        self._stop(record, hook, "started by an earlier try with another task or other arguments")
        self._memory.settle(record.job_id)

    def _hook_at(self, record: Record) -> TheEyeHook | None:
        """A hook that reaches the record's job; ``None`` if its connection leads elsewhere now."""
        if record.place in (None, self._place):
            return self._hook
        if record.conn_id in (None, self._operator.theeye_conn_id):
            return None
        from airflow_provider_theeye.hooks.theeye import TheEyeHook

        other = TheEyeHook(record.conn_id)
        try:
            return other if other.settings.server.place == record.place else None
        except (AirflowNotFoundException, TheEyeSettingsError):
            return None

    def _stop(self, record: Record, hook: TheEyeHook, why: str) -> None:
        """Cancel a job if it lives, and make sure. Nothing is started beside one that cannot be cancelled."""
        with self._typed_errors(record.job_id):
            ended = drive(read_whole(record.job_id), hook.run)
            if ended is None or (ended.job.is_over and ended.steps_are_over):
                return
            self._log.warning("TheEye job %s, %s, is still %s: cancelling", record.job_id, why, ended.job.lifecycle)
            problem = None
            try:
                now = drive(give_up(ended.job), hook.run)
            except Conflict as error:
                problem = str(error)
            else:
                # Of a workflow job the steps count, and cancelling has looked at them.
                if now is not None and not now.is_workflow and not now.is_over:
                    problem = f"it is still {now.lifecycle}"
        if problem is not None:
            raise TheEyeRefusedNoRetry(
                f"TheEye job {record.job_id} ({ended.job.name}), {why}, could not be cancelled: "
                f"{problem}. No new one was started beside it: cancel it in TheEye, then clear this task again",
                record.job_id,
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
            retried = known is not None and self._memory.lasts
            next_step = retry_sentence(self._context, "looks at the same job first")
            if known is not None and error.transient:
                text = f"lost touch with TheEye while job {known} was started or taken up: {text}. {next_step}"
            elif known is not None:
                text = f"{text}. TheEye job {known} was left alone and may still be running."
                text = f"{text} Fix this before the next try. {next_step}" if retried else text
            raise request_error(text, error, known, retried=retried) from error

    def _tidily(self, call: Call[Any]) -> Any:
        """Looking for orphans is worth one attempt; cancelling one must not stop halfway."""
        return self._hook.run(call, attempts=1 if call.method == "GET" else ATTEMPTS)
