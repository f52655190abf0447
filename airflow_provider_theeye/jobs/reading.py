"""Reading a job that has ended, before TheEye's retention deletes it."""

from __future__ import annotations

import base64
import bz2
import json
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.errors import NotFound, NotVisible, RouteNotFound, Silence, TheEyeError
from airflow_provider_theeye.api.models import Job
from airflow_provider_theeye.jobs.procedures import Pause, Procedure

__all__ = ["KEEPSAKE_BYTES", "LOG_END", "SECOND_LOOK", "Ended", "read_job", "read_whole"]

#: Seconds between the two looks that it takes to believe that a record is gone.
SECOND_LOOK = 1.0
#: Characters that are left of each log if the whole does not fit somewhere.
LOG_END = 4096
#: Bytes of JSON that are kept of a result for a retry. Airflow warns of larger values in its task state store.
KEEPSAKE_BYTES = 60_000
#: Bytes of JSON that a person may want to read in a log of Airflow.
PLAIN = 4096
_PACKED = "packed"


@dataclass(frozen=True)
class Ended:
    """A job with all that belongs to it. ``steps`` are the whole documents of a workflow job's children."""

    job: Job
    steps: tuple[Job, ...] = field(default=())

    @property
    def is_over(self) -> bool:
        """Whether nothing of it lives: somebody may have restarted it since its end was seen.

        A workflow job may go on saying that it runs when all its steps are over for good.
        """
        return self.steps_are_over and (self.job.is_over or self.job.is_workflow)

    @property
    def steps_are_over(self) -> bool:
        """A branch may go on after the workflow job itself was cancelled."""
        return all(step.is_over for step in self.steps)

    def document(self) -> dict[str, Any]:
        """JSON for the way from the triggerer to the worker: no environment, no secret."""
        return {"job": _document(self.job), "steps": [_document(step) for step in self.steps]}

    def fitting(self, limit: int) -> tuple[dict[str, Any] | None, bool]:
        """What ``parse`` makes a job of again, in at most ``limit`` bytes of JSON, and whether it is whole.

        Small documents are left as they are, larger ones are packed: logs shrink to a tenth. If that is not enough they
        go without the beginnings of logs; ``None`` if even that is too large.
        """
        for ended in (self, Ended(_with_end_of_log(self.job), tuple(map(_with_end_of_log, self.steps)))):
            document = ended.document()
            text = json.dumps(document)
            if len(text) <= min(PLAIN, limit):
                return document, ended is self
            packed = {_PACKED: base64.b64encode(bz2.compress(text.encode())).decode()}
            if len(json.dumps(packed)) <= limit:
                return packed, ended is self
        return None, False

    def keepsake(self, *, output: bool) -> dict[str, Any] | None:
        """What a retry needs if the job's record is gone by then; ``None`` if it is too large to be kept.

        :param output: whether the retry hands the result on.
        """
        ended = Ended(_outcome(self.job, output=output), tuple(_outcome(step, output=output) for step in self.steps))
        document = ended.document()
        return document if len(json.dumps(document)) <= KEEPSAKE_BYTES else None

    @classmethod
    def parse(cls, data: dict[str, Any]) -> Ended:
        if _PACKED in data:
            data = json.loads(bz2.decompress(base64.b64decode(data[_PACKED])))
        return cls(Job.parse(data["job"]), tuple(Job.parse(row) for row in data["steps"]))


def read_job(job_id: str) -> Procedure[Job | None]:
    """The whole document, or ``None`` if the record is gone: not found twice, a second apart.

    :raises NotVisible: if TheEye does not answer, since the token's user may not see the job.
    """
    for look in range(2):
        try:
            job: Job = yield calls.get_job(job_id)
        except RouteNotFound:
            raise
        except Silence as error:
            if not (yield from _is_hidden(job_id)):
                raise
            raise NotVisible(
                f"it does not list job {job_id}, and does not answer when asked for it, so that the token's user may "
                "not see it",
                request=error.request,
            ) from error
        except NotFound:
            if look == 0:
                yield Pause(SECOND_LOOK)
        else:
            return job
    return None


def _is_hidden(job_id: str) -> Procedure[bool]:
    """Whether TheEye answers others and does not list the job."""
    # Its list is never ignored, but a server that answers nobody is not to be waited for once more, as long as usual.
    impatient = replace(calls.get_jobs([job_id]), may_be_ignored=True)
    try:
        rows: list[Job] = yield impatient
    except TheEyeError:
        return False
    return not rows


def read_whole(job_id: str) -> Procedure[Ended | None]:
    """A job and, if it is a workflow job, its steps; ``None`` if the record is gone."""
    job = yield from read_job(job_id)
    if job is None:
        return None
    if not (job.is_workflow and job.workflow_id):
        return Ended(job)
    try:
        steps: list[Job] = yield calls.get_steps(job.workflow_id, job.id)
    except RouteNotFound:
        raise
    except NotFound:
        if (yield from read_job(job_id)) is None:
            return None
        raise
    return Ended(job, tuple(sorted(steps, key=lambda step: step.created or "")))


def _with_end_of_log(job: Job) -> Job:
    if job.result is None or len(job.result.log) <= LOG_END:
        return job
    return replace(job, result=replace(job.result, log=job.result.log[-LOG_END:]))


def _outcome(job: Job, *, output: bool) -> Job:
    """Without its log, which is in the log of the try that saw the end."""
    result = job.result
    if result is not None:
        result = replace(result, log="", lastline=result.lastline if output else "")
    return replace(job, result=result, output=job.output if output else None)


def _document(job: Job) -> dict[str, Any]:
    """The parts of a job that its outcome, its XCom and its log lines are made of, in TheEye's own shape."""
    row: dict[str, Any] = {
        "_type": job.kind,
        "id": job.id,
        "name": job.name,
        "lifecycle": job.lifecycle,
        "state": job.state,
        "trigger_name": job.trigger_name,
        "task_id": job.task_id,
        "workflow_id": job.workflow_id,
        "workflow_job_id": job.workflow_job_id,
        "host": {"id": job.host_id, "hostname": job.hostname} if job.hostname else job.host_id,
        "customer_name": job.organization,
        "creation_date": job.created,
        "last_update": job.updated,
        "output": job.output,
    }
    result = job.result
    if result is not None:
        row["result"] = {
            "code": result.code,
            "lastline": result.lastline,
            "signal": result.signal,
            "killed": result.killed,
            **({"log": result.log} if result.has_log else {}),
            **({"user": {"email": result.user}} if result.user else {}),
        }
    # An output that is an empty text is not the same as none.
    return {key: value for key, value in row.items() if value is not None and (value != "" or key == "output")}
