"""What Airflow 3 says about the tasks of triggers, asked once for all triggers that want to know at the same time.

A user who marks a run failed ends the waits of all its tasks at once, and one question takes 0.2 seconds.
"""

from __future__ import annotations

import asyncio
import contextvars
import re
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_theeye.triggers.undisturbed import start

__all__ = ["Instance", "Question", "questions", "state_of"]

#: Seconds in which questions gather before they are asked.
GATHERING = 0.1
#: Task ids and run ids in one question.
MAX_NAMES = 100

_NUMBERED = re.compile(r"(.+)_\d+")


@dataclass(frozen=True)
class Instance:
    """A task instance, whichever try it is in."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int

    @classmethod
    def of(cls, ti: Any) -> Instance:
        return cls(ti.dag_id, ti.run_id, ti.task_id, ti.map_index)

    @property
    def name(self) -> str:
        """What Airflow's answer calls it within its run."""
        return self.task_id if self.map_index < 0 else f"{self.task_id}_{self.map_index}"


@dataclass(frozen=True)
class Question:
    """Arguments of ``RuntimeTaskInstance.get_task_states``. Without ``map_index`` the answer has all of a task's."""

    dag_id: str
    task_ids: tuple[str, ...]
    run_ids: tuple[str, ...]
    map_index: int | None
    instances: tuple[Instance, ...]


def questions(instances: Iterable[Instance]) -> Iterator[Question]:
    """As few questions as possible.

    In an answer instance 1 of the mapped task ``a`` and the task ``a_1`` have the same name, so that these two are not
    asked about at once.
    """
    by_dag: dict[str, list[Instance]] = {}
    for instance in instances:
        by_dag.setdefault(instance.dag_id, []).append(instance)
    for of_dag in by_dag.values():
        task_ids = {instance.task_id for instance in of_dag}
        mistakable = {one for one in task_ids if (match := _NUMBERED.fullmatch(one)) and match[1] in task_ids}
        groups = [task_ids - mistakable, *({one} for one in sorted(mistakable))]
        for group in groups:
            yield from _in_portions([instance for instance in of_dag if instance.task_id in group])


def _in_portions(instances: Sequence[Instance]) -> Iterator[Question]:
    for task_ids in _portions({instance.task_id for instance in instances}):
        for run_ids in _portions({one.run_id for one in instances if one.task_id in task_ids}):
            asked = tuple(one for one in instances if one.task_id in task_ids and one.run_id in run_ids)
            indexes = {one.map_index for one in asked}
            if asked:
                map_index = indexes.pop() if len(indexes) == 1 else None
                yield Question(asked[0].dag_id, task_ids, run_ids, map_index, asked)


def _portions(names: set[str]) -> Iterator[tuple[str, ...]]:
    ordered = sorted(names)
    for first in range(0, len(ordered), MAX_NAMES):
        yield tuple(ordered[first : first + MAX_NAMES])


class _Round:
    """The questions of one moment, and their answers."""

    def __init__(self) -> None:
        self.answers: dict[Instance, asyncio.Future[str | None]] = {}

    async def ask(self) -> None:
        try:
            await asyncio.sleep(GATHERING)
        finally:
            _gathering.pop(asyncio.get_running_loop(), None)
        for question in questions(list(self.answers)):
            try:
                states = await _ask(question)
            except Exception as problem:
                for instance in question.instances:
                    self._answer(instance, problem)
            else:
                for instance in question.instances:
                    self._answer(instance, states.get(instance.run_id, {}).get(instance.name))

    def _answer(self, instance: Instance, answer: str | Exception | None) -> None:
        future = self.answers[instance]
        if isinstance(answer, Exception):
            future.set_exception(answer)
            future.exception()  # whoever asked may have stopped waiting
        else:
            future.set_result(answer)


_gathering: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Round] = weakref.WeakKeyDictionary()


async def state_of(ti: Any) -> str | None:
    """The state of a trigger's task, ``None`` if it is about to be scheduled, or not in Airflow any more.

    :raises Exception: whatever Airflow has for an answer if it cannot tell.
    """
    loop, instance = asyncio.get_running_loop(), Instance.of(ti)
    current = _gathering.get(loop)
    if current is None:
        current = _gathering[loop] = _Round()
        # An empty context: what Airflow logs about the question must not land in the log of one of those who ask.
        contextvars.Context().run(start, current.ask())
    future = current.answers.setdefault(instance, loop.create_future())
    return await asyncio.shield(future)


async def _ask(question: Question) -> dict[str, dict[str, str | None]]:
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
    from asgiref.sync import sync_to_async

    states: dict[str, dict[str, str | None]] = await sync_to_async(RuntimeTaskInstance.get_task_states)(
        dag_id=question.dag_id,
        task_ids=list(question.task_ids),
        run_ids=list(question.run_ids),
        map_index=question.map_index,
    )
    return states
