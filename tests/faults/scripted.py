"""A TheEye that follows a script, look by look, and clocks that need no waiting."""

from __future__ import annotations

import asyncio
import copy
import json
import selectors
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_theeye.api.call import Call
from airflow_provider_theeye.api.errors import TheEyeError
from airflow_provider_theeye.api.exchange import Reply, read
from airflow_provider_theeye.api.settings import ServerSettings

_ENDLESS = 20_000
EPOCH = 1_800_000_000.0
_SETTINGS = ServerSettings(url="http://127.0.0.1:1", organization="demo", token="scripted")


@dataclass(frozen=True)
class Moment:
    """What TheEye answers from one poll to the next.

    :param row: of the job; ``None`` if its record is gone.
    :param listed: ``False``: missing from the list, though found by its id.
    :param error: of the poll, ``steps_error`` of the list of steps, ``read_error`` of any request for a whole document.
    """

    row: dict[str, Any] | None = None
    steps: tuple[dict[str, Any], ...] = ()
    listed: bool = True
    error: TheEyeError | None = None
    steps_error: TheEyeError | None = None
    read_error: TheEyeError | None = None


@dataclass
class Script:
    """Answers the requests of one wait; the last moment lasts for ever."""

    history: Sequence[Moment]
    looks: int = 0
    asked: list[str] = field(default_factory=list)

    def answer(self, call: Call[Any]) -> Any:
        filters = {key for key, _ in call.query}
        if "where[_id][$in][]" in filters:
            self.looks += 1
            assert self.looks < _ENDLESS, "the wait has no end"
            moment = self._now()
            _raise(moment.error)
            return _sent(call, [_as_row(moment.row)] if moment.row is not None and moment.listed else [])
        moment = self._now()
        if "where[workflow_job_id][$in][]" in filters:
            _raise(moment.steps_error)
            return _sent(call, [_as_row(step) for step in moment.steps])
        _raise(moment.read_error)
        if moment.row is None:
            return _sent(call, "job not found", 404)
        if call.template == "/workflows/{workflow}/job/{id}/jobs":
            return _sent(call, moment.steps)
        assert call.template == "/{customer}/job/{id}"
        return _sent(call, moment.row)

    def _now(self) -> Moment:
        return self.history[min(max(self.looks, 1), len(self.history)) - 1]


def _as_row(document: dict[str, Any]) -> dict[str, Any]:
    """Lists show neither results nor outputs."""
    return {key: value for key, value in document.items() if key not in ("result", "output")}


def _sent(call: Call[Any], answer: Any, status: int = 200) -> Any:
    """What the clients make of such an answer."""
    return read(call, Reply(status, {}, json.dumps(answer).encode()), _SETTINGS)


def _raise(error: TheEyeError | None) -> None:
    if error is not None:
        raise copy.copy(error)


class Clock:
    """Stands in for the module ``time``: sleeping moves it on."""

    def __init__(self) -> None:
        self.passed = 0.0

    def time(self) -> float:
        return EPOCH + self.passed

    monotonic = time

    def sleep(self, seconds: float) -> None:
        self.passed += seconds


class _Selector(selectors.SelectSelector):
    """Lets the time until the next timer pass at once."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("the loop waits for something that never comes")
        self._clock.passed += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on such a clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock_of_ours = clock
        super().__init__(_Selector(clock))

    def time(self) -> float:
        return self._clock_of_ours.passed
