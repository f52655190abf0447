"""Waiting in a worker: the same looks and the same decisions as in the triggerer, one job at a time."""

from __future__ import annotations

import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_theeye.api.errors import AuthenticationFailed, TheEyeError, WrongPlace
from airflow_provider_theeye.jobs.clocks import Instant, now
from airflow_provider_theeye.jobs.looking import look, look_by_secret
from airflow_provider_theeye.jobs.procedures import drive
from airflow_provider_theeye.jobs.reading import Ended, read_whole
from airflow_provider_theeye.jobs.searching import JobSearch, look_for
from airflow_provider_theeye.jobs.waiting import End, JobWatch, WaitRules

if TYPE_CHECKING:
    from airflow_provider_theeye.api.call import Call
    from airflow_provider_theeye.api.models import Job
    from airflow_provider_theeye.hooks.theeye import TheEyeHook

__all__ = ["find_once", "look_once", "read_again", "wait", "wait_briefly"]

T = TypeVar("T")


def find_once(hook: TheEyeHook, search: JobSearch, watch: JobWatch) -> tuple[Job | None, End | None]:
    """One look for a job that may not exist yet; ``watch`` waits for it from then on if it is found."""
    found = drive(look_for(search, watch, now), partial(_ask, hook))
    _note(hook, watch)
    return found


def look_once(hook: TheEyeHook, watch: JobWatch, job_secret: str | None = None) -> tuple[End | None, Ended | None]:
    """One look, with the job's own secret if there is no token. Its notes go to the hook's log.

    A job that is over comes with its whole document; if that cannot be read now, a later look tries again.
    """
    ended = None
    if job_secret is None:
        end = drive(look(watch, now), partial(_ask, hook))
        if end is End.OVER:
            end, ended = _read(hook, watch)
    else:
        end, job = drive(look_by_secret(watch, job_secret, now), partial(_ask, hook))
        ended = Ended(job) if job is not None else None
    _note(hook, watch)
    return end, ended


def wait(hook: TheEyeHook, watch: JobWatch, job_secret: str | None = None) -> tuple[End, Ended | None]:
    """Look again and again until the wait is over. With a secret TheEye itself holds the answer back."""
    began = Instant(0.0, float("-inf"))
    while True:
        time.sleep(watch.delay(now()) if job_secret is None else watch.rest(began, now()))
        began = now()
        end, ended = look_once(hook, watch, job_secret)
        if end is not None:
            return end, ended


def wait_briefly(hook: TheEyeHook, watch: JobWatch, seconds: float) -> tuple[End | None, Ended | None]:
    """The same for so many seconds; ``None`` if the wait is not over then."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, watch.delay(now())))
        end, ended = look_once(hook, watch)
        if end is not None:
            return end, ended
    return None, None


def read_again(hook: TheEyeHook, cut: Ended, job_secret: str | None = None) -> Ended:
    """A job that is over, whose logs were cut to fit into an event, as a whole; or ``cut`` if that does not work."""
    again = None
    with contextlib.suppress(TheEyeError):
        if job_secret is None:
            again = drive(read_whole(cut.job.id), hook.run)
        else:
            _, again = look_once(hook, JobWatch(cut.job.id, WaitRules()), job_secret)
    if again is not None and again.is_over:
        return again
    hook.log.warning("TheEye job %s cannot be read once more: its log is not whole", cut.job.id)
    return cut


def _ask(hook: TheEyeHook, call: Call[T]) -> T:
    """Once, since the next look asks again anyway; but if the token is refused, with the one of now."""
    try:
        return hook.run(call, attempts=1)
    except (AuthenticationFailed, WrongPlace):
        if not _renewed(hook):
            raise
        return hook.run(call, attempts=1)


def _renewed(hook: TheEyeHook) -> bool:
    try:
        return hook.refresh()
    except WrongPlace:
        raise
    except Exception as error:
        # Airflow's own API server may be out of reach for a moment, or somebody is about to correct the connection.
        hook.log.warning("The connection could not be read again: %s: %s", type(error).__name__, error)
        return False


def _note(hook: TheEyeHook, watch: JobWatch) -> None:
    for line in watch.take_notes():
        hook.log.info(line)


def _read(hook: TheEyeHook, watch: JobWatch) -> tuple[End | None, Ended | None]:
    try:
        ended = drive(read_whole(watch.job_id), hook.run)
    except TheEyeError as error:
        return watch.failed(error, now()), None
    if ended is None:
        return watch.missed(), None
    return (End.OVER, ended) if ended.is_over else (None, None)
