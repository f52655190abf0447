"""Which values a job is given, and how they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from .errors import invalid_arguments
from .jsontext import stringify, truthy


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


def received(given: Any, definitions: Sequence[Argument]) -> list[Any]:
    """The list of values that a request gives; none if nothing is asked for.

    Raises the 400 that names the wanted length.
    """
    wanted = sum(1 for definition in definitions if definition.type != "fixed")
    if not wanted:
        return []
    if not isinstance(given, list) or len(given) < wanted:
        raise invalid_arguments(wanted)
    return given


def stored(item: Any, arguments_type: str) -> Any:
    """An item of the list as the job keeps it.

    `legacy` leaves what counts as false in JavaScript unchanged. An object that holds a `value` stands for that, except
    that `legacy` takes the whole object if the value counts as false, and `text` if it is no text.
    """
    holds = isinstance(item, dict) and "value" in item
    if arguments_type == "json":
        return stringify(item["value"] if holds else item)
    if arguments_type == "legacy":
        if not truthy(item):
            return item
        value = item["value"] if holds and truthy(item["value"]) else item
    else:
        value = item["value"] if holds and isinstance(item["value"], str) else item
    return value if isinstance(value, str) else stringify(value)


def _found(given: Sequence[Any], order: int) -> Any:
    """The first item for an argument, or MISSING: an object says its order, anything else is placed by its index."""
    for index, item in enumerate(given):
        said = item.get("order") if isinstance(item, dict) else None
        if _same(said if truthy(said) else index, order):
            return item
    return MISSING


def _same(said: Any, order: int) -> bool:
    return not isinstance(said, bool) and isinstance(said, int | float) and said == order


def assigned(given: Sequence[Any], definitions: Sequence[Argument], arguments_type: str) -> list[Any]:
    """One stored value at the place of each argument's order, surplus ones dropped. A place without argument is null.

    Places count the fixed arguments too, so `["x"]` for [fixed, input] leaves the input without a value.
    """
    values: list[Any] = [None] * (max((one.order for one in definitions), default=-1) + 1)
    for definition in definitions:
        if definition.type == "fixed":
            values[definition.order] = definition.value
        else:
            item = _found(given, definition.order)
            if item is MISSING:
                raise UnbuildableArguments
            values[definition.order] = stored(item, arguments_type)
    return values
