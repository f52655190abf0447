"""Which jobs have ended since the last look: a list that is read again and again, without a loss or a repetition.

The place in the list is a time by the server's clock, the last change of the newest job that was read. Two jobs may
have changed in the same millisecond, and the server may show one of them a moment later than the other, so each look
begins a little before that time, and the jobs that were read there are remembered.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.errors import Forbidden, InvalidRequest, NotFound, TheEyeError, WrongPlace
from airflow_provider_theeye.api.models import Edge, Job, Workflow, moment
from airflow_provider_theeye.api.settings import Place
from airflow_provider_theeye.jobs.outcome import Outcome, Verdict, judge
from airflow_provider_theeye.jobs.procedures import Procedure
from airflow_provider_theeye.jobs.reading import Ended, read_whole
from airflow_provider_theeye.jobs.result import job_url, xcom_value
from airflow_provider_theeye.jobs.verdict import Strictness, judge_whole, needs_graph

__all__ = [
    "LOOKS",
    "Batch",
    "Document",
    "Mark",
    "Wanted",
    "mark_key",
    "payload",
    "read_news",
    "start",
    "verdict_of",
]

#: How long a change may take on its way into the server's lists.
OVERLAP = timedelta(seconds=5)
#: Rows in one answer.
PAGE = 500
#: Looks at a job's document that may fail while TheEye answers otherwise.
LOOKS = 5
_BEGINNING = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Read:
    """A row that was read: when its job changed last, and how the job had ended."""

    changed: str
    end: str


@dataclass(frozen=True)
class Mark:
    """How far the list of ended jobs has been read.

    :param time: last change of the newest one, as TheEye wrote it; ``None`` if no job has ever ended.
    :param seen: by id, those that were read within ``OVERLAP`` before that.
    """

    time: str | None = None
    seen: Mapping[str, Read] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"time": self.time, "seen": {ident: [read.changed, read.end] for ident, read in self.seen.items()}}

    @classmethod
    def parse(cls, data: Any) -> Mark | None:
        """``None`` for what this version cannot read: then the reading starts anew."""
        try:
            return cls(data["time"], {ident: Read(*read) for ident, read in data["seen"].items()})
        except (TypeError, KeyError, AttributeError):
            return None

    @property
    def since(self) -> str | None:
        """Where the next look begins."""
        newest = moment(self.time)
        if newest is None:
            return None
        return (newest - OVERLAP).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def advance(self, rows: Iterable[Job]) -> tuple[list[Job], Mark]:
        """Take rows in. Returns those that are news, oldest first, and the mark behind them."""
        floor = _when(self.since)
        news: dict[str, Job] = {}
        seen = dict(self.seen)
        time = self.time
        for row in rows:
            if row.updated is None or not row.is_over or not moment(row.updated) or _when(row.updated) < floor:
                continue
            read = Read(row.updated, f"{row.lifecycle}/{row.state}")
            if _is_news(read, seen.get(row.id)):
                news[row.id] = row
            seen[row.id] = read
            time = max(time, row.updated, key=_when)
        kept = {ident: read for ident, read in seen.items() if _when(read.changed) >= _when(time) - OVERLAP}
        return sorted(news.values(), key=lambda row: (_when(row.updated), row.id)), Mark(time, kept)


def mark_key(
    theeye_conn_id: str,
    task_id: str | None,
    workflow_id: str | None,
    outcomes: Sequence[str] | None,
    place: Place | None = None,
) -> str:
    """Under which name a trigger's mark is kept, beside those of the other watchers of its asset.

    Two that tell of different jobs must not share one: what the first has told the second may not have told yet. How
    often they look makes no such difference.
    """
    told = [theeye_conn_id, task_id, workflow_id, None if outcomes is None else sorted(set(outcomes)), str(place)]
    return f"theeye_mark_{hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]}"


def _when(text: str | None) -> datetime:
    return moment(text) or _BEGINNING


def _is_news(read: Read, known: Read | None) -> bool:
    """A job may change once more just after its end, when its workflow goes on; one that is restarted ends anew."""
    return known is None or read.end != known.end or _when(read.changed) - _when(known.changed) > OVERLAP


@dataclass(frozen=True)
class Batch:
    """What one look brought.

    :param before: the mark at which it began; all that ended after it and is not here is in a later batch.
    :param read: when that was, in seconds of a clock that nobody can set.
    :param place: where it was made.
    """

    before: Mark
    read: float
    jobs: tuple[Job, ...] = ()
    place: Place | None = None


def start() -> Procedure[Mark]:
    """The mark behind all that has ended up to now."""
    newest: list[Job] = yield calls.ended_jobs(None, 1, newest_first=True)
    _, mark = Mark().advance(newest[:1])
    _, mark = yield from read_news(mark)
    return mark


def read_news(mark: Mark, page: int = PAGE) -> Procedure[tuple[list[Job], Mark]]:
    """What has ended since ``mark``, oldest first, and the next mark. More than a page of it takes more requests."""
    news: list[Job] = []
    since = mark.since
    while True:
        rows: list[Job] = yield calls.ended_jobs(since, page)
        more, mark = mark.advance(rows)
        news += more
        if len(rows) < page:
            return news, mark
        last = rows[-1].updated
        if last == since:
            page *= 2  # a whole page of the same instant
        since = last


@dataclass(frozen=True)
class Wanted:
    """Which ended jobs somebody wants to hear of: those of a task, of a workflow, or all."""

    task_id: str | None = None
    workflow_id: str | None = None

    def fits(self, job: Job) -> bool:
        """A step of a workflow is part of its workflow job and counts only for who asks for its task."""
        if self.task_id is not None:
            return job.task_id == self.task_id and not job.is_workflow
        if self.workflow_id is not None:
            return job.workflow_id == self.workflow_id and job.is_workflow
        # An agent's own housekeeping, such as its update, is a job without a task, and nobody's.
        is_of_a_task = job.task_id is not None and job.kind != "AgentUpdateJob"
        return job.workflow_job_id is None and (is_of_a_task or job.is_workflow)


class Document:
    """The whole document of a job that is to be told. One that cannot be read must not keep all later jobs back.

    ``problem`` says why the row alone must do, if the document is there.
    """

    def __init__(self, job_id: str) -> None:
        self.problem: TheEyeError | None = None
        self._job_id = job_id
        self._failed = 0

    def look(self) -> Procedure[Ended | None]:
        """``None`` if the row alone must do.

        :raises TheEyeError: if it is worth looking again.
        """
        try:
            return (yield from read_whole(self._job_id))
        except (Forbidden, NotFound, InvalidRequest, WrongPlace) as error:
            self.problem = error
        except TheEyeError as error:
            # If this fails too, TheEye as a whole is in trouble, which says nothing about the document.
            yield calls.get_jobs([self._job_id])
            self._failed += 1
            if self._failed < LOOKS:
                raise
            self.problem = error
        return None


def verdict_of(row: Job, ended: Ended | None) -> Procedure[Verdict]:
    """How a job ended: by its whole document, or by its row alone if that is gone or the job was started again.

    A row has no result, so it knows neither the exit code nor whether a host was lost.
    """
    if ended is not None and ended.job.is_over:
        edges: Sequence[Edge] | None = None
        if needs_graph(ended, Strictness()):
            with contextlib.suppress(TheEyeError):
                workflow: Workflow = yield calls.get_workflow(ended.job.workflow_id or "")
                edges = workflow.edges
        return judge_whole(ended, Strictness(), lambda workflow_id: edges).verdict
    verdict = judge(row)
    return Verdict(Outcome.CANCELLED, "it was cancelled") if verdict.outcome is Outcome.HOST_LOST else verdict


def payload(row: Job, verdict: Verdict, web_url: str | None) -> dict[str, Any]:
    """What the DAG run is told: names and words, nothing of the job's arguments, output or secrets."""
    value = xcom_value(row, verdict, job_url(row, web_url))
    told = {key: value[key] for key in ("job_id", "name", "lifecycle", "state", "outcome", "url")}
    return {**told, "task_id": row.task_id, "workflow_id": row.workflow_id}
