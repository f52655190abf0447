"""Starting a job exactly once, although TheEye has no idempotency key.

With a token the work is submitted in two steps: create it *held*, remember its id, release it. A held job that nobody
releases never runs, so a creation whose answer was lost is repeated without fear. A release is repeated when the one
before it can no longer be under way: TheEye may obey two that are under way at once. Where holding is impossible
(secret keys, approvals, dummies, notifications) the one request that counts is never repeated when its fate is unknown.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.errors import InvalidRequest, NotFound, RouteNotFound, TheEyeError
from airflow_provider_theeye.api.models import Job, moment
from airflow_provider_theeye.jobs.cancelling import cancel
from airflow_provider_theeye.jobs.once import UNDER_WAY, change_once, may_have_arrived, when_nothing_is_under_way
from airflow_provider_theeye.jobs.procedures import Pause, Procedure
from airflow_provider_theeye.jobs.reading import read_job

__all__ = [
    "HoldingNotSupported",
    "NothingStarted",
    "Order",
    "SubmissionUnclear",
    "give_up",
    "release",
    "submit",
    "tidy",
]

#: How often a held job may be taken away from under us before we stop trying.
TRIES = 3
#: A held job of ours that is older than this many seconds belongs to a try that died. Twice Airflow's default
#: ``retry_delay``, since a retry may be about to release it.
ORPHAN_SECONDS = 600
#: Jobs of a task that are looked through for one whose creation got no answer.
RECENT = 30

_REFUSAL = re.compile(r"lifecycle must be syncing\. (\w+) is set")


class HoldingNotSupported(Exception):
    """The server stores a job as held but has no way to release it."""


class NothingStarted(Exception):
    """It is certain that nothing ran, so trying again later does no harm."""


class SubmissionUnclear(Exception):
    """Whether a job was started cannot be told. A person has to look; nothing is repeated."""


@dataclass(frozen=True)
class Order:
    """What is to be started.

    :param theeye_id: id of the task or, with ``is_workflow``, of the workflow.
    :param arguments: as they are to be sent, see ``jobs.arguments``.
    :param held: submit in two steps.
    :param secret: the secret key to start it with, instead of the token.
    :param start_task_id: the step to start a workflow at, instead of its first.
    :param may_search: whether there is a token to look for a job whose creation got no answer.
    :param kept_jobs: how many of the task's jobs TheEye keeps, if that is known.
    """

    theeye_id: str
    arguments: Sequence[Any]
    is_workflow: bool = False
    held: bool = True
    secret: str | None = field(default=None, repr=False)
    start_task_id: str | None = None
    may_search: bool = True
    kept_jobs: int | None = None

    @property
    def task_id(self) -> str | None:
        return None if self.is_workflow else self.theeye_id

    @property
    def workflow_id(self) -> str | None:
        return self.theeye_id if self.is_workflow else None


def submit(order: Order, remember: Callable[[Job], bool]) -> Procedure[Job]:
    """Start it once and return the job as it was when it was created, or released.

    :param remember: called with the new job before it is released; returns whether a later try will find it.
    :raises SubmissionUnclear: if a request that must not be repeated got no answer and nothing tells what it did.
    :raises NothingStarted: if no held job could be created, or somebody else cancelled each before its release.
    :raises HoldingNotSupported: if the server does not know how to release a held job.
    """
    for _ in range(TRIES):
        job: Job = yield from (_create_held(order) if order.held else _create_directly(order))
        remembered = remember(job)
        # A server that does not know holding shows it: what it made is not held, and runs already.
        if not (order.held and may_be_held(job)):
            return job
        if (yield from _release(job, remembered)):
            return replace(job, lifecycle="ready") if job.is_held else job
    raise NothingStarted(
        f"{TRIES} held jobs in a row were cancelled by someone else before they could be released; none of them ran"
    )


def may_be_held(job: Job) -> bool:
    """Whether it is held. Of a workflow job on hold, behind an earlier run, only the first step tells."""
    return job.is_held or (job.is_workflow and job.lifecycle == "onhold")


def release(job: Job, *, of_earlier_try: bool = False) -> Procedure[bool]:
    """Let a held job (of a workflow job: its first step) run.

    Returns whether it runs or ran. ``False`` means that it was put on hold or cancelled meanwhile; it is then given up
    for good, so that a new one can take its place.

    :param of_earlier_try: somebody else made it, whose release may be under way.
    :raises SubmissionUnclear: if its record is gone, or it cannot be given up, so that a new one could be a second one.
    """
    held = yield from _first_step(job) if job.is_workflow else _itself(job)
    if held is None:
        return True
    lifecycle = held.lifecycle
    if of_earlier_try and held.is_held:
        lifecycle = _found(held, (yield from when_nothing_is_under_way(held.id))).lifecycle
    if lifecycle == "syncing" or not held.is_held:
        lifecycle = yield from _released(held)
    return True if lifecycle not in ("onhold", "canceled") else (yield from _ran_before_given_up(held))


def give_up(job: Job) -> Procedure[Job | None]:
    """Cancel a job of an earlier try, whose release may be under way. Returns and raises as ``cancel``."""
    if may_be_held(job):
        yield Pause(UNDER_WAY)
    return (yield from cancel(job.id, is_workflow=job.is_workflow))


def _released(held: Job) -> Procedure[str]:
    """Release it, and return the lifecycle that it has then, as far as is known."""
    try:
        unanswered = yield from change_once(calls.release_job(held.id), held.id, lambda now: now.is_held)
    except RouteNotFound as error:
        with contextlib.suppress(TheEyeError):  # such a server may have no way to cancel it either; it never runs
            yield from cancel(held.id, is_workflow=False)
        raise HoldingNotSupported(str(error)) from error
    except NotFound as error:
        return (yield from _lifecycle_after(held, error))
    except InvalidRequest as refusal:
        word = _REFUSAL.search(refusal.message)
        if word is None:
            raise
        return word[1]
    return "ready" if unanswered is None else _found(held, unanswered.job).lifecycle


def _release(job: Job, remembered: bool) -> Procedure[bool]:
    """Without a memory this try is the last that knows of the job: its release may not be left open."""
    try:
        return (yield from release(job))
    except TheEyeError as error:
        if remembered or not error.transient:
            raise
        lost = error
    with contextlib.suppress(TheEyeError):
        held = yield from _first_step(job) if job.is_workflow else _itself(job)
        held = None if held is None else (yield from _held_still(held))
        if held is None or (yield from _ran_before_given_up(held)):
            return True
        raise NothingStarted(
            f"job {job.id} ({job.name}) was given up before it ran, since it could not be released: {lost}"
        )
    raise SubmissionUnclear(
        f"TheEye may or may not have let job {job.id} ({job.name}) run: {lost}. No other one is started, since that "
        "could run the work twice. Look at the job in TheEye's web UI: if it did not run, clear this task"
    ) from lost


def tidy(order: Order, job: Job) -> Procedure[list[str]]:
    """Give up held jobs that an earlier try left behind: same task or workflow, same user, old. Returns their ids.

    They would never run; this keeps lists of jobs clean. Without knowing the token's user nothing is touched.
    """
    begin = _before(job.created, ORPHAN_SECONDS)
    if job.user_id is None or begin is None:
        return []
    rows: list[Job] = yield calls.find_jobs(
        task_id=order.task_id, workflow_id=order.workflow_id, lifecycle="syncing", user_id=job.user_id
    )
    # A workflow job says syncing until a host takes its first step, released or not: only steps tell.
    orphans = [r for r in rows if not r.is_workflow and r.id != job.id and (r.created or "~") < begin]
    orphans = [r for r in orphans if r.workflow_job_id != job.id]
    for orphan in orphans:
        yield from cancel(orphan.id, is_workflow=False, may_be_released=False)
    return [orphan.id for orphan in orphans]


# --- creating -----------------------------------------------------------------------------------------------------


def _create_held(order: Order) -> Procedure[Job]:
    for tries_left in range(TRIES, -1, -1):
        try:
            return (yield from _post(order))
        except InvalidRequest as error:
            if not _is_gateways(error):
                raise
            trouble = error
        if tries_left:
            yield Pause(1.0)
    raise NothingStarted(f"TheEye's gateway is in trouble, so that no job could be created: {trouble}")


def _create_directly(order: Order) -> Procedure[Job]:
    before: list[Job] = []
    if order.may_search:
        before = yield from _recent(order)
    try:
        return (yield from _post(order))
    except TheEyeError as error:
        if not may_have_arrived(error) and not _is_gateways(error):
            raise
        lost = error
    if order.may_search:
        adopted = None
        # A search that fails leaves the question open: the try must not end as one that may be made again.
        with contextlib.suppress(TheEyeError):
            adopted = yield from _find_made(order, before)
        if adopted is not None:
            return adopted
    what = "workflow" if order.is_workflow else "task"
    raise SubmissionUnclear(
        f"TheEye may or may not have started {what} {order.theeye_id}: {lost}. It was not asked again, since that "
        "could run the work twice. Look for a new job of it in TheEye's web UI; if there is none, clear this task"
    ) from lost


def _is_gateways(error: TheEyeError) -> bool:
    """TheEye's gateway out of reach for a moment comes out as a 400, before or after the job is stored (CONTRACT)."""
    return isinstance(error, InvalidRequest) and error.message.startswith("Invalid members")


