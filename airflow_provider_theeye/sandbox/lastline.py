"""What an agent reads out of a script's log: its last line says the state, the output, or both."""

from __future__ import annotations

import json
from typing import Any

NO_OUTPUT: Any = object()
SPEAKING = frozenset({"state", "data", "event_name"})


def last_line(log: str) -> str:
    """The last line that is not blank, without blanks around it."""
    return log.rstrip().rpartition("\n")[2].strip()


def spoken(line: str) -> tuple[Any, Any]:
    """The state and the output that a last line speaks of; the output may be NO_OUTPUT.

    A JSON object with `state`, `data` or `event_name` is taken apart; any other JSON value is the output
    itself, and then nothing is said about the state. A bare word is the state.
    """
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return line, NO_OUTPUT
    if isinstance(value, dict) and SPEAKING & value.keys():
        return value.get("state"), value.get("data", NO_OUTPUT)
    return None, NO_OUTPUT if value is None else value


def report(log: str, code: int | None, signal: str | None, killed: bool, seconds: float) -> dict[str, Any]:
    """What the agent sends: `{"state", "data"}`. `seconds` is how long the script ran."""
    line = last_line(log)
    state, output = ("killed", NO_OUTPUT) if killed else spoken(line)
    data: dict[str, Any] = {
        "code": code,
        "log": log,
        "lastline": line,
        "signal": signal,
        "killed": killed,
        "times": {"seconds": int(seconds), "nanoseconds": int(seconds % 1 * 1_000_000_000)},
    }
    if output is not NO_OUTPUT:
        data["output"] = output
    return {"state": state, "data": data}


def could_not_start(reason: str) -> dict[str, Any]:
    """What the agent sends if the script could not be started. The server does not take it for a failure."""
    data = {
        "code": None,
        "log": None,
        "lastline": "",
        "signal": None,
        "killed": False,
        "output": {"message": reason},
    }
    return {"state": "error", "data": data}
