"""Runs an operator or sensor in this process, in both modes, as Airflow would."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

from airflow.providers.common.compat.sdk import BaseOperator, TaskDeferred

MODES = ("sync", "deferrable")


class FakeTaskInstance:
    """The little of a task instance that operators use."""

    def __init__(self, try_number: int = 1, max_tries: int = 0) -> None:
        self.id = uuid4()  # another one for each try, kept while it is deferred
        self.try_number = try_number
        self.max_tries = max_tries
        self.xcoms: dict[str, Any] = {}
        self.dag_id, self.task_id, self.run_id, self.map_index = "dag", "task", "run", -1
        self.state = "running"
        self.start_date: datetime | None = None

    def get_task_states(self, **which: Any) -> dict[str, dict[str, str]]:
        return {self.run_id: {self.task_id: self.state}}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value


class FakeStore:
    """Airflow's task state store: outlives a try."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def get(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)

    def set(self, key: str, value: Any, **options: Any) -> None:
        if value is None:
            raise ValueError("Cannot set value as None")
        self.values[key] = value

    def delete(self, key: str) -> None:
        self.values.pop(key, None)


def context(ti: FakeTaskInstance | None = None, store: FakeStore | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {"ti": ti or FakeTaskInstance()}
    if store is not None:
        made["task_state_store"] = store
    return made


def run(make: Callable[..., BaseOperator], mode: str, ctx: dict[str, Any] | None = None) -> Any:
    """Execute an operator; a deferred one goes through its trigger and, on a fresh operator, its execute_complete."""
    ctx = ctx or context()
    operator = make(deferrable=mode == "deferrable")
    try:
        return operator.execute(ctx)  # type: ignore[arg-type]
    except TaskDeferred as deferred:
        event = asyncio.run(first_event(deferred.trigger))
        resumed = make(deferrable=True)
        return getattr(resumed, deferred.method_name)(ctx, event=event)


async def first_event(trigger: Any) -> Any:
    """What the trigger says, after the way through the database."""
    path, kwargs = trigger.serialize()
    module, name = path.rsplit(".", 1)
    rebuilt = getattr(importlib.import_module(module), name)(**kwargs)
    async for event in rebuilt.run():
        return event.payload
    raise AssertionError("the trigger ended without an event")
