"""Waiting for a job's end with one long request."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

from . import documents
from .access import allowed
from .call import Answer, Call
from .errors import internal, text
from .job import Job
from .query import pairs
from .router import Routes
from .routes_jobs import job_in_path

routes = Routes()
SHORTEST, LONGEST = 10.0, 60.0  # seconds


def waiting_time(asked: Any) -> float:
    """How long to wait, from the query's `timeout`: 60 seconds by default, between 10 and 60 otherwise."""
    try:
        seconds = float(asked)
    except (TypeError, ValueError):
        return LONGEST
    return min(max(seconds, SHORTEST), LONGEST) if seconds == seconds else LONGEST


def wanted(call: Call, job: Job) -> Any:
    """The part of a job that the query's flag names; without one, its result."""
    asked = call.query
    if "full" in asked:
        return documents.single(call.engine, job)
    if "result" in asked:
        return job.result
    if "output" in asked:
        return job.output
    if "parse" in asked:
        return _parsed(job.output, asked["parse"])
    return job.result


def _parsed(output: Any, index: Any) -> Any:
    try:
        member = output[int(index or 0)]
    except (IndexError, TypeError, ValueError):
        raise internal() from None
    try:
        return json.loads(member)
    except (TypeError, ValueError):
        return member


def too_late(call: Call) -> Answer:
    """The job is not over in time: 408 if `counter` has reached `limit` (also if neither is given), else a redirect.

    The redirect leads to the same path and query with the counter one higher, access token included.
    """
    counter, limit = call.query.get("counter"), call.query.get("limit")
    if counter == limit:
        raise text(408, "Request Timeout")
    try:
        following = str(int(counter or 0) + 1)
    except (TypeError, ValueError):
        following = "1"
    kept = [(name, value) for name, value in pairs(call.raw_query) if name != "counter"]
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in [*kept, ("counter", following)])
    return Answer.of({}, 303, Location=f"{call.path}?{query}")


async def _wait(call: Call, job: Job) -> Answer:
    """Answers when the job is over. A run never wakes the one who waits for it, as on the real server."""
    if not job.over:
        over = asyncio.Event()

        def wake(_: Job) -> None:
            over.set()

        stop = call.engine.listen(job.id, wake) if not job.is_run else over.clear
        try:
            await asyncio.wait_for(over.wait(), waiting_time(call.query.get("timeout")))
        except asyncio.TimeoutError:
            if not job.over:
                return too_late(call)
        finally:
            stop()
    # A failed job is answered 500, complete as it is: that is how the real server does it.
    return Answer.of(wanted(call, job), 200 if job.state == "success" else 500)


@routes.on("GET", "/job/{id}/result")
async def wait_for_result(call: Call) -> Answer:
    """By token."""
    allowed(call, "viewer")
    return await _wait(call, job_in_path(call))


@routes.on("GET", "/job/{id}/secret/{secret}/result")
async def wait_for_result_by_secret(call: Call) -> Answer:
    """By the job's own secret."""
    job = job_in_path(call)
    if call.parameters["secret"] != job.secret:
        raise text(403, "invalid secret")
    return await _wait(call, job)
