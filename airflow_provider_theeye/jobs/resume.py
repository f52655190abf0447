"""What a try does about the jobs that earlier tries of the same task instance started.

A task may order several jobs: an operator's subclass that calls ``super().execute()`` for each row, a ``@task`` that
executes operators. Each order has a record of its own. Within one try each order is another one, even if it is equal to
one before; across tries a record belongs to an equal order, and of several equal ones the first to the first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from airflow_provider_theeye.api.ids import is_id
from airflow_provider_theeye.api.models import Job
from airflow_provider_theeye.api.settings import Place
from airflow_provider_theeye.jobs.submission import may_be_held

__all__ = [
    "Finding",
    "Generation",
    "Next",
    "Record",
    "Records",
    "Wanted",
    "decide",
    "fingerprint",
    "was_cleared",
]


@dataclass(frozen=True)
class Generation:
    """What tells a retry from a Clear, see ``was_cleared``.

    :param max_tries: Airflow's, of the task instance.
    :param retries: the task's, as the DAG says now.
    :param try_number: from 1; ``None`` if it is not known.
    :param clears: how often tasks of this run were cleared (``dag_run.clear_number``); ``None`` if it is not known.
    """

    max_tries: int
    retries: int
    try_number: int | None = None
    clears: int | None = None


def was_cleared(then: Generation, now: Generation) -> bool:
    """Whether a user has cleared the task since.

    A Clear sets ``max_tries`` to the tries so far and the task's retries as they are then; nothing else changes it.
    While the retries stay the same each Clear makes it larger. If somebody edits them a Clear may happen to leave it as
    it was: but only that of one certain try, and then the count of Clears decides. That one counts for the whole run,
    so it is no sign by itself.
    """
    if then.max_tries != now.max_tries:
        return True
    cleared_try = now.max_tries - now.retries
    possible = (then.try_number or 1) <= cleared_try and (now.try_number is None or cleared_try < now.try_number)
    if then.try_number is None:  # an older release stored no more
        return possible and then.retries != now.retries
    return possible and then.clears != now.clears


def fingerprint(identity: Sequence[str | None], arguments: Sequence[Any]) -> str:
    """What was ordered, as a hash: the arguments themselves may be secret.

    :param identity: the kind, id or name, and so on: whatever else tells one order from another.
    :param arguments: JSON, before they are fitted to the task's definition, which may change between two tries.
    """
    plain = json.loads(json.dumps([list(identity), list(arguments)]))  # keys of other types become texts
    text = json.dumps(plain, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Wanted:
    """An order, as one try has it.

    :param order: its fingerprint.
    :param place: where the connection leads.
    :param try_id: which try has it; Airflow gives each try of a task instance another id, and keeps it while the task
        is deferred.
    """

    order: str
    place: Place
    conn_id: str
    try_id: str
    generation: Generation


@dataclass(frozen=True)
class Record:
    """What is remembered of a submission: stored before the job is released, read by the next try.

    :param submitted: epoch seconds, the anchor of all deadlines.
    :param order: fingerprint of what was ordered; ``None`` in records of an older release, which fit any order.
    :param place: where the job was made, ``None`` in records of an older release.
    :param conn_id: the connection that led there.
    :param try_id: the try that made the job or, later, took it up.
    :param settled: it was seen to be over when another order was started, and is in nobody's way.
    :param left_alone: the try that waited for it gave up, since TheEye did not say how it is; nobody gave up the job.
    """

    job_id: str
    submitted: float
    generation: Generation
    is_workflow: bool = False
    order: str | None = None
    place: Place | None = None
    conn_id: str | None = None
    try_id: str | None = None
    settled: bool = False
    left_alone: bool = False

    @classmethod
    def of(cls, job: Job, submitted: float, wanted: Wanted) -> Record:
        return cls(
            job_id=job.id,
            submitted=submitted,
            generation=wanted.generation,
            is_workflow=job.is_workflow,
            order=wanted.order,
            place=wanted.place,
            conn_id=wanted.conn_id,
            try_id=wanted.try_id,
        )

    def to_json(self) -> dict[str, Any]:
        data = {
            "job_id": self.job_id,
            "submitted": self.submitted,
            "workflow": self.is_workflow,
            "max_tries": self.generation.max_tries,
            "retries": self.generation.retries,
            "try_number": self.generation.try_number,
            "clears": self.generation.clears,
            "order": self.order,
            "server": self.place and self.place.server,
            "organization": self.place and self.place.organization,
            "conn_id": self.conn_id,
            "try_id": self.try_id,
            "settled": self.settled,
            "left_alone": self.left_alone,
        }
        return {key: value for key, value in data.items() if value is not None and value is not False}

    @classmethod
    def parse(cls, data: object) -> Record | None:
        """``None`` for what is no record of ours."""
        if not isinstance(data, dict) or not is_id(data.get("job_id")):
            return None
        generation, submitted = _generation(data), data.get("submitted")
        if generation is None or not isinstance(submitted, int | float):
            return None
        server, organization = _text(data, "server"), _text(data, "organization")
        return cls(
            job_id=data["job_id"],
            submitted=float(submitted),
            generation=generation,
            is_workflow=data.get("workflow") is True,
            order=_text(data, "order"),
            place=Place(server, organization) if server and organization else None,
            conn_id=_text(data, "conn_id"),
            try_id=_text(data, "try_id"),
            settled=data.get("settled") is True,
            left_alone=data.get("left_alone") is True,
        )

    def fits(self, wanted: Wanted) -> bool:
        """Whether it is of an equal order, made where the connection leads now."""
        return self.order in (None, wanted.order) and self.place in (None, wanted.place)

    def is_elsewhere(self, wanted: Wanted) -> bool:
        """Whether the connection led to another server or organization when the job was made."""
        return self.conn_id == wanted.conn_id and self.place not in (None, wanted.place)


def _generation(data: dict[str, Any]) -> Generation | None:
    numbers = {name: _number(data, name) for name in ("max_tries", "retries", "try_number", "clears")}
    if isinstance(data.get("gen"), str):  # as an older release wrote it
        max_tries, _, retries = data["gen"].partition(" ")
        numbers |= {"max_tries": _whole(max_tries), "retries": _whole(retries)}
    max_tries, retries = numbers["max_tries"], numbers["retries"]
    if max_tries is None or retries is None:
        return None
    return Generation(max_tries, retries, numbers["try_number"], numbers["clears"])


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _number(data: dict[str, Any], name: str) -> int | None:
    value = data.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(data: dict[str, Any], name: str) -> str | None:
    value = data.get(name)
    return value if isinstance(value, str) else None


@dataclass(frozen=True)
class Finding:
    """What there is for an order.

    :param record: of the job to be taken up.
    :param stale: jobs of before a Clear: what of them lives must be stopped first, then their records are dropped.
    :param in_the_way: jobs that earlier tries started, if none is to be taken up: the same, but their records are kept,
        since a later order of this try may be theirs.
    :param elsewhere: a job that cannot be looked at, since the connection led to another place when it was made.
    :param after_clear: ``record`` is of before a Clear, of a try that lost touch with TheEye: the job is taken up if it
        still lives, but its end is not.
    """

    record: Record | None = None
    stale: tuple[Record, ...] = ()
    in_the_way: tuple[Record, ...] = ()
    elsewhere: Record | None = None
    after_clear: bool = False


@dataclass(frozen=True)
class Records:
    """All that is remembered of a task instance, in the order of the submissions."""

    all: tuple[Record, ...] = ()

    def to_json(self) -> list[dict[str, Any]]:
        return [record.to_json() for record in self.all]

    @classmethod
    def parse(cls, data: object) -> Records:
        """What is no record of ours is left out. An older release stored a single one."""
        rows = data if isinstance(data, list) else [data]
        return cls(tuple(record for record in map(Record.parse, rows) if record is not None))

    def find(self, wanted: Wanted) -> Finding:
        """What earlier tries left for an order. What this try made or took up already is left out."""
        earlier = [record for record in self.all if record.try_id is None or record.try_id != wanted.try_id]
        stale = tuple(record for record in earlier if was_cleared(record.generation, wanted.generation))
        current = [record for record in earlier if record not in stale]
        record = next((one for one in current if one.fits(wanted)), None)
        if record is not None:
            return Finding(record, stale)
        left_alone = next((one for one in stale if one.left_alone and one.fits(wanted)), None)
        if left_alone is not None:
            return Finding(left_alone, tuple(one for one in stale if one is not left_alone), after_clear=True)
        elsewhere = next((one for one in current if one.is_elsewhere(wanted)), None)
        return Finding(None, stale, tuple(one for one in current if not one.settled), elsewhere)

    def taken_up(self, job_id: str, try_id: str, generation: Generation | None = None) -> Records:
        """From now on the job is that of an order of this try.

        :param generation: of this try, if the record is of before a Clear.
        """
        return self._changed(
            job_id,
            lambda record: replace(
                record,
                try_id=try_id,
                settled=False,
                left_alone=False,
                generation=generation or record.generation,
            ),
        )

    def left_alone(self, job_id: str) -> Records:
        """Nobody waits for the job for now, and nobody knows how it is."""
        return self._changed(job_id, lambda record: replace(record, left_alone=True))

    def settled(self, job_id: str) -> Records:
        return self._changed(job_id, lambda record: replace(record, settled=True))

    def remembering(self, new: Record, *, instead_of: str | None = None) -> Records:
        """With a new record, in the place of one that it replaces."""
        if all(record.job_id != instead_of for record in self.all):
            return Records((*self.all, new))
        return Records(tuple(new if record.job_id == instead_of else record for record in self.all))

    def without(self, job_id: str) -> Records:
        return Records(tuple(record for record in self.all if record.job_id != job_id))

    def _changed(self, job_id: str, change: Callable[[Record], Record]) -> Records:
        return Records(tuple(change(record) if record.job_id == job_id else record for record in self.all))


class Next(Enum):
    """What to do with the job of an earlier try."""

    SUBMIT = "submit a new job"
    RELEASE = "release it, then wait for it"
    WAIT = "wait for it"
    TAKE_RESULT = "take its result"
    UNKNOWN = "its record is gone: the outcome is unknown"


def decide(job: Job | None, accepted: bool | None, *, after_clear: bool = False) -> Next:
    """Decide from what became of the job of an equal order.

    :param job: the job as it is now, ``None`` if its record is gone.
    :param accepted: whether its end is one that the task hands on, ``None`` while it or a step of it is live.
    :param after_clear: a user wants it to run again, if it does not run.
    """
    if after_clear and (job is None or accepted is not None):
        return Next.SUBMIT
    if job is None:
        return Next.UNKNOWN
    if accepted is not None:
        return Next.TAKE_RESULT if accepted else Next.SUBMIT
    return Next.RELEASE if may_be_held(job) else Next.WAIT
