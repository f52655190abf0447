"""What a job leaves behind: the value that goes to XCom, and the lines that go to the task's log."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from airflow_provider_theeye.api.carried import carried, travels
from airflow_provider_theeye.jobs.outcome import Verdict, judge
from airflow_provider_theeye.jobs.verdict import last_step

if TYPE_CHECKING:
    from airflow_provider_theeye.api.models import Job, Task
    from airflow_provider_theeye.jobs.reading import Ended

__all__ = [
    "decoded_output",
    "failure_message",
    "headline",
    "host_of",
    "job_page",
    "job_url",
    "log_lines",
    "result_size",
    "shortened",
    "step_rows",
    "tail",
    "xcom_value",
]

#: How many lines of a failed job's log are repeated in the exception.
TAIL_LINES = 20
#: Characters of one line of these, and of one line of the task's log.
TAIL_LINE, LOG_LINE = 500, 8192
#: Characters of a reason, which may quote a log.
REASON = 4000
#: Characters of the last line in XCom. A script's output is made of its last line, so it may be as large as that.
LAST_LINE = 2000


def xcom_value(
    job: Job,
    verdict: Verdict | None,
    url: str | None,
    steps: Sequence[Job] = (),
    *,
    fail_on_exit_code: bool = True,
    hosts: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """The one small JSON object that operators and sensor return.

    ``outcome`` is ``None`` for a job that nobody waited for. ``steps`` is there for workflow jobs only, and then
    ``output`` is that of the step that ended last, which is what TheEye itself would pass on, or else of the step whose
    failure decided.

    :param hosts: names of hosts by the ids of the jobs that run there, as far as they are known.
    """
    result = job.result
    value: dict[str, Any] = {
        "job_id": job.id,
        "name": job.name,
        "lifecycle": job.lifecycle,
        "state": job.state,
        "outcome": str(verdict.outcome) if verdict else None,
        "output": decoded_output(job.output),
        "exit_code": result.code if result else None,
        "lastline": shortened(result.lastline, LAST_LINE) if result else None,
        "host": hosts.get(job.id),
        "url": url,
    }
    if job.is_workflow:
        last = (verdict.step if verdict else None) or last_step(steps)
        value["output"] = decoded_output(last.output) if last else []
        value["exit_code"] = last.result.code if last and last.result else None
        value["lastline"] = shortened(last.result.lastline, LAST_LINE) if last and last.result else None
        value["host"] = hosts.get(last.id) if last else None
        value["steps"] = step_rows(steps, fail_on_exit_code=fail_on_exit_code, hosts=hosts)
    return value


def step_rows(
    steps: Sequence[Job], *, fail_on_exit_code: bool = True, hosts: Mapping[str, str] = MappingProxyType({})
) -> list[dict[str, Any]]:
    """One row per step of a workflow job, in order of creation."""
    return [
        {
            "name": step.name,
            "task_id": step.task_id,
            "job_id": step.id,
            "host": hosts.get(step.id),
            "lifecycle": step.lifecycle,
            "state": step.state,
            "outcome": str(judge(step, fail_on_exit_code=fail_on_exit_code).outcome) if step.is_over else None,
            "exit_code": step.result.code if step.result else None,
            "output": decoded_output(step.output),
            "seconds": step.seconds,
        }
        for step in sorted(steps, key=lambda step: step.created or "")
    ]


def decoded_output(output: Any) -> list[Any]:
    """TheEye's output as a list of JSON values.

    Each entry is a JSON text unless the script gave a string, so what is no JSON stays the text it is; so does what
    Airflow could not carry. Absent (``null`` of older servers) is an empty list.
    """
    if output is None:
        return []
    found = carried(output)
    entries = found if isinstance(found, list) else [found]
    return [_decoded(entry) for entry in entries]


def job_page(job: Job, web_url: str | None) -> tuple[str, str] | None:
    """Where a person can look at a job, and what that is in words.

    TheEye's web UI has no page for one job (CONTRACT: web UI), so the link goes to the page of the workflow or to the
    dashboard. A ``web_url`` with ``{job_id}`` in it says exactly where.
    """
    if not web_url:
        return None
    if "{job_id}" in web_url:
        return web_url.replace("{job_id}", job.id), "the job's page"
    base = web_url.rstrip("/")
    if job.workflow_id:
        return f"{base}/admin/workflow/{job.workflow_id}", "the page of its workflow"
    return f"{base}/dashboard", "TheEye's dashboard, which has no page for one job"


def job_url(job: Job, web_url: str | None) -> str | None:
    """Where ``job_page`` is."""
    page = job_page(job, web_url)
    return page[0] if page else None


def log_lines(job: Job) -> list[str]:
    """The remote log for the task's log, line by line. A script may write megabytes into one line."""
    return [shortened(line, LOG_LINE) for line in job.result.log.splitlines()] if job.result else []


def host_of(job: Job, task: Task | None) -> str | None:
    """Name of a job's host: from its own document, or the definition of its task unless that has moved since."""
    if job.hostname is not None or task is None:
        return job.hostname
    return task.hostname if job.host_id is None or task.host_id in (None, job.host_id) else None


def shortened(text: str, limit: int) -> str:
    """At most about ``limit`` characters: the beginning, how many are missing, and the end."""
    missing = len(text) - limit
    if missing <= 0:
        return text
    end = limit // 4
    return f"{text[: limit - end]} [... {missing} characters left out ...] {text[-end:]}"


def result_size(value: Mapping[str, Any]) -> int:
    """Bytes of JSON that Airflow stores of ``xcom_value``, each output counted once.

    That of a workflow job is one of its steps' as well.
    """
    once = {key: part for key, part in value.items() if key != "output"} if value.get("steps") else value
    return len(json.dumps(once).encode())


def tail(job: Job, lines: int = TAIL_LINES) -> str:
    """The end of the remote log, indented, or an empty string."""
    found = [line for line in log_lines(job) if line.strip()]
    return "\n".join(f"    {shortened(line, TAIL_LINE)}" for line in found[-lines:])


def headline(job: Job, verdict: Verdict) -> str:
    """Which job, and what happened, without a full stop."""
    what = "workflow job" if job.is_workflow else "job"
    name = f" {job.name!r}" if job.name else ""
    state = f"{job.lifecycle}/{job.state}" if job.state else job.lifecycle
    outcome = str(verdict.outcome).replace("_", " ")
    return f"TheEye {what} {job.id}{name} {outcome} ({state}): {shortened(verdict.reason, REASON)}"


def failure_message(ended: Ended, verdict: Verdict, next_step: str) -> str:
    """For the person on call: which job, what happened, its last log lines, and what a retry will do."""
    job = ended.job
    text = f"{headline(job, verdict)}. {next_step}"
    speaker = (verdict.step or last_step(ended.steps)) if job.is_workflow else job
    last = tail(speaker) if speaker else ""
    whose = "Its log" if speaker is job else f"The log of its step {speaker.name!r}" if speaker else ""
    return f"{text}\n{whose} ends with:\n{last}" if last else text


def _decoded(entry: Any) -> Any:
    if not isinstance(entry, str):
        return entry
    try:
        value = json.loads(entry)
    except (ValueError, RecursionError):
        return entry
    return value if travels(value) else entry
