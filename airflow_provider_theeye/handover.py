"""Handing a job's end over to Airflow: task log, XCom, or the exception that says what happened."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_theeye.api.errors import TheEyeError
from airflow_provider_theeye.exceptions import ResultTooLarge, TheEyeUnreachable, job_error, may_be_retried
from airflow_provider_theeye.jobs import result
from airflow_provider_theeye.jobs.outcome import Verdict, judge
from airflow_provider_theeye.jobs.verdict import Strictness, judge_whole
from airflow_provider_theeye.links import URL_KEY
from airflow_provider_theeye.options import MAX_XCOM_BYTES

if TYPE_CHECKING:
    from airflow_provider_theeye.api.models import Edge, Job
    from airflow_provider_theeye.jobs.reading import Ended

__all__ = ["Handover", "retry_sentence"]


@dataclass(frozen=True)
class Handover:
    """The same for every path that a job's end can come on.

    :param context: Airflow's.
    :param log: the task's logger.
    :param web_url: of TheEye's web UI, for the link.
    :param max_xcom_bytes: a larger result is refused, never cut.
    :param stores_output: whether the result goes to XCom (Airflow's ``do_xcom_push``). If not, it may be of any size.
    :param saw: is told each job that is announced or handed over, and its page.
    """

    context: Mapping[str, Any]
    log: Any
    web_url: str | None
    strictness: Strictness
    max_xcom_bytes: int = MAX_XCOM_BYTES
    stores_output: bool = True
    edges_of: Callable[[str], Sequence[Edge]] = lambda workflow_id: ()
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

        :raises TheEyeJobError: the kind that fits, if the job did not succeed.
        :raises ResultTooLarge: if the value does not fit.
        """
        judgement = judge_whole(ended, self.strictness, lambda workflow_id: self._edges(ended.job, workflow_id))
        self.saw(ended.job, result.job_url(ended.job, self.web_url))
        self._write_logs(ended)
        for warning in judgement.warnings:
            self.log.warning("%s", warning)
        job, verdict = ended.job, judgement.verdict
        if not verdict.good:
            next_step = (
                retry_sentence(self.context, "starts a new job")
                if may_be_retried(verdict.outcome)
                else "Airflow does not try again: the same would happen once more. Mend it, then clear the task."
            )
            raise job_error(verdict.outcome, result.failure_message(ended, verdict, next_step), job.id)
        self.log.info("TheEye job %s (%s) succeeded", job.id, job.name)
        value = self._value(job, verdict, ended.steps)
        if self.stores_output:
            self._push("output", value["output"])
        return value

    def _edges(self, job: Job, workflow_id: str) -> Sequence[Edge]:
        """The workflow's graph, which only the strict cannot do without."""
        try:
            return self.edges_of(workflow_id)
        except TheEyeError as error:
            if not self.strictness.fail_on_failed_step:
                return ()
            raise TheEyeUnreachable(
                f"TheEye workflow job {job.id} is over, but its workflow could not be read to tell handled failures of "
                f"steps from others: {error} {retry_sentence(self.context, 'judges the same job again')}",
                job.id,
            ) from error

    def _value(self, job: Job, verdict: Verdict | None, steps: Sequence[Job]) -> dict[str, Any]:
        url = result.job_url(job, self.web_url)
        value = result.xcom_value(job, verdict, url, steps, fail_on_exit_code=self.strictness.fail_on_exit_code)
        size = len(json.dumps(value).encode())
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
                self.log.info("step %r (job %s) ended with: %s", step.name, step.id, step.result.lastline)

    def _write_log(self, job: Job) -> None:
        for line in result.log_lines(job):
            self.log.info("[theeye] %s", line)

    def _push(self, key: str, value: Any) -> None:
        ti = self.context.get("ti")
        if ti is not None:
            ti.xcom_push(key=key, value=value)


def retry_sentence(context: Mapping[str, Any], what: str) -> str:
    """What the next try will do, if there is one. ``what`` completes "the next try …"."""
    ti = context.get("ti")
    try_number, max_tries = getattr(ti, "try_number", None), getattr(ti, "max_tries", None)
    if not isinstance(try_number, int) or not isinstance(max_tries, int):
        return f"A retry {what}."
    if try_number > max_tries:
        return f"No retry is left (try {try_number} of {max_tries + 1}); clearing the task {what}."
    return f"The next try ({try_number + 1} of {max_tries + 1}) {what}."
