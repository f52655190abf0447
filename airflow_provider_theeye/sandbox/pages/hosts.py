"""The cards of the hosts: whether they report, what runs there, what waits for them."""

from __future__ import annotations

from dataclasses import dataclass

from ..engine import Engine
from ..world import Host
from .rows import Row, row
from .show import Time, duration

SHOWN = 5  # running jobs named on a card


@dataclass(frozen=True)
class HostState:
    """How a host is. `since` is when it was last heard of, if it does not report; `more` is a sentence."""

    word: str
    tone: str
    since: Time | None = None
    more: str = ""


def host_state(*, stopped: bool, last_sign: float | None, now: float, lost_after: float, busy: bool) -> HostState:
    """How a host is, and when TheEye takes notice if nothing is heard of it.

    `last_sign` is None for a host of which nothing has ever been heard.
    """
    silent = None if last_sign is None else now - last_sign
    lost = silent is not None and silent > lost_after
    if silent is not None and (stopped or lost):
        left = duration(lost_after - silent)
        more = (
            "TheEye takes it for lost: what ran there is cancelled, and what is ready waits."
            if lost
            else f"TheEye takes notice in {left}."
        )
        return HostState("stopped" if stopped else "nothing is heard of it", "failure", Time.at(last_sign or 0), more)
    if busy:
        return HostState("busy", "running")
    if silent is None:
        return HostState(
            "has not reported yet", "waiting", None, "The sandbox runs no scripts: an agent must ask for work."
        )
    return HostState("free", "success")


@dataclass(frozen=True)
class HostCard:
    """A host: how it is, what runs there, and what waits for it."""

    name: str
    state: HostState
    stopped: bool
    running: list[Row]
    more: int
    waiting: int


def card(engine: Engine, host: Host) -> HostCard:
    """A host's card."""
    running = [job for job in engine.assigned.values() if job.host == host.name]
    stopped = host.name in engine.dead_hosts
    state = host_state(
        stopped=stopped,
        last_sign=engine.last_sign.get(host.name),
        now=engine.clock(),
        lost_after=engine.settings.host_lost_after,
        busy=bool(running),
    )
    waiting = len(engine.ready.get(host.name, ()))
    shown = [row(engine, job) for job in running[:SHOWN]]
    return HostCard(host.name, state, stopped, shown, len(running) - len(shown), waiting)