def _post(order: Order) -> Procedure[Job]:
    ident, arguments, secret, held = order.theeye_id, order.arguments, order.secret, order.held
    start = order.start_task_id
    if order.is_workflow and secret is None:
        call = calls.create_workflow_job(ident, arguments, start_task_id=start, held=held)
    elif order.is_workflow and secret is not None:
        call = calls.create_workflow_job_by_secret(ident, secret, arguments, start_task_id=start, held=held)
    elif secret is None:
        call = calls.create_job(ident, arguments, held=held)
    else:
        call = calls.create_job_by_secret(ident, secret, arguments, held=held)
    try:
        job: Job = yield call
    except RouteNotFound:
        if secret is None or order.is_workflow:
            raise
        job = yield calls.create_job_by_secret_alone(ident, secret, arguments, held=held)
    return job


def _recent(order: Order, arguments: Sequence[Any] | None = None, since: str | None = None) -> Procedure[list[Job]]:
    rows: list[Job] = yield calls.find_jobs(
        task_id=order.task_id,
        workflow_id=order.workflow_id,
        arguments=arguments,
        created_since=since,
        limit=RECENT,
    )
    return rows


def _find_made(order: Order, before: Sequence[Job]) -> Procedure[Job | None]:
    """The job that a lost request made, if exactly one can be it.

    :param before: the newest ones from before the request. There may be older ones, so the time counts as well.
    """
    yield Pause(1.0)
    since = max((job.created for job in before if job.created), default=None)
    rows = yield from _recent(order, order.arguments, since)
    known = {job.id for job in before}
    origins = (None, "user" if order.secret is None else "secret")
    made = [
        job for job in rows if job.id not in known and job.is_workflow == order.is_workflow and job.origin in origins
    ]
    if len(made) != 1:
        return None
    job: Job = yield calls.get_job(made[0].id)
    return job


