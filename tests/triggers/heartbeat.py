"""A process with a loop on which triggers wait, and a heartbeat that is late if one of them blocks it.

Reads a JSON list of serialized triggers from its input, lets them wait under asyncio's debug mode until each has told
an event, and prints the greatest lateness in seconds. Airflow's connection comes out of a database, as in a triggerer.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import time
from typing import Any

from airflow.providers.common.compat.connection import get_async_connection

BEAT = 0.01


async def first_event(path: str, kwargs: dict[str, Any]) -> None:
    module, name = path.rsplit(".", 1)
    trigger = getattr(importlib.import_module(module), name)(**kwargs)
    events = trigger.run()
    await anext(events)
    await events.aclose()


async def main() -> None:
    # The first trigger of a process imports httpx; that is not what is measured.
    import airflow_provider_theeye.triggers.ended
    import airflow_provider_theeye.triggers.longpoll
    import airflow_provider_theeye.triggers.searching
    import airflow_provider_theeye.triggers.watcher  # noqa: F401

    late: list[float] = []

    async def heartbeat() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(BEAT)
            late.append(time.perf_counter() - began - BEAT)

    serialized = json.loads(sys.stdin.readline())
    # Nor is that Airflow's models and the like are imported when a connection is read for the first time.
    for conn_id in {kwargs["theeye_conn_id"] for _, kwargs in serialized}:
        await get_async_connection(conn_id)
    beat = asyncio.create_task(heartbeat())
    waiting = asyncio.gather(*(first_event(path, kwargs) for path, kwargs in serialized))
    await asyncio.sleep(1.0)
    print("waiting", flush=True)
    await asyncio.wait_for(waiting, 60)
    beat.cancel()
    print(max(late), flush=True)


if __name__ == "__main__":
    asyncio.run(main(), debug=True)
