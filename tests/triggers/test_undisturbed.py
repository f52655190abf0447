"""Work that a trigger finishes at its end."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from airflow_provider_theeye.triggers.undisturbed import undisturbed


class Work:
    """Takes a moment and says whether it came to its end."""

    def __init__(self) -> None:
        self.done = False

    async def do(self) -> None:
        await asyncio.sleep(0.3)
        self.done = True


async def ending_trigger(work: Work) -> None:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await undisturbed(work.do())
        raise


def test_being_cancelled_again_and_again_breaks_nothing_off() -> None:
    work = Work()

    async def triggerer() -> None:
        trigger = asyncio.create_task(ending_trigger(work))
        for _ in range(5):
            await asyncio.sleep(0.05)
            trigger.cancel()
        with pytest.raises(asyncio.CancelledError):
            await trigger

    asyncio.run(triggerer())
    assert work.done


def test_a_triggerer_that_stops_is_not_held_up() -> None:
    class Endless(Work):
        async def do(self) -> None:
            await asyncio.sleep(60)

    async def triggerer() -> None:
        trigger = asyncio.create_task(ending_trigger(Endless()))
        await asyncio.sleep(0.05)
        trigger.cancel()
        await asyncio.sleep(0.05)

    began = time.monotonic()
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(triggerer())
    assert time.monotonic() - began < 10


def test_what_goes_wrong_reaches_whoever_waits() -> None:
    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        asyncio.run(undisturbed(fail()))
