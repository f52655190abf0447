"""A cancelled request ends its task, whenever the cancellation comes."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.aio import AsyncTheEyeClient
from airflow_provider_theeye.api.exchange import Reply, Request
from airflow_provider_theeye.api.settings import ServerSettings


@pytest.mark.parametrize("steps", range(8))
def test_a_cancellation_that_meets_the_answer_is_not_lost(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes so many steps of the event loop after the answer; too late only for a task that is done."""

    async def scenario() -> None:
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        async def exchange(self: AsyncTheEyeClient, request: Request, seconds: float) -> Reply:
            return await answer

        monkeypatch.setattr(AsyncTheEyeClient, "_exchange", exchange)
        async with await AsyncTheEyeClient.open(ServerSettings("http://127.0.0.1:9", "demo", "token")) as client:
            asking = asyncio.create_task(client.run(calls.list_tasks(), attempts=1))
            await asyncio.sleep(0.05)
            answer.set_result(Reply(200, {}, b"[]"))
            for _ in range(steps):
                await asyncio.sleep(0)
            came_too_late = asking.done()
            asking.cancel()
            if not came_too_late:
                with pytest.raises(asyncio.CancelledError):
                    await asking

    asyncio.run(scenario())
