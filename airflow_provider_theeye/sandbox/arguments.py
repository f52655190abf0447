"""Which values a job is given, and how they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from .errors import invalid_arguments
from .jsontext import stringify


class Argument(Protocol):
    """What is asked of an argument's definition."""

    @property
    def order(self) -> int: ...
    @property
    def type(self) -> str: ...
    @property
    def value(self) -> Any: ...


class UnbuildableArguments(Exception):
    """Enough values, but not one for each argument."""


MISSING: Any = object()


def received(body: Any, given: Any, definitions: Sequence[Argument]) -> list[Any]:
    """The list of values that a request gives.

    `given` is its `task_arguments`, or MISSING. A task with exactly one argument then takes the whole body, as
    JSON text, for it. Raises the 400 that names the wanted length.
    """
    wanted = sum(1 for definition in definitions if definition.type != "fixed")
    if given is MISSING or given is None:
        given = [stringify(body if body is not None else {})] if wanted == 1 else []
    if not isinstance(given, list):
        if wanted:
            raise invalid_arguments(wanted)
        return []
    if len(given) < wanted:
        raise invalid_arguments(wanted)
    return given


def stored(value: Any, arguments_type: str) -> Any:
    """A value as the job keeps it. `legacy` leaves what counts as false in JavaScript unchanged."""
    if arguments_type == "json":
        return stringify(value)
    if isinstance(value, str):
        return value
    if arguments_type == "legacy" and (value is None or value is False or value == 0):
        return value
    return stringify(value)


def _placed(given: Sequence[Any]) -> dict[int, Any]:
    """Values by order. A bare value, and one whose order is 0, is placed by its index; the first one wins."""
    places: dict[int, Any] = {}
    for index, item in enumerate(given):
        order, value = index, item
        if isinstance(item, dict) and "value" in item:
            value = item["value"]
            if isinstance(item.get("order"), int) and item["order"]:
                order = item["order"]
        places.setdefault(order, value)
    return places


def assigned(given: Sequence[Any], definitions: Sequence[Argument], arguments_type: str) -> list[Any]:
    """One stored value for each argument, surplus ones dropped.

    Places count the fixed arguments too, so `["x"]` for [fixed, input] leaves the input without a value.
    """
    places = _placed(given)
    values: list[Any] = []
    for definition in sorted(definitions, key=lambda one: one.order):
        if definition.type == "fixed":
            values.append(definition.value)
        elif definition.order in places:
            values.append(stored(places[definition.order], arguments_type))
        else:
            raise UnbuildableArguments
    return values
