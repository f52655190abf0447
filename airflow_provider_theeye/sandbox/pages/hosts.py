"""The cards of the hosts: whether they report, what runs there, what waits for them."""

from __future__ import annotations

from dataclasses import dataclass

from .. import agents
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


def host_state(
    *, stopped: bool, reports: bool, last_sign: float | None, now: float, lost_after: float, busy: bool
) -> HostState:
    """How a host is, and when TheEye takes notice if nothing is heard of it.

    `reports` is TheEye's own opinion; `last_sign` is None for a host of which nothing has ever been heard.
    """
    if stopped or not reports:
        heard = now if last_sign is None else last_sign
        more = (
            f"For TheEye it is normal for another {duration(heard + lost_after - now)}."
            if reports
            else "For TheEye it is updates_stopped: what ran there is cancelled, and what is ready waits."
        )
        since = None if last_sign is None else Time.at(last_sign)
        return HostState("stopped" if stopped else "does not report", "failure", since, more)
    if busy:
        return HostState("busy", "running")
    if last_sign is None:
        return HostState("has not reported yet", "waiting", None, "No script runs until its agent asks for work.")
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
        reports=agents.reports(engine, host.name),
        last_sign=engine.last_sign.get(host.name),
        now=engine.clock(),
        lost_after=engine.settings.host_lost_after,
        busy=bool(running),
    )
    waiting = len(engine.ready.get(host.name, ()))
    shown = [row(engine, job) for job in running[:SHOWN]]
    return HostCard(host.name, state, stopped, shown, len(running) - len(shown), waiting)
