"""How a decision that takes several requests is written once for both clients.

A *procedure* is a generator. It yields what is to be done, a ``Call`` or a ``Pause``; it is sent the call's value, or
has the call's error thrown into it; and it returns what it found out. So it does no I/O and needs no clock, and the
same procedure is driven by the synchronous client in a worker and by the asynchronous one in the triggerer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from airflow_provider_theeye.api.calls import Call
from airflow_provider_theeye.api.errors import TheEyeError

__all__ = ["Pause", "Procedure", "drive", "drive_async"]

T = TypeVar("T")


@dataclass(frozen=True)
class Pause:
    """Wait so many seconds."""

    seconds: float


Procedure = Generator["Call[Any] | Pause", Any, T]


def drive(procedure: Procedure[T], run: Callable[[Call[Any]], Any]) -> T:
    """Carry out a procedure with ``run``, which sends one call and returns its value.

    :raises TheEyeError: whatever the procedure does not handle.
    """
    try:
        action = next(procedure)
        while True:
            if isinstance(action, Pause):
                time.sleep(action.seconds)
                action = next(procedure)
                continue
            try:
                value = run(action)
            except TheEyeError as error:
                action = procedure.throw(error)
            else:
                action = procedure.send(value)
    except StopIteration as end:
        found: T = end.value
        return found


async def drive_async(procedure: Procedure[T], run: Callable[[Call[Any]], Awaitable[Any]]) -> T:
    """The same on an event loop."""
    try:
        action = next(procedure)
        while True:
            if isinstance(action, Pause):
                await asyncio.sleep(action.seconds)
                action = next(procedure)
                continue
            try:
                value = await run(action)
            except TheEyeError as error:
                action = procedure.throw(error)
            else:
                action = procedure.send(value)
    except StopIteration as end:
        found: T = end.value
        return found
