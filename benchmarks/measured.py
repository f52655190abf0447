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
from collections.abc import Iterator
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
#: Triggers started in one go; Airflow's triggerer too lets the loop breathe between them.
STARTED_AT_ONCE = 100
PROFILE_LINES = 40


async def measure(triggers: list[BaseTrigger], seconds: float, *, clean_up: bool = False) -> dict[str, Any]:
    """Let the triggers wait for so many seconds; what that cost, and when each event came."""
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

    began, cpu = time.perf_counter(), time.process_time()
    heart = asyncio.create_task(beat())
    waiting = []
    for number, trigger in enumerate(triggers, 1):
        waiting.append(asyncio.create_task(wait(trigger)))
        if number % STARTED_AT_ONCE == 0:
            await asyncio.sleep(0)
    await asyncio.sleep(max(0.0, began + seconds - time.perf_counter()))
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    ended_at = time.time()
    if clean_up:
        for task in (heart, *waiting):
            task.cancel()
        await asyncio.gather(heart, *waiting, return_exceptions=True)
    return {"events": events, "lags": sorted(lags), "cpu_s": cpu, "wall_s": took, "ended_at": ended_at}


async def work(order: dict[str, Any]) -> dict[str, Any]:
    """Warm up with one trigger, say so, wait for the word, and measure all."""
    make = VARIANTS[order["variant"]]
    options = {"theeye_conn_id": order["conn_id"], "poll_interval": order["poll_interval"]}
    triggers = [make(job_id=one, **options) for one in order["ids"]]
    # A triggerer lives for weeks: what its first trigger imports is no part of what waiting costs.
    await measure([make(job_id=order["ids"][0], **options)], WARM_UP, clean_up=True)
    before = _peak_mib()
    print("ready", flush=True)
    sys.stdin.readline()
    with profiling(order["profile"]):
        found = await measure(triggers, order["seconds"])
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
    order = json.loads(sys.stdin.readline())

    async def work_and_leave() -> None:
        print(json.dumps(await work(order)), flush=True)
        # Cancelling thousands of requests can take minutes.
        os._exit(0)

    asyncio.run(work_and_leave())


if __name__ == "__main__":
    main()
