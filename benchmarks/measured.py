"""One variant's fresh process: N triggers on one event loop, measured from inside. Started by ``waiting``.

Reads one line of JSON from its input, says that it is ready, waits for another line, runs, and prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import cProfile
import json
import os
import pstats
import resource
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from airflow.triggers.base import BaseTrigger

from airflow_provider_theeye.triggers.theeye import TheEyeJobTrigger
from benchmarks.triggers import ClientEachTrigger, OneClientTrigger, SleepingTrigger

VARIANTS: dict[str, type[BaseTrigger]] = {
    "ours": TheEyeJobTrigger,
    "one_client": OneClientTrigger,
    "client_each": ClientEachTrigger,
    "floor": SleepingTrigger,
}
#: Seconds between two beats of the clock that shows how late the loop is.
BEAT = 0.05
#: Seconds; the trigger that warms up looks at its job twice.
WARM_UP = 1.5
#: Seconds for the triggers' first, more frequent looks to be over.
SETTLING = 8.0
#: Triggers started in one go; Airflow's triggerer too lets the loop breathe between them.
STARTED_AT_ONCE = 100
PROFILE_LINES = 40


Say = Callable[[str], None]


class Clock:
    """CPU time, of this process if nothing else is said, and wall time since it was read last."""

    def __init__(self, cpu_time: Callable[[], float] = time.process_time) -> None:
        self._cpu_time = cpu_time
        self._cpu, self._wall = cpu_time(), time.perf_counter()

    def read(self) -> tuple[float, float]:
        cpu, wall = self._cpu_time(), time.perf_counter()
        spent = cpu - self._cpu, wall - self._wall
        self._cpu, self._wall = cpu, wall
        return spent


async def warm_up(trigger: BaseTrigger) -> None:
    """Let one trigger wait for a moment: what a triggerer's first one imports is no cost of waiting."""
    waiting = asyncio.create_task(anext(trigger.run()))
    await asyncio.sleep(WARM_UP)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def measure(triggers: list[BaseTrigger], seconds: float, ending: float, say: Say) -> dict[str, Any]:
    """Start the triggers and let them settle, wait with no job ending, then wait while some jobs end.

    Says each word to the process that started this one when a phase is over.
    """
    events: dict[str, float] = {}
    lags: list[float] = []

    async def wait(trigger: Any) -> None:
        async for _ in trigger.run():
            events[trigger.job_id] = time.time()
            return

    async def beat() -> None:
        while True:
            due = time.perf_counter() + BEAT
            await asyncio.sleep(BEAT)
            lags.append(time.perf_counter() - due)

    clock = Clock()
    waiting = []
    for number, trigger in enumerate(triggers, 1):
        waiting.append(asyncio.create_task(wait(trigger)))
        if number % STARTED_AT_ONCE == 0:
            await asyncio.sleep(0)
    await asyncio.sleep(SETTLING)
    found: dict[str, Any] = {"starting_cpu_s": clock.read()[0]}
    say("settled")
    heart = asyncio.create_task(beat())
    await asyncio.sleep(seconds)
    found["cpu_s"], found["wall_s"] = clock.read()
    say("waited")
    await asyncio.sleep(ending)
    found["ending_cpu_s"], found["ending_wall_s"] = clock.read()
    heart.cancel()
    return {**found, "events": events, "lags": sorted(lags), "ended_at": time.time()}


async def work(order: dict[str, Any], say: Say) -> dict[str, Any]:
    """Warm up, say so, wait for the word, and measure all."""
    make = VARIANTS[order["variant"]]
    options = {"theeye_conn_id": order["conn_id"], "poll_interval": order["poll_interval"]}
    triggers = [make(job_id=one, **options) for one in order["ids"]]
    await warm_up(make(job_id=order["ids"][0], **options))
    before = _peak_mib()
    say("ready")
    sys.stdin.readline()
    with profiling(order["profile"]):
        found = await measure(triggers, order["seconds"], order["ending"], say)
    return {**found, "peak_mib": _peak_mib(), "before_mib": before, "failed_requests": OneClientTrigger.failed_requests}


@contextlib.contextmanager
def profiling(wanted: bool) -> Iterator[None]:
    """Print what the CPU's time went into, to the error output. That alone costs twice as much."""
    if not wanted:
        yield
        return
    profile = cProfile.Profile(time.process_time)
    profile.enable()
    try:
        yield
    finally:
        profile.disable()
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(PROFILE_LINES)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    # Airflow logs to the output: what is for the other process goes there by a way of its own.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    say: Say = partial(print, file=answers, flush=True)
    order = json.loads(sys.stdin.readline())

    async def work_and_leave() -> None:
        say(json.dumps(await work(order, say)))
        # Cancelling thousands of requests can take minutes.
        os._exit(0)

    asyncio.run(work_and_leave())


if __name__ == "__main__":
    main()
