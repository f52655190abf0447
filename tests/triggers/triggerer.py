"""Half of Airflow's own triggerer: it starts triggers, tells them that a user killed their tasks, and tells them again
about once a second until they are gone, as its other half, the supervisor, makes it do.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import anyio

from airflow_provider_theeye.triggers.theeye import TheEyeJobTrigger
from airflow_provider_theeye.version_compat import HAS_TASK_STATE_STORE


@dataclass
class Airflow:
    """Answers questions for the states of tasks, each after some time, one after the other as a triggerer does."""

    state: str | None = "failed"
    seconds: float = 0.2
    fails: bool = False
    removed: bool = False
    asked: list[Any] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, question: Any) -> Any:
        from airflow.sdk.execution_time.comms import GetTaskStates, TaskStatesResult

        if not isinstance(question, GetTaskStates):
            return None  # it is told what to mask
        with self.lock:
            self.asked.append(question)
            time.sleep(self.seconds)
        if self.fails:
            raise ConnectionError("the API server is out of reach")
        if self.removed:
            return TaskStatesResult(task_states={})
        indexes = range(100) if question.map_index is None else [question.map_index]
        names = {f"{task}_{index}" for task in question.task_ids for index in indexes} | set(question.task_ids)
        return TaskStatesResult(task_states={run: dict.fromkeys(names, self.state) for run in question.run_ids})


class Log:
    """What a trigger writes, with the id of the trigger in whose log it lands; ``None`` if that is closed already."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, int | None]] = []
        self.closed: set[int] = set()
        self.news = asyncio.Event()

    def _write(self, level: str, text: str, *values: Any) -> None:
        import structlog  # Airflow 2 has none

        trigger_id = structlog.contextvars.get_contextvars().get("trigger_id")
        self.lines.append((level, text % values, None if trigger_id in self.closed else trigger_id))
        self.news.set()

    def info(self, text: str, *values: Any) -> None:
        self._write("info", text, *values)

    def warning(self, text: str, *values: Any) -> None:
        self._write("warning", text, *values)

    def error(self, text: str, *values: Any) -> None:
        self._write("error", text, *values)

    def of(self, trigger_id: int, level: str) -> list[str]:
        return [text for one, text, whose in self.lines if (one, whose) == (level, trigger_id)]


class Triggerer:
    """Runs a trigger for each job, as instances of one mapped task."""

    def __init__(self, connection: str, job_ids: Iterable[str], **options: Any) -> None:
        self.log = Log()
        self.job_ids = dict(enumerate(job_ids, 1))
        self._connection, self._options = connection, options
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Until each has noted what it saw first."""
        if HAS_TASK_STATE_STORE:
            from airflow.jobs.triggerer_job_runner import TriggerRunner

            self._runner = TriggerRunner()
        for number, job_id in self.job_ids.items():
            trigger = TheEyeJobTrigger(
                self._connection,
                job_id,
                submitted=time.time(),
                poll_interval=1.0,
                **{"cancel_on_kill": True, **self._options},
            )
            trigger._log = self.log
            trigger.trigger_id = number
            trigger.task_instance = SimpleNamespace(
                id=f"ti-{number}",
                dag_id="dag",
                task_id="task",
                run_id="run",
                map_index=number,
                try_number=1,
                context_carrier=None,
            )
            task = self._tasks[number] = asyncio.create_task(self._run(number, trigger))
            task.add_done_callback(lambda _, number=number: self.log.closed.add(number))
            if HAS_TASK_STATE_STORE:
                self._runner.triggers[number] = {"task": task, "is_watcher": False, "name": job_id, "events": 0}

        with anyio.fail_after(60):
            while len(self.log.lines) < len(self.job_ids):
                await self.log.news.wait()
                self.log.news.clear()

    async def _run(self, number: int, trigger: TheEyeJobTrigger) -> None:
        if HAS_TASK_STATE_STORE:
            await self._runner.run_trigger(number, trigger)
            return
        import structlog

        structlog.contextvars.bind_contextvars(trigger_id=number)
        try:
            async for _ in trigger.run():
                pass
        finally:
            await trigger.cleanup()

    async def kill(self, patience: float = 60.0) -> None:
        """Until the last of them is gone."""
        until = time.monotonic() + patience
        while running := {number: task for number, task in self._tasks.items() if not task.done()}:
            assert time.monotonic() < until, f"{len(running)} triggers do not end"
            if HAS_TASK_STATE_STORE:
                self._runner.to_cancel.extend(running)
                await self._runner.cancel_triggers()
            else:
                for task in running.values():
                    task.cancel()
            await asyncio.wait(running.values(), timeout=1.0)
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
