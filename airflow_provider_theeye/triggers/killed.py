"""Whether a trigger ends because a user killed its task.

Before Airflow 3.3 a trigger is cancelled in the same way when its task was marked or cleared, when the triggerer stops,
and when the trigger moves to another triggerer. Airflow 3.3 says which it is, except to a triggerer that was out of
reach for so long that another one took its triggers over: that one hears the same as for a killed task.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import anyio

from airflow_provider_theeye.triggers.task_states import state_of
from airflow_provider_theeye.version_compat import AIRFLOW_3, HAS_TASK_STATE_STORE

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

__all__ = ["AirflowSilent", "task_was_killed"]

#: Seconds for which Airflow is asked, of the 30 that it gives, and between two attempts.
ASK_SECONDS = 15.0
AGAIN = 1.0


class AirflowSilent(Exception):
    """Airflow cannot be asked what became of a task."""


async def task_was_killed(trigger: BaseTrigger) -> bool:
    """Ask Airflow about the task of a trigger that was cancelled.

    From Airflow 3.0 on a task that is deferred was not killed; up to 3.2 that is said of a cleared one, too. Airflow 2
    tells each kind of killing.

    :raises AirflowSilent: if there is no answer.
    """
    if trigger.task_instance is None:
        # Nobody to ask about. Airflow 3.3 calls ``on_kill`` for a reason.
        return HAS_TASK_STATE_STORE
    problem: Exception | None = None
    with anyio.move_on_after(ASK_SECONDS):
        while True:
            try:
                if AIRFLOW_3:
                    return await state_of(trigger.task_instance) != "deferred"
                return await asyncio.to_thread(_by_trigger_id, trigger)
            except Exception as error:
                problem = error
                if not HAS_TASK_STATE_STORE:
                    break  # the triggerer may be stopping, and must not be held up
            await asyncio.sleep(AGAIN)
    raise AirflowSilent(f"{type(problem).__name__}: {problem}" if problem else f"no answer for {ASK_SECONDS:g} s")


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
            .one_or_none()
        )
    return bool(found is None or found.state != "deferred" or found.trigger_id != trigger.trigger_id)
