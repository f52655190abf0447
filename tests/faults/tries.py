"""What runs in the child processes: a try of a task, its trigger, or what comes after the trigger's event."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator, TaskDeferred

from airflow_provider_theeye.jobs import deferral, submission, waiting
from airflow_provider_theeye.operators import following
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator, TheEyeWorkflowOperator
from airflow_provider_theeye.triggers import theeye as trigger_module
from tests.faults.points import Line, Points
from tests.running import FakeStore, FakeTaskInstance

# How a process ends that was told to.
STOPPED = 143
MOVED = 144
#: Begins each process's part of the log.
PROCESS_BEGINS = "[process] "


@dataclass(frozen=True)
class Job:
    """What a child needs to know: plain values, so that nothing but they travels between the processes.

    :param refusal_seconds: instead of the minute for which a refused token is tolerated.
    :param orphan_seconds: instead of the minutes after which a held job is an orphan.
    """

    folder: Path
    kind: str
    theeye_id: str
    gate: str
    deferrable: bool
    try_number: int
    max_tries: int
    wanted: frozenset[str]
    options: dict[str, Any] = field(default_factory=dict)
    refusal_seconds: float | None = None
    orphan_seconds: int | None = None


class FileStore(FakeStore):
    """Airflow's task state store: on disk, so it outlives whoever wrote it."""

    def __init__(self, path: Path, points: Points) -> None:
        super().__init__()
        self._path = path
        self._points = points
        if path.exists():
            self.values = json.loads(path.read_text())

    def set(self, key: str, value: Any, **options: Any) -> None:
        self._points.reach("before store")
        super().set(key, value, **options)
        _write(self._path, self.values)
        self._points.reach("after store")

    def delete(self, key: str) -> None:
        super().delete(key)
        _write(self._path, self.values)


class FileTaskInstance(FakeTaskInstance):
    """Its XComs are on disk."""

    def __init__(self, path: Path, try_number: int, max_tries: int) -> None:
        super().__init__(try_number, max_tries)
        self._path = path
        if path.exists():
            self.xcoms = json.loads(path.read_text())

    def xcom_push(self, key: str, value: Any) -> None:
        super().xcom_push(key, value)
        _write(self._path, self.xcoms)


def _write(path: Path, values: dict[str, Any]) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(values))
    part.replace(path)


def live(job: Job, role: str, given: dict[str, Any], line: Line) -> None:
    """The whole life of a child: do its work, tell the harness how it ended. Does not return."""
    status = 1
    try:
        print(PROCESS_BEGINS, role, flush=True)
        points = Points(line, job.wanted)
        points.install()
        _quicken(job)
        work = {"execute": _execute, "trigger": _trigger, "resume": _resume}[role]
        line.send({"end": work(job, given, points)})
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _quicken(job: Job) -> None:
    """Twenty failures in a row would take a quarter of an hour, since the pauses between them grow to a minute."""
    waiting.LONGEST_PAUSE = 0.2
    deferral.PATIENCE = 0.0  # so that it is the trigger that meets what ends its wait
    if job.orphan_seconds is not None:
        submission.ORPHAN_SECONDS = job.orphan_seconds
    if job.refusal_seconds is not None:
        rules = partial(waiting.WaitRules, refusal_seconds=job.refusal_seconds)
        following.WaitRules = rules  # type: ignore[misc, assignment]
        trigger_module.WaitRules = rules  # type: ignore[misc, assignment]


def _operator(job: Job) -> BaseOperator:
    more = {"deferrable": job.deferrable, "task_arguments": [job.gate], "poll_interval": 0.2, **job.options}
    if job.kind == "task":
        return TheEyeTaskOperator(task_id="work", theeye_task_id=job.theeye_id, **more)
    return TheEyeWorkflowOperator(task_id="work", theeye_workflow_id=job.theeye_id, **more)


def _execute(job: Job, given: dict[str, Any], points: Points) -> dict[str, Any]:
    operator = _operator(job)
    return _ended(job, points, operator, operator.execute)


def _resume(job: Job, given: dict[str, Any], points: Points) -> dict[str, Any]:
    points.reach("resume")
    operator = _operator(job)
    method = partial(getattr(operator, given["method"]), event=given["event"], **(given["kwargs"] or {}))
    return _ended(job, points, operator, method)


def _ended(job: Job, points: Points, operator: BaseOperator, method: Callable[..., Any]) -> dict[str, Any]:
    """Call it as Airflow's task runner does, which stops a task by SIGTERM and pushes what was returned."""

    def stop(*_: Any) -> None:
        operator.on_kill()
        os._exit(STOPPED)

    signal.signal(signal.SIGTERM, stop)
    ti = FileTaskInstance(job.folder / "xcoms.json", job.try_number, job.max_tries)
    context = {"ti": ti, "task_state_store": FileStore(job.folder / "store.json", points)}
    try:
        value = method(context)
    except TaskDeferred as deferred:
        path, kwargs = deferred.trigger.serialize()
        return {
            "deferred": {"path": path, "trigger": kwargs, "method": deferred.method_name, "kwargs": deferred.kwargs}
        }
    except Exception as error:
        final = isinstance(error, AirflowFailException)
        return {"error": type(error).__name__, "message": str(error), "final": final}
    points.reach("returned")
    ti.xcom_push("return_value", value)
    return {"returned": True}


def _trigger(job: Job, given: dict[str, Any], points: Points) -> dict[str, Any]:
    module, name = given["path"].rsplit(".", 1)
    trigger = getattr(importlib.import_module(module), name)(**given["trigger"])
    return {"event": asyncio.run(_first_event(trigger))}


async def _first_event(trigger: Any) -> Any:
    """Run a trigger as the triggerer does: it is cancelled when it moves, and has its ``on_kill`` called for a kill."""

    async def first() -> Any:
        async for event in trigger.run():
            return event.payload

    event = asyncio.ensure_future(first())
    received: list[int] = []

    def stop(number: int) -> None:
        received.append(number)
        event.cancel()

    for number in (signal.SIGTERM, signal.SIGUSR1):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    with contextlib.suppress(asyncio.CancelledError):
        return await event
    if received == [signal.SIGTERM]:
        await trigger.on_kill()
        os._exit(STOPPED)
    os._exit(MOVED)
