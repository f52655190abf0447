"""Operators that another task executes, such as a ``@task`` function: Airflow knows nothing of them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_theeye.operators.base import TheEyeJobOperator

__all__ = ["killed_with_its_task"]

_LOCK = threading.Lock()
#: By the id of the task object that Airflow runs; an entry lives as long as something is executed by it.
_EXECUTED: dict[int, list[TheEyeJobOperator]] = {}


@contextlib.contextmanager
def killed_with_its_task(operator: TheEyeJobOperator, context: Mapping[str, Any]) -> Iterator[None]:
    """Airflow calls ``on_kill`` of the task that it runs: if that is another one it passes the call on."""
    task = context.get("task")
    if task is None or task is operator:
        yield
        return
    with _LOCK:
        executed = _EXECUTED.setdefault(id(task), [])
        if not executed:
            _pass_on(task, executed)
        executed.append(operator)
    try:
        yield
    finally:
        with _LOCK:
            executed.remove(operator)
            if not executed:
                del _EXECUTED[id(task)]
                del task.on_kill


def _pass_on(task: Any, executed: list[TheEyeJobOperator]) -> None:
    own = task.on_kill

    def on_kill() -> None:
        for operator in [*executed]:
            operator.on_kill()
        own()

    task.on_kill = on_kill