# --- parts --------------------------------------------------------------------------------------------------------


def _itself(job: Job) -> Procedure[Job | None]:
    return job
    yield  # a procedure like its alternative, with nothing to ask


def _first_step(job: Job) -> Procedure[Job | None]:
    """The step of a workflow job to be released; ``None`` if there is none any more.

    A first step that was cancelled before anything ran is one as well: releasing it tells.
    """
    for _ in range(10):
        steps: list[Job] = yield calls.get_steps_of([job.id])
        if steps or job.lifecycle == "onhold":
            never_ran = bool(steps) and all(step.lifecycle == "canceled" for step in steps)
            return next((step for step in steps if step.is_held or never_ran), None)
        yield Pause(0.3)
    raise SubmissionUnclear(f"workflow job {job.id} has no first step that could be released; it does not run")


def _now(held: Job) -> Procedure[Job]:
    """How a job is that was held when it was created."""
    return _found(held, (yield from read_job(held.id)))


def _found(held: Job, now: Job | None) -> Job:
    if now is None:
        raise SubmissionUnclear(
            f"the record of job {held.id} is gone before it was known to be released, so it may have run. "
            "Look at what its script left behind, then clear this task to run it again"
        )
    return now


def _held_still(job: Job) -> Procedure[Job | None]:
    now = yield from _now(job)
    if now.is_held:
        now = _found(job, (yield from when_nothing_is_under_way(job.id)))
    return now if now.is_held else None


def _lifecycle_after(held: Job, error: NotFound) -> Procedure[str]:
    """Of a job that could not be found to be released. TheEye deletes no held job, but one that ran it may."""
    now = yield from _now(held)
    if now.is_held:
        raise error
    return now.lifecycle


def _ran_before_given_up(held: Job) -> Procedure[bool]:
    now = yield from cancel(held.id, is_workflow=False)
    if now is not None and not now.is_over:
        raise SubmissionUnclear(
            f"job {held.id} was put on hold by somebody else and could not be cancelled (it is {now.lifecycle}), so it "
            "was not replaced by a new one. Cancel it in TheEye, then clear this task"
        )
    return now is not None and now.lifecycle != "canceled"


def _before(created: str | None, seconds: int) -> str | None:
    made = moment(created)
    return None if made is None else (made - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
