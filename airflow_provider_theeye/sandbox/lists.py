"""Lists of jobs, tasks and workflows, filtered, sorted and cut as the query asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from . import documents, filters
from .access import sees
from .call import Answer, Call
from .engine import Engine
from .errors import empty, internal
from .job import Job
from .world import User

T = TypeVar("T")


def chosen(rows: Iterable[T], query: Mapping[str, Any], view: Callable[[T], Mapping[str, Any]]) -> list[T]:
    """The rows that a query's where, sort and limit choose. Raises BadFilter."""
    where = filters.as_object(query.get("where", {}))
    filters.check(where)
    found = [row for row in rows if filters.holds(where, view(row))] if where else list(rows)
    return filters.limited(filters.ordered(found, query.get("sort"), view), query.get("limit"))


def listed(call: Call, rows: Iterable[T], view: Callable[[T], Mapping[str, Any]]) -> list[T]:
    """The rows that a request chooses. Raises the 500 without a body of a bad filter."""
    try:
        return chosen(rows, call.query, view)
    except filters.BadFilter:
        raise empty(500) from None


def jobs(call: Call, user: User) -> list[Job]:
    """The jobs of the user's organization that a request chooses. Raises the 500 of a bad filter."""
    try:
        return _jobs(call.engine, user, call.query)
    except filters.BadFilter:
        raise internal() from None


def _jobs(engine: Engine, user: User, query: Mapping[str, Any]) -> list[Job]:
    where = filters.as_object(query.get("where", {}))
    wanted = filters.identifiers(where) if where else None
    if wanted is None:
        rows: Iterable[Job] = engine.jobs_of(user.organization)
    else:
        found = {one: engine.jobs[one] for one in wanted if one in engine.jobs}
        rows = [job for job in found.values() if job.customer_name == user.organization]
        rows = sorted(rows, key=lambda job: job.sequence)
        query = {**query, "where": {name: value for name, value in where.items() if name != "_id"}}
    visible = [job for job in rows if sees(user, job.acl)]
    return chosen(visible, query, lambda job: documents.job_view(engine, job))


def answer(engine: Engine, found: Iterable[Job]) -> Answer:
    """Jobs as rows of a list."""
    return Answer(200, b"[" + b",".join(documents.row(engine, job) for job in found) + b"]")
