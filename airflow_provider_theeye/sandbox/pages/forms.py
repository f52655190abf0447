"""The fields that a task's arguments become, and the values that come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..jsontext import stringify
from ..world import Argument, Task


@dataclass(frozen=True)
class Field:
    """One argument in a form. A fixed one is only shown."""

    name: str
    label: str
    kind: str
    required: bool
    value: str
    options: tuple[str, ...]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else stringify(value)


def _name(argument: Argument) -> str:
    return f"argument-{argument.order}"


def fields(task: Task, values: Sequence[Any] | None = None) -> list[Field]:
    """The fields of a task's arguments; `values` (one for each, as a job holds them) fills them in."""
    filled = dict(enumerate(values or ()))
    return [
        Field(
            _name(argument),
            argument.label,
            argument.type,
            argument.required,
            _text(argument.value if argument.type == "fixed" else filled.get(place)),
            tuple(_text(option) for option in argument.options),
        )
        for place, argument in enumerate(task.arguments)
    ]


def values(form: Mapping[str, str], task: Task) -> list[Any]:
    """What TheEye is sent: each value at the place of its argument's order, so that fixed arguments shift nothing.

    What need not be given and is left empty is null. An object with its order would arrive as that object's text.
    """
    found: list[Any] = [None] * (max((argument.order for argument in task.arguments), default=-1) + 1)
    for argument in task.arguments:
        if argument.type != "fixed":
            given: str | None = form.get(_name(argument), "")
            if given == "" and not argument.required:
                given = None
            found[argument.order] = given
    return found


def filled(form: Mapping[str, str], task: Task) -> list[str]:
    """What a form says, for its fields to be filled in again."""
    return [form.get(_name(argument), "") for argument in task.arguments]
