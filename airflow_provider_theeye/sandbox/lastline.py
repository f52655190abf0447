"""What an agent reads out of a script's log: its last line says the state, the output, or both."""

from __future__ import annotations

import json
from typing import Any

from .jsontext import truthy

NO_OUTPUT: Any = object()


def last_line(log: str) -> str:
    """The last line without blanks around it. One line break at the end belongs to it; after two it is empty."""
    return log.removesuffix("\n").rpartition("\n")[2].strip()


def spoken(line: str) -> tuple[Any, Any]:
    """The state and the output that a last line speaks of; the output may be NO_OUTPUT.

    What is not JSON is the state. A JSON list is the output, a JSON text both. Of an object `output` is the output,
    else `data`, else the whole object. Numbers, true, false and null say nothing.
    """
    try:
        value = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return line, NO_OUTPUT
    if isinstance(value, dict):
        output = next((value[key] for key in ("output", "data") if truthy(value.get(key))), value)
        return value.get("state") if truthy(value.get("state")) else None, output
    if isinstance(value, str):
        return value, value
    return None, value if isinstance(value, list) else None


def _refuse(constant: str) -> Any:
    """NaN and Infinity, which Python would read, are no JSON."""
    raise ValueError(constant)


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
    """What the agent sends if the script could not be started."""
    return {"state": "failure", "data": {"lastline": reason, "log": f"Error: {reason}"}}
