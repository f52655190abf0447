"""Cancelling the job of a killed task in the triggerer."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING

import anyio

from airflow_provider_theeye.api.errors import TheEyeError
from airflow_provider_theeye.jobs.cancelling import cancel
from airflow_provider_theeye.jobs.procedures import drive_async
from airflow_provider_theeye.triggers.killed import AirflowSilent, task_was_killed

if TYPE_CHECKING:
    from airflow_provider_theeye.triggers.shared_client import SharedClient
    from airflow_provider_theeye.triggers.theeye import TheEyeJobTrigger

__all__ = ["Ending"]

#: Airflow gives ``on_kill`` 30 seconds, and closes the log of the task afterwards.
KILL_SECONDS = 28.0
#: Seconds between two attempts: the first pause, and the longest.
AGAIN = 0.5
LONGEST_PAUSE = 4.0


class Ending:
    """What a trigger does at its end about its job. It raises nothing, it says in the task's log what went wrong.

    :param certain: a person ended the wait for sure, so that Airflow is not asked.
    """

    def __init__(self, trigger: TheEyeJobTrigger, *, certain: bool = False) -> None:
        self._trigger = trigger
        self._certain = certain
        self._log = trigger.log
        self._job_id = trigger.job_id
        self._problem = "there was no time left for it"

    async def run(self) -> None:
        """Cancel the job if the task was killed, within the time that Airflow gives."""
        done = False
        try:
            async with contextlib.AsyncExitStack() as used:
                with anyio.move_on_after(KILL_SECONDS):
                    if self._certain or await self._was_killed():
                        watcher = await used.enter_async_context(self._trigger.watcher())
                        await self._cancel(watcher.client)
                    done = True
        except asyncio.CancelledError:
            self._problem = "the triggerer was stopped meanwhile"
            raise
        except Exception as error:
            self._problem = f"{type(error).__name__}: {error}"
        finally:
            if not done:
                self._log.error(
                    "TheEye job %s could not be cancelled and may still be running: %s. If nobody waits for it any "
                    "more, cancel it in TheEye",
                    self._job_id,
                    self._problem.rstrip("."),
                )

    async def _was_killed(self) -> bool:
        try:
            killed = await task_was_killed(self._trigger)
        except AirflowSilent as error:
            self._log.warning(
                "TheEye job %s is left alone: Airflow cannot be asked whether its task was killed (%s). The next try "
                "of the task takes it up, if there is one; cancel the job in TheEye if nobody wants it any more",
                self._job_id,
                error,
            )
            return False
        if not killed:
            self._log.info("The task still waits: TheEye job %s is left to whoever waits for it now", self._job_id)
        return killed

    async def _cancel(self, client: SharedClient) -> None:
        self._log.info("The task was killed: cancelling TheEye job %s", self._job_id)
        pause = AGAIN
        while not await self._is_cancelled(client):
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _is_cancelled(self, client: SharedClient) -> bool:
        """One attempt. Whatever TheEye refuses now it may do in a second, and there is no later one to try it."""
        trigger = self._trigger
        try:
            if (await client.get()).settings.token is None:
                self._log.error("TheEye job %s was left running: cancelling needs an integration token", self._job_id)
                return True
            attempt = cancel(self._job_id, is_workflow=trigger.is_workflow, at_once=True)
            job = await drive_async(attempt, partial(client.run, urgent=True))
        except TheEyeError as error:
            self._problem = str(error)
            return False
        if job is not None and not job.is_over and not trigger.is_workflow:
            self._problem = f"TheEye did not cancel it, it is still {job.lifecycle}"
            return False
        self._log.info("TheEye job %s is %s", self._job_id, job.lifecycle if job else "gone")
        return True
