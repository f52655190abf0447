"""Waiting with nothing but the job's own secret: a long poll, one request per job at a time."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_theeye.jobs.clocks import now
from airflow_provider_theeye.jobs.looking import look_by_secret
from airflow_provider_theeye.jobs.procedures import drive_async
from airflow_provider_theeye.jobs.reading import Ended
from airflow_provider_theeye.jobs.waiting import End, JobWatch
from airflow_provider_theeye.sealing import unseal
from airflow_provider_theeye.triggers.shared_client import SharedClient

__all__ = ["wait_by_secret"]


async def wait_by_secret(
    watch: JobWatch, sealed_secret: str, shared: SharedClient, note: Callable[[str], None]
) -> tuple[End, Ended | None]:
    """The same as ``JobWatcher.wait`` for who has no token."""
    secret = unseal(sealed_secret)
    while True:
        async with shared.long_polls:
            began = now()
            look = look_by_secret(watch, secret, now, in_demand=shared.long_polls.locked())
            end, job = await drive_async(look, shared.run)
        for line in watch.take_notes():
            note(line)
        if end is not None:
            return end, Ended(job) if job is not None else None
        await shared.sleep(watch.rest(began, now()))
