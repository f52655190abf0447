"""Handing a job's end over to Airflow: task log, XCom, or the exception that says what happened."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_theeye.api.errors import TheEyeError
from airflow_provider_theeye.exceptions import ResultTooLarge, TheEyeUnreachable, job_error, may_be_retried
from airflow_provider_theeye.jobs import result
from airflow_provider_theeye.jobs.handling import Handling, HandlingRules
from airflow_provider_theeye.jobs.outcome import Verdict, judge
from airflow_provider_theeye.jobs.verdict import Judgement, Strictness, judge_whole
from airflow_provider_theeye.links import URL_KEY
from airflow_provider_theeye.options import MAX_XCOM_BYTES

if TYPE_CHECKING:
    from airflow_provider_theeye.api.models import Edge, Job
    from airflow_provider_theeye.api.settings import Place
    from airflow_provider_theeye.jobs.reading import Ended

__all__ = ["CLEARED", "Handover", "NextTry", "retry_is_left", "retry_sentence"]

#: What the next try does about a job that may still run, after a user's Clear.
CLEARED = "cancels this job if it still runs, and starts a new one"


@dataclass(frozen=True)
class NextTry:
    """What comes after the failure of a job, for the messages. Operators start jobs, a sensor does not.

    :param does: what the next try does, and what clearing the task does, to complete "the next try ...".
    :param never_started: what to do about a job that could not be started.
    :param judges: what the next try does if this job's end could not be judged; ``None`` if it would start another job.
    """

    does: str = "starts a new job"
    never_started: str = "the same would happen once more. Fix the cause, then clear the task."
    judges: str | None = None


@dataclass(frozen=True)
class Handover:
    """The same for every path that a job's end can come on.

    :param context: Airflow's.
    :param place: where the job lives.
    :param log: the task's logger.
    :param web_url: of TheEye's web UI, for the link.
    :param max_xcom_bytes: a larger result is refused, never cut.
    :param handling: what to do about the job's end.
    :param next_try: what a retry does, for the messages.
    :param stores_output: whether the result goes to XCom (Airflow's ``do_xcom_push``). If not, it may be of any size.
    :param edges_of: gives the edges of a workflow's graph.
    :param hosts_of: gives the names of jobs' hosts by the jobs' ids.
    :param saw: is told each job that is announced or handed over, and its page.
    """

    context: Mapping[str, Any]
    place: Place
    log: Any
    web_url: str | None
    strictness: Strictness
    max_xcom_bytes: int = MAX_XCOM_BYTES
    stores_output: bool = True
    handling: HandlingRules = field(default=HandlingRules())
    next_try: NextTry = field(default=NextTry())
    edges_of: Callable[[str], Sequence[Edge]] = lambda workflow_id: ()
    hosts_of: Callable[[Sequence[Job]], Mapping[str, str]] = lambda jobs: {}
    saw: Callable[[Job, str | None], None] = lambda job, url: None

    def announce(self, job: Job) -> None:
        """Make id and link visible as soon as the job exists."""
        self._push("job_id", job.id)
        page = result.job_page(job, self.web_url)
        self.saw(job, page[0] if page else None)
        if page:
            url, name = page
            self._push(URL_KEY, url)
            self.log.info("The link TheEye leads to %s: %s", name, url)

    def started(self, job: Job) -> dict[str, Any]:
        """The value for a job that nobody waits for."""
        self.saw(job, result.job_url(job, self.web_url))
        return self._value(job, None, ())

    def finish(self, ended: Ended) -> dict[str, Any]:
        """Write the log, then return the value for XCom.

        :raises TheEyeJobError: the kind that fits, if the job did not succeed and that is to fail the task.
        :raises AirflowSkipException: if its end is to skip the task.
        :raises ResultTooLarge: if the value does not fit.
        """
        judgement = self.judge(ended)
        self.saw(ended.job, result.job_url(ended.job, self.web_url))
        self._write_logs(ended)
        for warning in judgement.warnings:
            self.log.warning("%s", result.shortened(warning, result.REASON))
        job, verdict = ended.job, judgement.verdict
        handling = self.handling.of(ended, judgement)
        if handling is Handling.FAIL:
            next_step = (
                retry_sentence(self.context, self.next_try.does)
                if may_be_retried(verdict.outcome)
                else f"Airflow does not try again: {self.next_try.never_started}"
            )
            raise job_error(verdict.outcome, result.failure_message(ended, verdict, next_step), job.id)
        if handling is Handling.SKIP:
            option = "skip_on_exit_code" if self.handling.skips(ended, judgement) else "on_failed_job='skip'"
            raise AirflowSkipException(f"{result.headline(job, verdict)}. The task is skipped ({option})")
        if verdict.good:
            self.log.info("TheEye job %s (%s) succeeded", job.id, job.name)
        else:
            self.log.warning("%s. The result is returned (on_failed_job='return')", result.headline(job, verdict))
        value = self._value(job, verdict, ended.steps)
        if self.stores_output:
            self._push("output", value["output"])
        return value

    def accepts(self, ended: Ended) -> bool:
        """Whether the job's end ends the task as well, without a failure: then a retry needs no other job."""
        return self.handling.of(ended, self.judge(ended)) is not Handling.FAIL

    def judge(self, ended: Ended) -> Judgement:
        """How the job ended.

        :raises TheEyeUnreachable: if that depends on the workflow's graph, which a retry can read.
        """
        return judge_whole(ended, self.strictness, lambda workflow_id: self._edges(ended.job, workflow_id))

    def _edges(self, job: Job, workflow_id: str) -> Sequence[Edge] | None:
        """The workflow's graph. A job that TheEye calls a success does not fail for want of it: TheEye's word counts.

        Only a passing trouble is left to a retry, if there is one that judges the same job.
        """
        try:
            return self.edges_of(workflow_id)
        except TheEyeError as error:
            strict = self.strictness.fail_on_failed_step
            judges = self.next_try.judges
            if strict and error.transient and judges is not None and retry_is_left(self.context):
                raise TheEyeUnreachable(
                    f"TheEye workflow job {job.id} is over, but its workflow could not be read to tell handled "
                    f"failures of steps from others: {str(error).rstrip('.')}. "
                    f"{retry_sentence(self.context, judges)}",
                    job.id,
                ) from error
            self.log.warning("The workflow of TheEye workflow job %s could not be read: %s", job.id, error)
            return None

    def _value(self, job: Job, verdict: Verdict | None, steps: Sequence[Job]) -> dict[str, Any]:
        url = result.job_url(job, self.web_url)
        strict, hosts = self.strictness.fail_on_exit_code, self.hosts_of(steps if job.is_workflow else (job,))
        value = result.xcom_value(job, verdict, url, steps, fail_on_exit_code=strict, hosts=hosts)
        value |= {"server": self.place.server, "organization": self.place.organization}
        size = result.result_size(value)
        if self.stores_output and size > self.max_xcom_bytes:
            raise ResultTooLarge(
                f"the result of TheEye job {job.id} ({job.name}) takes {size} bytes of JSON and max_xcom_bytes is "
                f"{self.max_xcom_bytes}. The job itself was not touched and is not run again. Let its script store the "
                "data elsewhere and output where it is, or raise max_xcom_bytes together with an XCom backend that "
                "keeps large values in object storage; if nobody needs the result, set do_xcom_push=False",
                job.id,
            )
        return value

    def _write_logs(self, ended: Ended) -> None:
        """A task's job and failed steps whole, other steps by their last line."""
        if not ended.job.is_workflow:
            self._write_log(ended.job)
            return
        for step in ended.steps:
            if step.result is not None and step.is_over and not judge(step).good:
                self.log.info("log of step %r (job %s):", step.name, step.id)
                self._write_log(step)
            elif step.result is not None:
                lastline = result.shortened(step.result.lastline, result.LOG_LINE)
                self.log.info("step %r (job %s) ended with: %s", step.name, step.id, lastline)

    def _write_log(self, job: Job) -> None:
        for line in result.log_lines(job):
            self.log.info("[theeye] %s", line)

    def _push(self, key: str, value: Any) -> None:
        ti = self.context.get("ti")
        if ti is not None:
            ti.xcom_push(key=key, value=value)


def retry_sentence(context: Mapping[str, Any], does: str, cleared: str | None = None) -> str:
    """What the next try will do, if there is one. ``does`` completes "the next try ...".

    :param cleared: what clearing the task does, if that is something else.
    """
    tries = _tries(context)
    if tries is None:
        return f"A retry {does}."
    try_number, last = tries
    if try_number >= last:
        return f"No retry is left (try {try_number} of {last}); clearing the task {cleared or does}."
    return f"The next try ({try_number + 1} of {last}) {does}."


def retry_is_left(context: Mapping[str, Any]) -> bool:
    tries = _tries(context)
    return tries is not None and tries[0] < tries[1]


def _tries(context: Mapping[str, Any]) -> tuple[int, int] | None:
    """Which try this is, and of how many."""
    ti = context.get("ti")
    try_number, max_tries = getattr(ti, "try_number", None), getattr(ti, "max_tries", None)
    return (try_number, max_tries + 1) if isinstance(try_number, int) and isinstance(max_tries, int) else None
