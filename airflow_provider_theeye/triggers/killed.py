"""Whether a trigger ends because a user killed its task.

Before Airflow 3.3 a trigger is cancelled in the same way when its task was marked or cleared, when the triggerer stops,
and when the trigger moves to another triggerer. Only the first is a reason to cancel the job.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from airflow_provider_theeye.version_compat import AIRFLOW_3

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

__all__ = ["still_waits", "task_was_killed", "undisturbed"]


async def undisturbed(work: Coroutine[Any, Any, None]) -> None:
    """Finish what a trigger does at its end, however often it is cancelled meanwhile.

    Airflow 3.0 to 3.2 cancels a trigger anew each second until it is gone. That would break off the cancelling of the
    job; and a question to Airflow that is broken off leaves its answer unread, takes the next one's place and so brings
    the whole triggerer down (seen with 3.0.6). When the triggerer stops, ``work`` itself is cancelled, and this ends.
    """
    task = asyncio.ensure_future(work)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(task)


async def task_was_killed(trigger: BaseTrigger) -> bool:
    """Ask Airflow about the trigger's task.

    Airflow 3.0 to 3.2: a task that was marked failed or success counts, a cleared one cannot be told. Airflow 2: all
    three count.
    """
    if AIRFLOW_3:
        return await _by_state(trigger)
    return await asyncio.to_thread(_by_trigger_id, trigger)


async def still_waits(trigger: BaseTrigger) -> bool:
    """Whether the task is deferred as before, although Airflow 3.3 tells its trigger that a user ended the wait.

    A triggerer that was out of reach for so long that another one took its triggers over is told just that when it
    wakes up. Without an answer Airflow is believed.
    """
    try:
        ti = trigger.task_instance
        return ti is not None and await _state(ti) == "deferred"
    except Exception:
        return False


async def _by_state(trigger: BaseTrigger) -> bool:
    ti = trigger.task_instance
    return ti is not None and await _state(ti) != "deferred"


async def _state(ti: Any) -> str | None:
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
    from asgiref.sync import sync_to_async

    states = await sync_to_async(RuntimeTaskInstance.get_task_states)(
        dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=[ti.run_id], map_index=ti.map_index
    )
    key = ti.task_id if ti.map_index < 0 else f"{ti.task_id}_{ti.map_index}"
    state: str | None = states[ti.run_id][key]
    return state


def _by_trigger_id(trigger: BaseTrigger) -> bool:
    """A task that is still waiting has this trigger's id; whoever kills it takes that away."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    ti = trigger.task_instance
    if ti is None:
        return False
    with create_session() as session:
        found = (
            session.query(TaskInstance.trigger_id, TaskInstance.state)
            .filter_by(dag_id=ti.dag_id, task_id=ti.task_id, run_id=ti.run_id, map_index=ti.map_index)
            .one()
        )
    return bool(found.state != "deferred" or found.trigger_id != trigger.trigger_id)
