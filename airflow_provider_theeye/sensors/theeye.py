"""``TheEyeJobSensor``: waits for a job that something else started."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_theeye.api.models import LIVE, OVER
from airflow_provider_theeye.exceptions import (
    JobOutcomeUnknown,
    TheEyeJobError,
    TheEyeRefused,
    TheEyeSettingsError,
    TheEyeUnreachable,
)
from airflow_provider_theeye.handover import DEFAULT_MAX_XCOM_BYTES, Handover
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.jobs.reading import Ended
from airflow_provider_theeye.jobs.verdict import Strictness
from airflow_provider_theeye.jobs.waiting import End, JobWatch, WaitRules
from airflow_provider_theeye.links import TheEyeLink
from airflow_provider_theeye.options import check_id, is_template, seconds

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["TheEyeJobSensor"]


class TheEyeJobSensor(BaseSensorOperator):
    """Waits for the end of a job or workflow job, by its id, and returns the same XCom as the operators.

    It never cancels: the job is not its own. ``timeout``, ``soft_fail``, ``mode`` and the like are those of every
    sensor in Airflow.

    :param job_id: id of the job or workflow job, 24 hexadecimal digits (templated).
    :param target: lifecycles that are enough, for who need not wait for the end, for example ``["assigned"]``. The job
        is then not judged.
    :param theeye_conn_id: connection of type ``theeye``, with an integration token.
    :param deferrable: wait in the triggerer. Defaults to Airflow's ``[operators] default_deferrable``.
    :param poll_interval: seconds between two looks; the same as ``poke_interval``.
    :param poll_failure_tolerance: seconds for which TheEye may be out of reach before the wait is given up.
    :param fail_on_exit_code: take an exit code other than 0 for a failure, although TheEye does not.
    :param fail_on_failed_step: of a workflow job: any failed step fails the sensor.
    :param max_xcom_bytes: bytes of JSON; a larger result fails the task, it is never cut.
    """

    template_fields: Sequence[str] = ("job_id", "target")
    operator_extra_links = (TheEyeLink(),)
    ui_color = "#dff3f4"

    def __init__(
        self,
        *,
        job_id: str,
        target: Sequence[str] | None = None,
        theeye_conn_id: str = TheEyeHook.default_conn_name,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float | timedelta | None = None,
        poll_failure_tolerance: float | timedelta = WaitRules.failure_seconds,
        fail_on_exit_code: bool = True,
        fail_on_failed_step: bool = False,
        max_xcom_bytes: int = DEFAULT_MAX_XCOM_BYTES,
        **kwargs: Any,
    ) -> None:
        interval = seconds(poll_interval, "poll_interval")
        if interval is not None:
            kwargs["poke_interval"] = interval
        else:
            kwargs.setdefault("poke_interval", WaitRules.poll_interval)
        super().__init__(**kwargs)
        self.job_id = job_id
        self.target = target
        self.theeye_conn_id = theeye_conn_id
        self.deferrable = deferrable
        self.poll_failure_tolerance = seconds(poll_failure_tolerance, "poll_failure_tolerance", zero=True) or 0.0
        self.fail_on_exit_code = fail_on_exit_code
        self.fail_on_failed_step = fail_on_failed_step
        self.max_xcom_bytes = max_xcom_bytes
        if not is_template(job_id):
            check_id(job_id, "job_id")
        if float(self.timeout) < float(self.poke_interval):
            raise ValueError(f"timeout ({self.timeout} s) is shorter than poll_interval ({self.poke_interval} s)")
        self._hook: TheEyeHook | None = None
        self._watch: JobWatch | None = None

    @property
    def hook(self) -> TheEyeHook:
        if self._hook is None:
            self._hook = TheEyeHook(self.theeye_conn_id)
        return self._hook

    def execute(self, context: Context) -> Any:
        try:
            if not self.deferrable:
                return super().execute(context)
            seen = self.poke(context)
        except TheEyeJobError as error:
            self._fail(error)
        if seen.is_done:
            return seen.xcom_value
        from airflow_provider_theeye.triggers.theeye import TheEyeJobTrigger

        rules = self._rules()
        self.defer(
            trigger=TheEyeJobTrigger(
                theeye_conn_id=self.theeye_conn_id,
                job_id=self.job_id,
                poll_interval=rules.poll_interval,
                deadline=time.time() + float(self.timeout),
                failure_seconds=rules.failure_seconds,
                targets=sorted(rules.targets),
                ends_itself=self._watched().ends_itself,
            ),
            method_name="execute_complete",
        )

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Go on in a worker after the triggerer saw the wait's end."""
        from airflow_provider_theeye.triggers.theeye import JobEvent

        seen = JobEvent.parse(event)
        ended = Ended.parse(seen.ended) if seen.ended else None
        try:
            return self._conclude(context, seen.end, ended, seen.problem)
        except (TheEyeJobError, AirflowSensorTimeout) as error:
            self._fail(error)

    def poke(self, context: Context) -> PokeReturnValue:
        """One look."""
        from airflow_provider_theeye.hooks.wait import look_once

        watch = self._watched()
        first = not watch.looks
        end, ended = look_once(self.hook, watch)
        if first and watch.workflow_id is not None:
            watch.ends_itself = self.hook.get_workflow(watch.workflow_id).version == 2
        if end is None:
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(
            is_done=True,
            xcom_value=self._conclude(context, end, ended, str(watch.error) if watch.error else None),
        )

    # -- parts -----------------------------------------------------------------------------------------------------

    def _watched(self) -> JobWatch:
        """One watch for all looks of this process; made late, since its arguments are templated."""
        if self._watch is None:
            try:
                check_id(self.job_id, "job_id")
            except ValueError as error:
                raise TheEyeSettingsError(str(error)) from None
            if self.hook.settings.server.token is None:
                raise TheEyeSettingsError(
                    f"connection {self.theeye_conn_id!r} has no integration token (password field): without one a job "
                    "that something else started cannot be read"
                )
            self._watch = JobWatch(self.job_id, self._rules())
        return self._watch

    def _rules(self) -> WaitRules:
        return WaitRules(
            poll_interval=float(self.poke_interval),
            failure_seconds=self.poll_failure_tolerance,
            targets=frozenset(self._targets()),
        )

    def _targets(self) -> Sequence[str]:
        targets = [self.target] if isinstance(self.target, str) else self.target or []
        unknown = set(targets) - LIVE - OVER
        if unknown:
            raise TheEyeSettingsError(
                f"target {sorted(unknown)[0]!r} is no lifecycle of a job; known are {', '.join(sorted(LIVE | OVER))}"
            )
        return targets

    def _conclude(self, context: Context, end: End, ended: Ended | None, problem: str | None) -> Any:
        if end is End.OVER:
            ended = ended or self._read()
            if ended is not None:
                self._handover(context).announce(ended.job)
                return self._handover(context).finish(ended)
        if end is End.REACHED:
            return self._handover(context).started(self.hook.get_job(self.job_id))
        if end is End.DEADLINE:
            raise AirflowSensorTimeout(
                f"TheEye job {self.job_id} was not over within timeout ({self.timeout} s). It was left alone"
            )
        if end in (End.UNREACHABLE, End.REFUSED):
            kind = TheEyeUnreachable if end is End.UNREACHABLE else TheEyeRefused
            raise kind(f"lost touch with TheEye while waiting for job {self.job_id}: {problem}", self.job_id)
        raise JobOutcomeUnknown(
            f"TheEye has no record of job {self.job_id}, so its outcome is unknown: either there never was such a job, "
            "or it was deleted. TheEye keeps the newest jobs of a task only (five, unless the task says otherwise)",
            self.job_id,
        )

    def _read(self) -> Ended | None:
        from airflow_provider_theeye.jobs.procedures import drive
        from airflow_provider_theeye.jobs.reading import read_whole

        return drive(read_whole(self.job_id), self.hook.run)

    def _handover(self, context: Context) -> Handover:
        return Handover(
            context=context,
            log=self.log,
            web_url=self.hook.settings.web_url,
            strictness=Strictness(self.fail_on_exit_code, self.fail_on_failed_step),
            max_xcom_bytes=self.max_xcom_bytes,
            edges_of=self.hook.edges_of,
        )

    def _fail(self, error: AirflowException) -> NoReturn:
        """As every sensor: ``soft_fail`` and ``never_fail`` skip instead."""
        if self.soft_fail or getattr(self, "never_fail", False):
            raise AirflowSkipException(f"skipped instead of failed: {error}") from error
        raise error
