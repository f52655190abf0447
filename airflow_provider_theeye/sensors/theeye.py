"""``TheEyeJobSensor``: waits for a job that something else started."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_theeye.api.errors import TheEyeError
from airflow_provider_theeye.exceptions import (
    JobOutcomeUnknown,
    TheEyeJobError,
    TheEyeSettingsError,
    lost_touch_error,
    request_error,
)
from airflow_provider_theeye.handover import Handover, NextTry
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.jobs import deferral
from airflow_provider_theeye.jobs.clocks import now
from airflow_provider_theeye.jobs.handling import Handling, HandlingRules
from airflow_provider_theeye.jobs.verdict import Strictness
from airflow_provider_theeye.jobs.waiting import End, JobWatch, WaitRules
from airflow_provider_theeye.links import TheEyeLink
from airflow_provider_theeye.operators.mapping import ChecksOptions
from airflow_provider_theeye.operators.rendering import RendersFields
from airflow_provider_theeye.operators.tells_lineage import TellsLineage
from airflow_provider_theeye.options import (
    MAX_XCOM_BYTES,
    POLL_FAILURE_TOLERANCE,
    POLL_INTERVAL,
    check_timeout,
    seconds,
)
from airflow_provider_theeye.sensors.subject import SENSOR_OPTIONS, Subject, check_subject, check_target

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_theeye.api.models import Job
    from airflow_provider_theeye.jobs.reading import Ended
    from airflow_provider_theeye.jobs.searching import JobSearch
    from airflow_provider_theeye.triggers.theeye import TheEyeJobTrigger

__all__ = ["TheEyeJobSensor"]

#: Seconds between looks that cannot be left to the next process, if the next look is far away.
_SETTLING_PAUSE = 2.0


class TheEyeJobSensor(TellsLineage, ChecksOptions, RendersFields, BaseSensorOperator):
    """Waits for the end of a job or workflow job and returns the same XCom as the operators.

    Say which job by its id, or by its task or workflow: then the sensor waits until there is a job of it that was
    created after ``since``, and after that for this job's end. It never cancels: the job is not its own. ``timeout``,
    ``soft_fail``, ``mode`` and the like are those of every sensor in Airflow.

    :param job_id: id of the job or workflow job, 24 hexadecimal digits (templated); or one of the next five.
    :param theeye_task_id: id of the task whose job it is (templated).
    :param theeye_task_name: name of the task (templated). Must fit exactly one task.
    :param theeye_host: name of the host, where several tasks have the same name (templated).
    :param theeye_workflow_id: id of the workflow whose workflow job it is (templated).
    :param theeye_workflow_name: name of the workflow (templated). Must fit exactly one.
    :param since: only jobs created then or later count, by the clock of TheEye's server; ISO 8601 or a datetime
        (templated). Defaults to the start of the run's data interval or, if it has none, to the start of the DAG run.
    :param pick: ``last`` or ``first`` of these jobs. With ``mode="reschedule"`` each look picks anew.
    :param target: lifecycles that are enough, for who need not wait for the end, for example ``["assigned"]``. The job
        is then not judged.
    :param theeye_conn_id: connection of type ``theeye``, with an integration token (templated).
    :param deferrable: wait in the triggerer. Defaults to Airflow's ``[operators] default_deferrable``.
    :param poll_interval: seconds between two looks.
    :param poke_interval: the same, by Airflow's name for it.
    :param poll_failure_tolerance: seconds for which TheEye may be out of reach before the wait is given up. With
        ``mode="reschedule"`` nothing but the sensor's ``timeout`` ends that.
    :param fail_on_exit_code: take an exit code other than 0 for a failure, although TheEye does not.
    :param fail_on_failed_step: of a workflow job: any failed step counts, unless the workflow's graph handles it.
    :param on_failed_job: what to do about a job that failed: ``fail``, ``skip`` or ``return``, as for the operators.
    :param skip_on_exit_code: an exit code of the job, or a collection of them, that skips the sensor.
    :param max_xcom_bytes: bytes of the result's JSON, each output counted once; a larger one fails the task, it is
        never cut.
    """

    template_fields: Sequence[str] = (
        "job_id",
        "theeye_task_id",
        "theeye_task_name",
        "theeye_host",
        "theeye_workflow_id",
        "theeye_workflow_name",
        "since",
        "target",
        "theeye_conn_id",
    )
    checks = SENSOR_OPTIONS
    operator_extra_links = (TheEyeLink(),)
    ui_color = "#dff3f4"

    def __init__(
        self,
        *,
        job_id: str | None = None,
        theeye_task_id: str | None = None,
        theeye_task_name: str | None = None,
        theeye_host: str | None = None,
        theeye_workflow_id: str | None = None,
        theeye_workflow_name: str | None = None,
        since: str | datetime | None = None,
        pick: str = "last",
        target: Sequence[str] | None = None,
        theeye_conn_id: str = TheEyeHook.default_conn_name,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float | timedelta | None = None,
        poke_interval: float | timedelta | None = None,
        poll_failure_tolerance: float | timedelta = POLL_FAILURE_TOLERANCE,
        fail_on_exit_code: bool = True,
        fail_on_failed_step: bool = True,
        on_failed_job: str = "fail",
        skip_on_exit_code: int | Collection[int] | None = None,
        max_xcom_bytes: int = MAX_XCOM_BYTES,
        **kwargs: Any,
    ) -> None:
        interval = _interval(poll_interval, poke_interval, kwargs.get("default_args") or {})
        super().__init__(poke_interval=interval, **kwargs)
        option = self.option
        self.job_id = option("job_id", job_id)
        self.theeye_task_id = option("theeye_task_id", theeye_task_id)
        self.theeye_task_name = option("theeye_task_name", theeye_task_name)
        self.theeye_host = option("theeye_host", theeye_host)
        self.theeye_workflow_id = option("theeye_workflow_id", theeye_workflow_id)
        self.theeye_workflow_name = option("theeye_workflow_name", theeye_workflow_name)
        self.since = option("since", since)
        self.pick = option("pick", pick)
        self.target = option("target", target)
        self.theeye_conn_id = option("theeye_conn_id", theeye_conn_id)
        self.deferrable = option("deferrable", deferrable)
        self.poll_failure_tolerance = option("poll_failure_tolerance", poll_failure_tolerance) or 0.0
        self.fail_on_exit_code = option("fail_on_exit_code", fail_on_exit_code)
        self.fail_on_failed_step = option("fail_on_failed_step", fail_on_failed_step)
        self.on_failed_job = option("on_failed_job", on_failed_job)
        self.skip_on_exit_code = option("skip_on_exit_code", skip_on_exit_code)
        self.max_xcom_bytes = option("max_xcom_bytes", max_xcom_bytes)
        check_subject(vars(self))
        check_timeout(float(self.timeout), float(self.poke_interval))
        self._hook: TheEyeHook | None = None
        self._search: JobSearch | None = None
        self._watch: JobWatch | None = None
        self._announced = False
        self._deadline: float | None = None

    @classmethod
    def check_together(cls, given: Mapping[str, Any]) -> None:
        check_subject(given)

    @property
    def hook(self) -> TheEyeHook:
        if self._hook is None:
            self._hook = TheEyeHook(self.theeye_conn_id)
        return self._hook

    def execute(self, context: Context) -> Any:
        self.began_here = True
        try:
            if not self.deferrable:
                return super().execute(context)
            seen = self._look_before_deferring(context)
        except TheEyeJobError as error:
            self._fail(error)
        except TheEyeError as error:
            self._fail(request_error(str(error), error, self.job_id, retried=True))
        if seen.is_done:
            return seen.xcom_value
        self.defer(trigger=self._trigger(context), method_name="execute_complete")

    def _look_before_deferring(self, context: Context) -> PokeReturnValue:
        """A job that is there may be a short one."""
        self._deadline = time.time() + float(self.timeout)
        until = time.monotonic() + min(deferral.PATIENCE, float(self.timeout))
        while True:
            seen = self.poke(context)
            left = until - time.monotonic()
            if seen.is_done or left <= 0 or self._watch is None or self._watch.job is None:
                return seen
            time.sleep(min(left, self._watch.delay(now())))

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Go on in a worker after the triggerer saw the wait's end."""
        from airflow_provider_theeye.hooks.wait import read_again
        from airflow_provider_theeye.jobs.reading import Ended
        from airflow_provider_theeye.triggers.theeye import JobEvent

        seen = JobEvent.parse(event)
        ended = Ended.parse(seen.ended) if seen.ended else None
        self.job_id = seen.job_id or None
        self._deadline = seen.deadline or time.time() + float(self.timeout)
        self.hook.stay_at(seen.place)
        try:
            if ended is not None and not seen.whole:
                ended = read_again(self.hook, ended)
            return self._conclude(context, seen.end, ended, seen.problem)
        except (TheEyeJobError, AirflowSensorTimeout) as error:
            self._fail(error)
        except TheEyeError as error:
            self._fail(request_error(str(error), error, self.job_id, retried=True))

    def poke(self, context: Context) -> PokeReturnValue:
        """One look."""
        from airflow_provider_theeye.hooks.wait import find_once, look_once

        watch = self._watched(context)
        ended = None
        if self._search is not None and self.job_id is None:
            found, end = find_once(self.hook, self._search, watch)
            while end is None and self._must_stay(watch):
                time.sleep(_SETTLING_PAUSE)
                found, end = find_once(self.hook, self._search, watch)
            if found is None:
                return self._poked(context, end, None)
            self.job_id = found.id
            self.log.info("Found TheEye job %s", found.id)
        end, ended = look_once(self.hook, watch)
        while end is None and self._must_stay(watch):
            time.sleep(_SETTLING_PAUSE)
            end, ended = look_once(self.hook, watch)
        if watch.job is not None:
            self._announce(context, watch.job)
        return self._poked(context, end, ended)

    @property
    def _reschedules(self) -> bool:
        """Whether each look is made in a process of its own."""
        return self.mode == "reschedule" and not self.deferrable

    # -- parts -----------------------------------------------------------------------------------------------------

    def _poked(self, context: Context, end: End | None, ended: Ended | None) -> PokeReturnValue:
        if end is None:
            return PokeReturnValue(is_done=False)
        error = self._watch.error if self._watch else None
        value = self._conclude(context, end, ended, str(error) if error else None)
        return PokeReturnValue(is_done=True, xcom_value=value)

    def _must_stay(self, watch: JobWatch) -> bool:
        """Whether another look must come from this process: the next one would know nothing of this one's watch.

        A workflow job may be over, or TheEye refuses to answer, which it may do for a moment.
        """
        return self._reschedules and (watch.is_refused or (watch.settles and watch.error is None))

    def _trigger(self, context: Context) -> TheEyeJobTrigger:
        """For the wait that one look did not end."""
        from airflow_provider_theeye.triggers.theeye import return_of_a_task_deferred_now

        rules, place = self._rules(), self.hook.place
        options: dict[str, Any] = {
            "theeye_conn_id": self.theeye_conn_id,
            "poll_interval": rules.poll_interval,
            "deadline": self._deadline,
            "not_before": return_of_a_task_deferred_now(context),
            "failure_seconds": rules.failure_seconds,
            "targets": sorted(rules.targets),
            "server": place.server,
            "organization": place.organization,
        }
        if self.job_id is None and self._search is not None:
            from airflow_provider_theeye.triggers.searching import TheEyeJobSearchTrigger

            ends_itself = None if self._search.is_workflow else True
            return TheEyeJobSearchTrigger(**asdict(self._search), ends_itself=ends_itself, **options)
        if self._watch is None or self._watch.job is None:
            from airflow_provider_theeye.triggers.searching import TheEyeUnseenJobTrigger

            return TheEyeUnseenJobTrigger(job_id=str(self.job_id), **options)
        from airflow_provider_theeye.triggers.theeye import TheEyeJobTrigger

        ends_itself = self._watch.ends_itself is not False
        return TheEyeJobTrigger(job_id=str(self.job_id), ends_itself=ends_itself, **options)

    def _subject(self) -> Subject:
        return Subject(
            self.job_id,
            self.theeye_task_id,
            self.theeye_task_name,
            self.theeye_host,
            self.theeye_workflow_id,
            self.theeye_workflow_name,
            self.since,
            self.pick,
        )

    def _watched(self, context: Context) -> JobWatch:
        """One watch for all looks of this process; made late, since its arguments are templated."""
        if self._watch is None:
            if self.hook.settings.server.token is None:
                raise TheEyeSettingsError(
                    f"connection {self.theeye_conn_id!r} has no integration token (password field): without one a job "
                    "that something else started cannot be read"
                )
            self._search = self._subject().search(self.hook, context)
            self._watch = JobWatch(self.job_id or str(self._search), self._rules(), ends_itself=None)
        return self._watch

    def _rules(self) -> WaitRules:
        if self._reschedules:
            return WaitRules(_SETTLING_PAUSE, targets=frozenset(self._targets()))
        return WaitRules(
            poll_interval=float(self.poke_interval),
            failure_seconds=self.poll_failure_tolerance,
            targets=frozenset(self._targets()),
        )

    def _targets(self) -> Sequence[str]:
        targets = [self.target] if isinstance(self.target, str) else [*(self.target or ())]
        try:
            check_target(targets)
        except ValueError as error:
            raise TheEyeSettingsError(str(error)) from None
        return targets

    def _conclude(self, context: Context, end: End, ended: Ended | None, problem: str | None) -> Any:
        if end is End.OVER and ended is None:  # its document was too large for an event
            return self._look_again(context)
        if end is End.OVER and ended is not None:
            self._announce(context, ended.job)
            return self.handover(context).finish(ended)
        if end is End.REACHED:
            job = self.hook.get_job(str(self.job_id))
            self._announce(context, job)
            return self.handover(context).started(job)
        if end is End.DEADLINE and self.job_id is None:
            raise AirflowSensorTimeout(f"there was no {self._subject()} within timeout ({self.timeout} s)")
        if end is End.DEADLINE:
            raise AirflowSensorTimeout(
                f"TheEye job {self.job_id} was not over within timeout ({self.timeout} s). It was left alone"
            )
        if end in (End.UNREACHABLE, End.REFUSED, End.MOVED):
            message = f"lost touch with TheEye while waiting for {self._subject()}: {problem}"
            raise lost_touch_error(end, message, self.job_id, retried=True)
        raise JobOutcomeUnknown(
            f"TheEye has no record of job {self.job_id}, so its outcome is unknown: either there never was such a job, "
            "or it was deleted. TheEye keeps the newest jobs of a task only (five, unless the task says otherwise)",
            self.job_id,
        )

    def _announce(self, context: Context, job: Job) -> None:
        """Once in each process: a trigger may have found the job, which could not say so."""
        if not self._announced:
            self._announced = True
            self.handover(context).announce(job)

    def _look_again(self, context: Context) -> Any:
        """In the worker, until the job is over: normally that is the first look."""
        watch = self._watched(context)
        watch.rules = replace(watch.rules, deadline=self._deadline)
        while not (seen := self.poke(context)).is_done:
            time.sleep(watch.delay(now()))
        return seen.xcom_value

    def handover(self, context: Context) -> Handover:
        return Handover(
            context=context,
            place=self.hook.place,
            log=self.log,
            web_url=self.hook.settings.web_url,
            strictness=Strictness(self.fail_on_exit_code, self.fail_on_failed_step),
            max_xcom_bytes=self.max_xcom_bytes,
            stores_output=self.do_xcom_push,
            handling=HandlingRules(Handling(self.on_failed_job), self.skip_on_exit_code),
            next_try=self._next_try(),
            edges_of=self.hook.edges_of,
            hosts_of=self.hook.hosts_of,
            saw=self._saw,
        )

    def _next_try(self) -> NextTry:
        """The sensor starts no job, so whether there is another one is up to others."""
        never_started = "the sensor starts no job. Fix the cause where the job is started."
        subject = replace(self._subject(), job_id=None)  # a search has found one by now
        if subject.is_search:
            does = f"looks for the {self.pick} {subject} again"
            return NextTry(does, never_started, judges=does)
        does = "looks at the same job again, which fails again unless it was restarted in TheEye"
        return NextTry(does, never_started, judges="judges the same job again")

    def _fail(self, error: AirflowException) -> NoReturn:
        """As every sensor: ``soft_fail`` and ``never_fail`` skip instead."""
        if self.soft_fail or getattr(self, "never_fail", False):
            raise AirflowSkipException(f"skipped instead of failed: {error}") from error
        raise error


def _interval(
    poll_interval: float | timedelta | None, poke_interval: float | timedelta | None, defaults: Mapping[str, Any]
) -> float:
    """Seconds between two looks, which has two names: what is given to the sensor itself counts before default_args."""
    ours, airflows = seconds(poll_interval, "poll_interval"), seconds(poke_interval, "poke_interval")
    if ours is None or airflows is None or ours == airflows:
        return ours or airflows or POLL_INTERVAL
    by_default = defaults.get("poll_interval") is poll_interval, defaults.get("poke_interval") is poke_interval
    if by_default == (False, False):
        raise ValueError("poll_interval and poke_interval are two names of the same: give one")
    return airflows if by_default == (True, False) else ours
