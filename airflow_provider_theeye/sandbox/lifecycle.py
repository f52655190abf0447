"""The words of a job's life, and which way leads where. Pure decisions, no state."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .jsontext import stringify, truthy

OVER = frozenset({"finished", "terminated", "canceled", "expired", "completed"})
LIVE = frozenset({"ready", "assigned", "onhold", "syncing", "locked", "started"})
KNOWN = OVER | LIVE
OBEYED_AT_CREATION = frozenset({"syncing", "onhold", "locked"})
IN_PROGRESS = "in_progress"


def cancelled_from(lifecycle: str) -> str | None:
    """Where a cancellation leads; None if it is refused (what is over, syncing or locked)."""
    if lifecycle in ("ready", "onhold"):
        return "canceled"
    if lifecycle in ("assigned", "started"):
        return "terminated"
    return None


@dataclass(frozen=True)
class Outcome:
    """How a job ends: what becomes of its lifecycle, state, trigger_name, output and result.

    An `output` of None leaves the job's as it is: empty since its creation, or absent since it was restarted.
    """

    lifecycle: str
    state: str
    trigger_name: str | None
    output: Any = field(default_factory=list)
    result: dict[str, Any] | None = None


def as_output(value: Any) -> list[Any]:
    """A result's output as the job's `output`: a list of strings, each JSON text unless it was a string.

    A text that is a list in JSON is that list; what counts as false in JavaScript is none at all.
    """
    if value is None or value is False or value == 0 or value == "":
        return []
    members = _listed(value)
    return [member if isinstance(member, str) else stringify(member) for member in members]


def _listed(value: Any) -> list[Any]:
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            return [value]
    return value if isinstance(value, list) else [value]


def _event_name(lastline: object) -> str | None:
    """The `event_name` of a last line that is a JSON object."""
    if not isinstance(lastline, str) or not lastline.lstrip().startswith("{"):
        return None
    try:
        said = json.loads(lastline)
    except ValueError:
        return None
    name = said.get("event_name") if isinstance(said, dict) else None
    return name if isinstance(name, str) and name else None


def _members(data: Any) -> dict[str, Any]:
    """The members of a report's data as JavaScript copies them: of a list or a text they are numbered."""
    if isinstance(data, list | str):
        return {str(number): member for number, member in enumerate(data)}
    return dict(data) if isinstance(data, dict) else {}


def reported(report: Mapping[str, Any], default_state: str, agent: Mapping[str, Any]) -> Outcome:
    """What the server makes of an agent's report `{"state", "data"}`.

    Only the words success, failure and canceled count; any other state, also the agent's own "error", is the
    task's default evaluation. The exit code decides nothing.
    """
    result = _members(report.get("data"))
    result["user"] = dict(agent)
    output = as_output(result["output"]) if truthy(result.get("output")) else None
    if result.get("killed") is True:
        return Outcome("terminated", "timeout", "timeout", output, result)
    state = report.get("state")
    if state == "canceled":
        return Outcome("terminated", "canceled", "canceled", output, result)
    if state not in ("success", "failure"):
        state = default_state
    return Outcome("finished", state, _event_name(result.get("lastline")) or state, output, result)


def cancelled(lifecycle: str, user: Mapping[str, Any] | None) -> Outcome:
    """Cancelled by somebody, or by the server itself (a lost host, a cancelled workflow): then nobody is named."""
    if user is None:
        return Outcome(lifecycle, "canceled", "canceled", [None])
    named = dict(user)
    return Outcome(lifecycle, "canceled", "canceled", as_output([named]), {"user": named, "output": [named]})


def silent(seconds: float) -> Outcome:
    """The agent did not report in time."""
    words = f"The task was terminated after {seconds / 60:.2f} minutes due to execution timeout."
    result = {"killed": True, "output": [{"message": words}]}
    return Outcome("terminated", "canceled", "canceled", as_output(result["output"]), result)


def unbuildable(reason: str) -> Outcome:
    """Born dead. `output` is a JSON-quoted string here, not a list, and there is no trigger_name."""
    quoted = stringify(reason)
    return Outcome("terminated", "error", None, quoted, {"log": quoted})
