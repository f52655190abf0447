"""What the operators for tasks and for workflows have in common: their options, and what Airflow calls.

Airflow imports this whenever it parses a DAG: what is needed to run a task is imported when one runs.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.providers.common.compat.sdk import AirflowTaskTimeout, BaseOperator, conf

from airflow_provider_theeye.concealed import conceal, reveal
from airflow_provider_theeye.links import TheEyeLink
from airflow_provider_theeye.operators.arguments import TakesArguments
from airflow_provider_theeye.operators.mapping import ChecksOptions
from airflow_provider_theeye.operators.rendering import RendersFields
from airflow_provider_theeye.operators.tells_lineage import TellsLineage
from airflow_provider_theeye.options import (
    CONN_ID,
    MAX_XCOM_BYTES,
    OPERATOR_OPTIONS,
    POLL_FAILURE_TOLERANCE,
    POLL_INTERVAL,
    check_timeout,
    check_together,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_theeye.api.models import Job
    from airflow_provider_theeye.handover import Handover
    from airflow_provider_theeye.hooks.orders import StartOptions
    from airflow_provider_theeye.hooks.theeye import TheEyeHook
    from airflow_provider_theeye.jobs.submission import Order
    from airflow_provider_theeye.jobs.verdict import Strictness
    from airflow_provider_theeye.operators.memory import TaskMemory

__all__ = ["TheEyeJobOperator"]


class TheEyeJobOperator(TellsLineage, TakesArguments, ChecksOptions, RendersFields, BaseOperator):
    """Base of the two operators; not to be used itself.

    :param theeye_conn_id: connection of type ``theeye`` (templated).
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
    :param on_failed_job: what to do about a job that failed, was rejected, cancelled, timed out, or lost its host:
        ``fail`` the task, ``skip`` it, or ``return`` the result as for a success, with ``outcome`` and ``exit_code``.
    :param skip_on_exit_code: an exit code of the job, or a collection of them, that skips the task.
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
    :param max_xcom_bytes: bytes of the result's JSON, each output counted once; a larger one fails the task, it is
        never cut.
    """

    operator_extra_links = (TheEyeLink(),)
    ui_color = "#dff3f4"
    checks = OPERATOR_OPTIONS
    #: Arguments of which exactly one is given.
    named_by: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        *,
        theeye_conn_id: str = CONN_ID,
        task_arguments: Sequence[Any] | None = None,
        wait_for_completion: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float | timedelta = POLL_INTERVAL,
        timeout: float | timedelta | None = None,
        queue_timeout: float | timedelta | None = None,
        poll_failure_tolerance: float | timedelta = POLL_FAILURE_TOLERANCE,
        fail_on_exit_code: bool = True,
        on_failed_job: str = "fail",
        skip_on_exit_code: int | Collection[int] | None = None,
        secret: str | None = None,
        auth: str = "auto",
        submission: str | None = None,
        durable: bool = True,
        on_missing: str = "fail",
        cancel_on_kill: bool = True,
        cancel_on_timeout: bool = True,
        max_xcom_bytes: int = MAX_XCOM_BYTES,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        option = self.option
        self.theeye_conn_id = option("theeye_conn_id", theeye_conn_id)
        self.task_arguments = option("task_arguments", task_arguments)
        self.wait_for_completion = option("wait_for_completion", wait_for_completion)
        self.deferrable = option("deferrable", deferrable)
        self.poll_interval = option("poll_interval", poll_interval) or POLL_INTERVAL
        self.timeout = option("timeout", timeout)
        self.queue_timeout = option("queue_timeout", queue_timeout)
        self.poll_failure_tolerance = option("poll_failure_tolerance", poll_failure_tolerance) or 0.0
        self.fail_on_exit_code = option("fail_on_exit_code", fail_on_exit_code)
        self.on_failed_job = option("on_failed_job", on_failed_job)
        self.skip_on_exit_code = option("skip_on_exit_code", skip_on_exit_code)
        self.secret = conceal(option("secret", secret))
        self.auth = option("auth", auth)
        self.submission = option("submission", submission)
        self.durable = option("durable", durable)
        self.on_missing = option("on_missing", on_missing)
        self.cancel_on_kill = option("cancel_on_kill", cancel_on_kill)
        self.cancel_on_timeout = option("cancel_on_timeout", cancel_on_timeout)
        self.max_xcom_bytes = option("max_xcom_bytes", max_xcom_bytes)
        check_timeout(self.timeout, self.poll_interval)
        self.running: Job | None = None
        self.deferred: Job | None = None
        self.killed = False
        self.memory: TaskMemory | None = None
        self._hook: TheEyeHook | None = None

    @classmethod
    def check_together(cls, given: Mapping[str, Any]) -> None:
        check_together(given, cls.named_by)
        timeout, interval = (cls.option(name, given.get(name)) for name in ("timeout", "poll_interval"))
        check_timeout(timeout, interval or POLL_INTERVAL)

    # -- what the two operators say of themselves --------------------------------------------------------------------

    def order_identity(self) -> list[str | None]:
        """What tells an order of this operator from another one, besides the arguments."""
        raise NotImplementedError

    def make_order(self, arguments: Sequence[Any]) -> Order:
        """Check the rendered arguments and say what is to be started. Sends nothing but look-ups."""
        raise NotImplementedError

    def strictness(self) -> Strictness:
        from airflow_provider_theeye.jobs.verdict import Strictness

        return Strictness(self.fail_on_exit_code)

    def start_options(self) -> StartOptions:
        from airflow_provider_theeye.hooks.orders import StartOptions

        return StartOptions(self.auth, reveal(self.secret), self.submission)

    def watch_options(self) -> dict[str, Any]:
        """What ``JobWatch`` and the trigger should know besides the rules."""
        return {}

    # -- execution -------------------------------------------------------------------------------------------------

    @property
    def hook(self) -> TheEyeHook:
        if self._hook is None or self._hook.theeye_conn_id != self.theeye_conn_id:
            from airflow_provider_theeye.hooks.theeye import TheEyeHook

            self._hook = TheEyeHook(self.theeye_conn_id)
        return self._hook

    def execute(self, context: Context) -> Any:
        from airflow_provider_theeye.operators.executed import killed_with_its_task
        from airflow_provider_theeye.operators.following import Follower
        from airflow_provider_theeye.operators.submitting import Submitter

        self.began_here = True
        with killed_with_its_task(self, context), self._cancelled_if_interrupted():
            return Follower(self, context).follow(Submitter(self, context).attach_or_submit())

    def defer(self, *, kwargs: dict[str, Any] | None = None, **options: Any) -> NoReturn:
        """As for every operator; the next process is told the arguments that were made in this one."""
        super().defer(kwargs={**(kwargs or {}), **self.carried_arguments()}, **options)

    def execute_complete(
        self, context: Context, event: dict[str, Any], task_arguments: Sequence[Any] | None = None
    ) -> Any:
        """Go on in a worker after the triggerer saw the wait's end."""
        from airflow_provider_theeye.operators.following import Follower

        self.take_carried(task_arguments)
        with self._cancelled_if_interrupted():
            return Follower(self, context).resume(event)

    @contextlib.contextmanager
    def _cancelled_if_interrupted(self) -> Iterator[None]:
        """Ctrl-C in ``airflow dags test`` does not call ``on_kill``. In a worker it ends the process without a word."""
        try:
            yield
        except (KeyboardInterrupt, SystemExit):
            self._cancel_running(None)
            raise

    def _saw(self, job: Job, url: str | None) -> None:
        super()._saw(job, url)
        self.learn_arguments(job)

    def on_kill(self) -> None:
        """Cancel the job of a killed task, within the few seconds that Airflow leaves for it."""
        from airflow_provider_theeye.triggers.in_process import is_waited_for

        self.killed = True
        if self.running is not None:
            # Airflow calls this for ``execution_timeout`` as well, while it handles that.
            self._cancel_running(self.memory, timed_out=isinstance(sys.exc_info()[1], AirflowTaskTimeout))
        elif self.deferred is not None and is_waited_for(self.deferred.id):
            # ``airflow tasks test`` runs the trigger here, and has no other way to say that it is ended.
            self.running = self.deferred
            self._cancel_running(None)

    def _cancel_running(self, memory: TaskMemory | None, *, timed_out: bool = False) -> None:
        from airflow_provider_theeye.operators.cancelling import cancel_of_killed

        if self.running is not None and self.cancel_on_kill:
            cancel_of_killed(self.hook, self.running, memory, self.log, timed_out=timed_out)

    def handover(self, context: Context) -> Handover:
        """What passes the job's end on to Airflow."""
        from airflow_provider_theeye.handover import Handover, NextTry
        from airflow_provider_theeye.jobs.handling import Handling, HandlingRules
        from airflow_provider_theeye.operators.memory import memory_of

        return Handover(
            context=context,
            place=self.hook.place,
            log=self.log,
            web_url=self.hook.settings.web_url,
            strictness=self.strictness(),
            max_xcom_bytes=self.max_xcom_bytes,
            stores_output=self.do_xcom_push,
            handling=HandlingRules(Handling(self.on_failed_job), self.skip_on_exit_code),
            next_try=NextTry(judges="judges the same job again" if memory_of(self, context).lasts else None),
            edges_of=self.hook.edges_of,
            hosts_of=self.hook.hosts_of,
            saw=self._saw,
        )
