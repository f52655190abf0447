"""What the operators for tasks and for workflows have in common: submit or re-attach, wait, hand over."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator, conf

from airflow_provider_theeye.api.errors import TheEyeError
from airflow_provider_theeye.exceptions import (
    JobDeadlineExceeded,
    JobNotTaken,
    ResultTooLarge,
    TheEyeJobError,
    TheEyeRefused,
    TheEyeSettingsError,
    TheEyeUnreachable,
    gone_error,
    request_error,
)
from airflow_provider_theeye.handover import DEFAULT_MAX_XCOM_BYTES, Handover, retry_sentence
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.jobs.verdict import Strictness
from airflow_provider_theeye.jobs.waiting import QUEUED, End, JobWatch, WaitRules
from airflow_provider_theeye.links import TheEyeLink
from airflow_provider_theeye.operators.arguments import TakesArguments
from airflow_provider_theeye.options import check_choice, in_brackets, seconds

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_theeye.api.models import Job
    from airflow_provider_theeye.hooks.orders import StartOptions
    from airflow_provider_theeye.jobs.reading import Ended
    from airflow_provider_theeye.jobs.submission import Order
    from airflow_provider_theeye.operators.memory import TaskMemory
    from airflow_provider_theeye.operators.submitting import Started

__all__ = ["TheEyeJobOperator"]

#: Airflow's own timeout for a deferred task comes so many seconds after ours: a net for a lost trigger only, since it
#: neither looks at the job nor cancels it.
_NET_SECONDS = 600.0


class TheEyeJobOperator(TakesArguments, BaseOperator):
    """Base of the two operators; not to be used itself.

    :param theeye_conn_id: connection of type ``theeye``.
    :param task_arguments: one value for each argument that is not fixed, of any JSON type, in their order (templated).
        Or the name of a ``.json`` file with that list, beside the DAG or in its ``template_searchpath`` (rendered).
    :param wait_for_completion: ``False`` starts the job and ends; wait for it later with ``TheEyeJobSensor``.
    :param deferrable: wait in the triggerer instead of holding a worker. Defaults to Airflow's
        ``[operators] default_deferrable``.
    :param poll_interval: seconds between two looks at the job.
    :param timeout: seconds (or timedelta) from the submission until the job is given up, retries and restarts included.
    :param queue_timeout: the same for a job that no host has taken yet; TheEye itself would wait for ever.
    :param poll_failure_tolerance: seconds for which TheEye may be out of reach before the wait is given up (and more
        than ten looks in a row must have failed). The job is then left running.
    :param fail_on_exit_code: take an exit code other than 0 for a failure, although TheEye does not.
    :param secret: secret key to start it with (templated, masked); usually better kept in the connection's extra.
    :param auth: ``token``, ``secret``, or ``auto``: the secret key if ``secret`` is given, else the token if the
        connection has one, else the connection's secret key.
    :param submission: ``held`` (create, remember, release: never twice) or ``direct`` (one request, for servers that
        cannot hold); default is the connection's, and that is ``held``.
    :param durable: remember the job in Airflow's task state store (3.3 and newer), so that a retry after a lost worker
        takes up the same job.
    :param on_missing: ``fail`` or ``resubmit`` if TheEye has deleted the job's record before its end was read.
    :param cancel_on_kill: cancel the job when the Airflow task is killed.
    :param cancel_on_timeout: cancel the job when ``timeout`` has passed.
    :param max_xcom_bytes: bytes of JSON; a larger result fails the task, it is never cut.
    """

    operator_extra_links = (TheEyeLink(),)
    ui_color = "#dff3f4"

    def __init__(
        self,
        *,
        theeye_conn_id: str = TheEyeHook.default_conn_name,
        task_arguments: Sequence[Any] | None = None,
        wait_for_completion: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float | timedelta = WaitRules.poll_interval,
        timeout: float | timedelta | None = None,
        queue_timeout: float | timedelta | None = None,
        poll_failure_tolerance: float | timedelta = WaitRules.failure_seconds,
        fail_on_exit_code: bool = True,
        secret: str | None = None,
        auth: str = "auto",
        submission: str | None = None,
        durable: bool = True,
        on_missing: str = "fail",
        cancel_on_kill: bool = True,
        cancel_on_timeout: bool = True,
        max_xcom_bytes: int = DEFAULT_MAX_XCOM_BYTES,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.theeye_conn_id = theeye_conn_id
        self.task_arguments = task_arguments
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poll_interval = seconds(poll_interval, "poll_interval") or WaitRules.poll_interval
        self.timeout = seconds(timeout, "timeout")
        self.queue_timeout = seconds(queue_timeout, "queue_timeout")
        self.poll_failure_tolerance = seconds(poll_failure_tolerance, "poll_failure_tolerance", zero=True) or 0.0
        self.fail_on_exit_code = fail_on_exit_code
        self.secret = secret
        self.auth = check_choice(auth, ("auto", "token", "secret"), "auth")
        self.submission = submission and check_choice(submission, ("held", "direct"), "submission")
        self.durable = durable
        self.on_missing = check_choice(on_missing, ("fail", "resubmit"), "on_missing")
        self.cancel_on_kill = cancel_on_kill
        self.cancel_on_timeout = cancel_on_timeout
        self.max_xcom_bytes = max_xcom_bytes
        if self.timeout is not None and self.timeout < self.poll_interval:
            raise ValueError(
                f"timeout ({self.timeout:g} s) is shorter than poll_interval ({self.poll_interval:g} s): "
                "the job would never be looked at in time"
            )
        if secret is not None and auth == "token":
            raise ValueError("give either secret= or auth='token': TheEye refuses a request with both")
        self.running: Job | None = None
        self.killed = False
        self.memory: TaskMemory | None = None
        self._hook: TheEyeHook | None = None

    # -- what the two operators say of themselves --------------------------------------------------------------------

    def make_order(self) -> Order:
        """Check the rendered arguments and say what is to be started. Sends nothing but look-ups."""
        raise NotImplementedError

    def strictness(self) -> Strictness:
        return Strictness(self.fail_on_exit_code)

    def start_options(self) -> StartOptions:
        from airflow_provider_theeye.hooks.orders import StartOptions

        return StartOptions(self.auth, self.secret, self.submission)

    def watch_options(self) -> dict[str, Any]:
        """What ``JobWatch`` and the trigger should know besides the rules."""
        return {}

    # -- execution -------------------------------------------------------------------------------------------------

    @property
    def hook(self) -> TheEyeHook:
        if self._hook is None:
            self._hook = TheEyeHook(self.theeye_conn_id)
        return self._hook

    def execute(self, context: Context) -> Any:
        from airflow_provider_theeye.operators.submitting import Submitter

        return self._follow(context, Submitter(self, context).attach_or_submit())

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Go on in a worker after the triggerer saw the wait's end."""
        from airflow_provider_theeye.jobs.reading import Ended
        from airflow_provider_theeye.sealing import unseal
        from airflow_provider_theeye.triggers.theeye import JobEvent

        seen = JobEvent.parse(event)
        ended = Ended.parse(seen.ended) if seen.ended else None
        submitted = seen.submitted if seen.submitted is not None else time.time()
        job_secret = unseal(seen.sealed_secret) if seen.sealed_secret else None
        return self._conclude(context, seen.job_id, submitted, seen.end, ended, seen.problem, job_secret)

    def on_kill(self) -> None:
        """Cancel the job of a killed task, within the few seconds that Airflow leaves for it."""
        self.killed = True
        if self.running is not None and self.cancel_on_kill:
            from airflow_provider_theeye.operators.cancelling import cancel_of_killed

            cancel_of_killed(self.hook, self.running, self.memory, self.log)

    def _follow(self, context: Context, started: Started) -> Any:
        """From the job that was started or taken up to its end."""
        job = started.job
        if started.ended is not None:
            return self._finish(context, started.ended)
        if job.is_over and not job.is_workflow:
            return self._over(context, job)
        if not self.wait_for_completion:
            self.running = None
            return self.handover(context).started(job)
        return self._wait(context, job, started.submitted)

    # -- waiting ---------------------------------------------------------------------------------------------------

    def _wait(self, context: Context, job: Job, submitted: float, *, queued: bool = True) -> Any:
        rules = self._rules(submitted, queued=queued)
        job_secret = self._job_secret(job)
        if self.deferrable:
            sealed = self._sealed(job_secret)
            if job_secret is None or sealed is not None:
                self._defer(context, job, rules, submitted, sealed)
        self.running = job
        end, ended, problem = self._wait_here(context, job.id, rules, job.is_workflow, job_secret)
        return self._conclude(context, job.id, submitted, end, ended, problem, job_secret)

    def _wait_here(
        self, context: Context, job_id: str, rules: WaitRules, is_workflow: bool, job_secret: str | None
    ) -> tuple[End, Ended | None, str | None]:
        """Wait in this process."""
        from airflow_provider_theeye.hooks.wait import wait

        watch = JobWatch(job_id, rules, is_workflow=is_workflow, **self._looked_up(context, job_id))
        end, ended = wait(self.hook, watch, job_secret)
        return end, ended, str(watch.error) if watch.error else None

    def _looked_up(self, context: Context, job_id: str) -> dict[str, Any]:
        with self._in_touch(context, job_id):
            return self.watch_options()

    def _defer(self, context: Context, job: Job, rules: WaitRules, submitted: float, sealed_secret: str | None) -> None:
        from airflow_provider_theeye.triggers.theeye import TheEyeJobTrigger

        net = None
        if rules.deadline is not None:
            net = timedelta(seconds=max(0.0, rules.deadline - time.time()) + _NET_SECONDS)
        trigger = TheEyeJobTrigger(
            theeye_conn_id=self.theeye_conn_id,
            job_id=job.id,
            is_workflow=job.is_workflow,
            submitted=submitted,
            poll_interval=rules.poll_interval,
            deadline=rules.deadline,
            queue_deadline=rules.queue_deadline,
            failure_seconds=rules.failure_seconds,
            sealed_secret=sealed_secret,
            cancel_on_kill=self.cancel_on_kill,
            **self._looked_up(context, job.id),
        )
        self.running = None
        self.defer(trigger=trigger, method_name="execute_complete", timeout=net)

    def _rules(self, submitted: float, *, queued: bool) -> WaitRules:
        return WaitRules(
            poll_interval=self.poll_interval,
            deadline=None if self.timeout is None else submitted + self.timeout,
            queue_deadline=None if self.queue_timeout is None or not queued else submitted + self.queue_timeout,
            failure_seconds=self.poll_failure_tolerance,
        )

    def _job_secret(self, job: Job) -> str | None:
        """The job's own secret where it is the only way to its result."""
        if self.hook.settings.server.token is not None:
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
        from airflow_provider_theeye.sealing import seal

        sealed = seal(job_secret) if job_secret is not None else None
        if job_secret is not None and sealed is None:
            self.log.warning(
                "Waiting in the worker: without a token the trigger needs the job's secret, and Airflow has no "
                "[core] fernet_key to carry it encrypted"
            )
        return sealed

    # -- the end ---------------------------------------------------------------------------------------------------

    def _conclude(
        self,
        context: Context,
        job_id: str,
        submitted: float,
        end: End,
        ended: Ended | None,
        problem: str | None,
        job_secret: str | None,
    ) -> Any:
        """The same for a wait in the worker and in the triggerer."""
        if end is End.OVER and ended is None:  # its document was too large for an event
            rules = self._rules(submitted, queued=False)
            end, ended, problem = self._wait_here(context, job_id, rules, False, job_secret)
        if end is End.OVER and ended is not None:
            return self._finish(context, ended)
        if end is End.GONE:
            return self._gone(context, job_id)
        if end in (End.UNREACHABLE, End.REFUSED):
            self.running = None
            kind = TheEyeUnreachable if end is End.UNREACHABLE else TheEyeRefused
            raise kind(self._lost_touch(context, job_id, problem or "no answer", kind is TheEyeUnreachable), job_id)
        return self._late(context, job_id, submitted, end)

    def _lost_touch(self, context: Context, job_id: str, problem: str, retried: bool) -> str:
        next_step = (
            retry_sentence(context, self._retry_of_a_live_job())
            if retried
            else "Airflow does not try again by itself: mend this, then clear the task."
        )
        return (
            f"lost touch with TheEye while waiting for job {job_id}: {problem.rstrip('.')}. The job was left alone and "
            f"may still be running. {next_step}"
        )

    def _late(self, context: Context, job_id: str, submitted: float, end: End) -> Any:
        """A deadline has passed: look once more, then give the job up."""
        if self.hook.settings.server.token is None:  # the long poll that ended just now was the last look
            raise JobDeadlineExceeded(
                f"TheEye job {job_id} was not over within timeout{in_brackets(self.timeout)}. It was left running: "
                f"cancelling needs an integration token. {retry_sentence(context, 'starts a new job')}",
                job_id,
            )
        ended = self._read(context, job_id)
        if ended is None:
            return self._gone(context, job_id)
        job = ended.job
        if job.is_over and all(step.is_over for step in ended.steps):
            return self._finish(context, ended)
        if end is End.NOT_TAKEN and job.lifecycle not in QUEUED:
            self.log.info("A host took TheEye job %s at the last moment: waiting on", job_id)
            return self._wait(context, job, submitted, queued=False)
        fate = self._give_up(job)
        self.running = None
        if end is End.NOT_TAKEN:
            raise JobNotTaken(
                f"no host took TheEye job {job_id} ({job.name}) within queue_timeout{in_brackets(self.queue_timeout)}: "
                f"is the agent of its host running? {fate} {retry_sentence(context, 'starts a new job')}",
                job_id,
            )
        raise JobDeadlineExceeded(
            f"TheEye job {job_id} ({job.name}) was not over within timeout{in_brackets(self.timeout)}, it is "
            f"{job.lifecycle}. {fate} {retry_sentence(context, 'starts a new job if this one is over by then')}",
            job_id,
        )

    def _give_up(self, job: Job) -> str:
        if not self.cancel_on_timeout:
            return "It was left running (cancel_on_timeout=False)."
        from airflow_provider_theeye.operators.cancelling import cancel_surely

        return cancel_surely(self.hook, job)

    def _over(self, context: Context, job: Job) -> Any:
        """The answer to the creation, or to the first look of a retry, says that the job is over already."""
        from airflow_provider_theeye.jobs.reading import Ended

        token = self.hook.settings.server.token
        ended = Ended(job) if job.state == "error" or token is None else self._read(context, job.id)
        return self._gone(context, job.id) if ended is None else self._finish(context, ended)

    def _finish(self, context: Context, ended: Ended) -> Any:
        from airflow_provider_theeye.operators.memory import TaskMemory

        self.running = None
        try:
            return self.handover(context).finish(ended)
        except TheEyeJobError as error:
            if not ended.job.is_over and not isinstance(error, ResultTooLarge | TheEyeUnreachable):
                # A run that is stuck, or of an old version, never ends: a retry must not wait for it once more.
                TaskMemory(context, durable=self.durable).forget()
            raise

    def _gone(self, context: Context, job_id: str) -> Any:
        self.running = None
        if self.on_missing == "fail":
            raise gone_error(job_id)
        from airflow_provider_theeye.operators.submitting import Submitter

        self.log.warning("TheEye has no record of job %s any more: starting a new one", job_id)
        return self._follow(context, Submitter(self, context).submit())

    def _read(self, context: Context, job_id: str) -> Ended | None:
        from airflow_provider_theeye.jobs.procedures import drive
        from airflow_provider_theeye.jobs.reading import read_whole

        with self._in_touch(context, job_id):
            return drive(read_whole(job_id), self.hook.run)

    @contextlib.contextmanager
    def _in_touch(self, context: Context, job_id: str) -> Iterator[None]:
        """For requests about a job that runs: if one fails, the job is left alone."""
        try:
            yield
        except TheEyeError as error:
            self.running = None
            raise request_error(
                self._lost_touch(context, job_id, str(error), error.transient), error, job_id
            ) from error

    def _retry_of_a_live_job(self) -> str:
        from airflow_provider_theeye.version_compat import HAS_TASK_STATE_STORE

        lasts = self.durable and HAS_TASK_STATE_STORE
        return "waits for the same job" if lasts else "starts a new job, whatever became of this one"

    def handover(self, context: Context) -> Handover:
        return Handover(
            context=context,
            log=self.log,
            web_url=self.hook.settings.web_url,
            strictness=self.strictness(),
            max_xcom_bytes=self.max_xcom_bytes,
            edges_of=self.hook.edges_of,
        )
