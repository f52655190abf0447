"""Waits of triggers that run without a triggerer, in the process of ``airflow dags test`` or ``airflow tasks test``.

There nobody calls ``on_kill``: Ctrl-C reaches the event loop, and SIGTERM the operator that has deferred.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from types import FrameType
from typing import Any

__all__ = ["Interrupt", "is_waited_for", "waiting"]


class Interrupt:
    """``came`` once Ctrl-C was pressed."""

    came = False


_waiting: Counter[str] = Counter()
_interrupts: list[Interrupt] = []
_previous: Any = None


def is_waited_for(job_id: str) -> bool:
    """Whether a trigger in this process waits for the job."""
    return _waiting[job_id] > 0


@contextlib.contextmanager
def waiting(job_id: str, interrupt: Interrupt) -> Iterator[None]:
    """The time in which a trigger without a triggerer waits for a job; notes whether it is interrupted."""
    _listen(interrupt)
    _waiting[job_id] += 1
    try:
        yield
    finally:
        _stop_listening(interrupt)
        _waiting[job_id] -= 1
        if not _waiting[job_id]:
            del _waiting[job_id]


def _listen(interrupt: Interrupt) -> None:
    """Only the main thread gets signals. What the signal does otherwise, it still does."""
    global _previous
    if threading.current_thread() is not threading.main_thread():
        return
    if not _interrupts and callable(current := signal.getsignal(signal.SIGINT)):
        _previous = current
        signal.signal(signal.SIGINT, _note)
    _interrupts.append(interrupt)


def _stop_listening(interrupt: Interrupt) -> None:
    if interrupt in _interrupts:
        _interrupts.remove(interrupt)
        if not _interrupts and signal.getsignal(signal.SIGINT) is _note:
            signal.signal(signal.SIGINT, _previous)


def _note(number: int, frame: FrameType | None) -> None:
    for interrupt in _interrupts:
        interrupt.came = True
    _previous(number, frame)
