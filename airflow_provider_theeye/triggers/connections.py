"""Airflow connections as triggers read them: rarely, since each reading takes a tenth of a second of CPU.

A triggerer starts a thousand triggers of one connection in a row. They share a reading, as long as the connection
cannot have been changed since in a way that matters to them.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from airflow.providers.common.compat.connection import get_async_connection
from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_theeye.api.errors import InvalidRequest, NoAnswer, TheEyeError
from airflow_provider_theeye.api.settings import Place
from airflow_provider_theeye.exceptions import TheEyeSettingsError
from airflow_provider_theeye.hooks.connection import ConnectionSettings, settings_of
from airflow_provider_theeye.jobs.clocks import Instant, now

__all__ = ["Reading", "read", "where_to"]

#: Seconds for which a reading will do for jobs that are older than it …
KEPT = 20.0
#: … and for those that are younger, or live elsewhere.
KEPT_IN_DOUBT = 2.0


@dataclass(frozen=True)
class Reading:
    """What a connection said, and when."""

    settings: ConnectionSettings
    at: Instant

    @property
    def place(self) -> Place:
        return self.settings.server.place

    def age(self) -> float:
        return now().steady - self.at.steady

    def will_do(self, place: Place | None, submitted: float | None) -> bool:
        """Whether it is recent enough for a job that lives there and was submitted then, as far as that is known."""
        if submitted is not None and self.at.epoch >= submitted and place in (None, self.place):
            return self.age() <= KEPT
        return place is not None and self.age() <= KEPT_IN_DOUBT


@dataclass
class _Readings:
    """Those of one loop."""

    known: dict[str, Reading] = field(default_factory=dict)
    turns: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))


_readings: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Readings] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


async def read(theeye_conn_id: str, will_do: Callable[[Reading], bool]) -> Reading:
    """A connection as it was at the last reading, if that will do, or as it is now: whoever asks meanwhile shares that.

    :raises TheEyeError: if it cannot be read (transient) or cannot work.
    """
    with _lock:
        of_loop = _readings.setdefault(asyncio.get_running_loop(), _Readings())
    asked = now().steady
    async with of_loop.turns[theeye_conn_id]:
        found = of_loop.known.get(theeye_conn_id)
        if found is None or not (found.at.steady >= asked or will_do(found)):
            at = now()  # what is changed from now on may be missed
            found = of_loop.known[theeye_conn_id] = Reading(await _settings(theeye_conn_id), at)
        return found


async def where_to(theeye_conn_id: str, place: Place | None, submitted: float | None) -> Reading | None:
    """The connection, for a wait that begins; ``None`` if it cannot be had now or leads to another place."""
    try:
        found = await read(theeye_conn_id, lambda reading: reading.will_do(place, submitted))
    except TheEyeError:
        return None
    return found if place in (None, found.place) else None


async def _settings(theeye_conn_id: str) -> ConnectionSettings:
    try:
        return settings_of(await get_async_connection(theeye_conn_id))
    except (TheEyeSettingsError, AirflowNotFoundException) as error:
        raise InvalidRequest(f"{error} (Airflow connection {theeye_conn_id!r})") from None
    except Exception as error:
        # Airflow's own API server may be out of reach for a moment.
        raise NoAnswer(
            f"the Airflow connection {theeye_conn_id!r} could not be read: {type(error).__name__}", sent=False
        ) from error
