"""Work that a trigger finishes at its end, however often Airflow cancels the trigger meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["start", "undisturbed", "until_over"]

T = TypeVar("T")

#: An event loop itself holds its tasks by weak references only.
_under_way: set[asyncio.Task[Any]] = set()


def start(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Begin the work in a task of its own, which nobody but the loop's end cancels.

    It keeps the log context of its starter, so its lines land in the log of the trigger's task.
    """
    task = asyncio.ensure_future(work)
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
    return task


async def until_over(task: asyncio.Task[T]) -> T:
    """Wait for such a task. Being cancelled does not end the wait.

    Airflow cancels a killed trigger again about once a second until the trigger is gone. When the triggerer stops, the
    task itself is cancelled, and this ends with it.
    """
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    return task.result()


async def undisturbed(work: Coroutine[Any, Any, T]) -> T:
    """Do the work to its end. A question to Airflow that is broken off brings down the triggerer of Airflow 3.0."""
    return await until_over(start(work))
