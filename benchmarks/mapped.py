"""The trigger that ``triggerer`` lets Airflow start without a worker: one of the variants, for one job of many.

All mapped tasks of a DAG start the same trigger, which finds its job by the task's map index. Each writes a line when
it begins and one when it ends, and the first of them says how late the loop is, as long as it waits.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from benchmarks.measured import BEAT, VARIANTS

BEGUN, EVENTS, LAGS, IDS = "begun", "events", "lags", "ids.json"


class MappedTrigger(BaseTrigger):
    """``folder`` holds the ids of the jobs, and what is written."""

    def __init__(self, variant: str, conn_id: str, poll_interval: float, folder: str) -> None:
        super().__init__()
        self.variant = variant
        self.conn_id = conn_id
        self.poll_interval = poll_interval
        self.folder = folder

    def serialize(self) -> tuple[str, dict[str, Any]]:
        kwargs = {name: getattr(self, name) for name in ("variant", "conn_id", "poll_interval", "folder")}
        return "benchmarks.mapped.MappedTrigger", kwargs

    async def run(self) -> AsyncIterator[TriggerEvent]:
        index = self.task_instance.map_index
        job_id = _ids(self.folder)[index]
        trigger: Any = VARIANTS[self.variant](
            theeye_conn_id=self.conn_id, job_id=job_id, poll_interval=self.poll_interval
        )
        self._write(BEGUN, ".")
        heart = asyncio.create_task(self._beat()) if not index else None
        try:
            async for event in trigger.run():
                self._write(EVENTS, f"{job_id} {time.time()}\n")
                yield event
                return
        finally:
            if heart is not None:
                heart.cancel()

    async def _beat(self) -> None:
        while True:
            due = time.perf_counter() + BEAT
            await asyncio.sleep(BEAT)
            late = time.perf_counter() - due
            self._write(LAGS, f"{time.time()} {late}\n")

    def _write(self, name: str, text: str) -> None:
        # A few microseconds; a file that is appended to needs no lock.
        with open(os.path.join(self.folder, name), "a") as file:
            file.write(text)


@lru_cache
def _ids(folder: str) -> list[str]:
    ids: list[str] = json.loads((Path(folder) / IDS).read_text())
    return ids
