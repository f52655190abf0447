"""Waiting for a job's end with one long request."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from . import documents, query, resolve
from .access import allowed, ensure_allowed
from .call import Answer, Call
from .errors import text
from .job import Job
from .router import Routes
from .routes_create import check_secret

routes = Routes()
SHORTEST, LONGEST = 10.0, 60.0  # seconds


def waiting_time(asked: Any) -> float:
    """How long to wait, from the query's `timeout`: 60 seconds by default, between 10 and 60 otherwise.

    What is no number ends the waiting at once.
    """
    if not asked:
        return LONGEST
    try:
        seconds = float(asked)
    except (TypeError, ValueError):
        return 0.0
    return min(max(seconds, SHORTEST), LONGEST) if seconds == seconds else 0.0


def answer(call: Call, job: Job) -> Answer:
    """The part of a job that is over that the query's flag names; without one, a member of its output, parsed.

    A failed job is answered 500, complete as it is: that is how the real server does it.
    """
    asked = call.query
    status = 200 if job.state == "success" else 500
    if "result" in asked:
        return Answer.of(job.result, status)
    if "full" in asked:
        return Answer.of(documents.single(call.engine, job), status)
    if "output" in asked:
        return Answer.of(job.output, status)
    if not isinstance(job.output, list):
        return Answer(status)
    return _parsed(job, asked.get("parse"), status)


def _parsed(job: Job, index: Any, status: int) -> Answer:
    """What a script put out for this route. It may say status, headers and body itself."""
    member = _member(job.output, index or "0")
    try:
        said = json.loads(member) if member else None
    except ValueError as error:
        words = {"message": "Invalid task ejecution result. Cannot be parsed", "details": str(error)}
        return Answer.of({**words, "result": job.result}, 500)
    said = said or None
    if not isinstance(said, dict):
        return Answer.of(said, status)
    response = said.get("response")
    if not response:
        return Answer.of(said, _status(said, status))
    if not isinstance(response, dict):
        return Answer.of(response, status)
    headers = response.get("headers")
    shown = {str(name): str(value) for name, value in headers.items()} if isinstance(headers, dict) else {}
    return Answer.of(response.get("body") or response, _status(response, status), **shown)


def _status(said: dict[str, Any], default: int) -> int:
    own = said.get("statusCode")
    return own if type(own) is int and 200 <= own <= 599 else default


def _member(output: list[Any], index: Any) -> Any:
    position = int(index) if isinstance(index, str) and index.isdecimal() else len(output)
    return output[position] if position < len(output) else None


def too_late(call: Call) -> Answer:
    """The job is not over in time: 408 if `counter` has reached `limit` (also if neither is given), else a redirect.

    The redirect leads to the same path and query with the counter one higher, access token included.
    """
    counter, limit = call.query.get("counter"), call.query.get("limit")
    if counter == limit:
        raise text(408, "Request Timeout")
    following = str(int(counter or 0) + 1) if isinstance(counter, str) and (counter or "0").isdecimal() else "0"
    return Answer.of({}, 303, Location=f"{call.path}?{query.stringify({**call.query, 'counter': following})}")


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
    return answer(call, job)


@routes.on("GET", "/job/{id}/result")
@routes.on("POST", "/job/{id}/result")
async def wait_for_result(call: Call) -> Answer:
    """By token."""
    user = allowed(call, "viewer")
    job = resolve.job(call)
    ensure_allowed(user, job.acl)
    return await _wait(call, job)


@routes.on("GET", "/job/{id}/secret/{secret}/result")
@routes.on("POST", "/job/{id}/secret/{secret}/result")
async def wait_for_result_by_secret(call: Call) -> Answer:
    """By the job's own secret."""
    job = resolve.job(call)
    check_secret(call, job.secret)
    return await _wait(call, job)
