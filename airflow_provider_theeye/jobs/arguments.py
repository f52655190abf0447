"""From a user's list of arguments to what must be sent, so that TheEye stores exactly that.

TheEye counts places with the fixed arguments, unwraps objects that have a ``value``, stores ``0`` and ``false`` in
another way than ``1`` and ``true``, drops surplus values silently, and answers 200 to a list that makes a dead job
(CONTRACT: creating a job). None of that reaches the user.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from airflow_provider_theeye.api.models import Task, TaskArgument

__all__ = ["ArgumentsError", "check_json", "for_task", "for_unknown_task", "form_fields"]

#: Up to here JavaScript, and so TheEye, knows every whole number; beyond it rounds.
EXACT = 2**53


class ArgumentsError(ValueError):
    """The arguments do not fit the task, or are no JSON."""


def check_json(arguments: Any) -> list[Any]:
    """Return the arguments as a list of plain JSON values.

    :raises ArgumentsError: if it is no list, or holds what JSON cannot say; names the place.
    """
    if not isinstance(arguments, list | tuple):
        raise ArgumentsError(f"task_arguments must be a list, one value per argument, not {type(arguments).__name__}")
    for place, value in enumerate(arguments):
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise ArgumentsError(f"task_arguments[{place}] cannot be sent as JSON: {error}") from None
    return list(arguments)


def for_task(task: Task, arguments: Sequence[Any]) -> list[Any]:
    """The list to send for a task whose definition is known.

    ``arguments`` holds one value for each argument that is not fixed, in their order. Optional ones at the end may be
    left out.

    :raises ArgumentsError: if there are too few or too many (names what the task expects), or TheEye would round one.
    """
    wanted = [argument for argument in task.arguments if not argument.is_fixed]
    given = [*arguments]
    given += [None for argument in wanted[len(given) :] if not argument.required]
    if len(given) != len(wanted):
        raise ArgumentsError(_count_message(task, wanted, len(arguments)))
    if task.arguments_type == "json":
        _check_exact(given)
    else:
        given = [_text(value) for value in given]
    values = iter(given)
    return [
        _placed(argument, place, None if argument.is_fixed else next(values))
        for place, argument in enumerate(task.arguments)
    ]


def for_unknown_task(arguments: Sequence[Any]) -> list[Any]:
    """The list to send when only the secret key is known and the definition cannot be read.

    :raises ArgumentsError: if TheEye would round a number.
    """
    _check_exact(arguments)
    return [_unmistakable(value) for value in arguments]


def form_fields(arguments: Any) -> list[str]:
    """The values of a browser's form, one text per argument.

    :raises ArgumentsError: if they are no list, or no JSON.
    """
    return ["" if value is None else str(_text(value)) for value in check_json(arguments)]


def _count_message(task: Task, wanted: Sequence[TaskArgument], given: int) -> str:
    labels = ", ".join(argument.label or f"number {argument.order + 1}" for argument in wanted) or "none"
    fixed = sum(argument.is_fixed for argument in task.arguments)
    note = f"; {fixed} more {'is' if fixed == 1 else 'are'} fixed by the task and not to be given" if fixed else ""
    return (
        f"task {task.name!r} ({task.id}) takes {len(wanted)} argument{'' if len(wanted) == 1 else 's'} "
        f"({labels}), but task_arguments has {given}{note}"
    )


def _placed(argument: TaskArgument, place: int, value: Any) -> Any:
    """A bare value counts for the argument of its place; where order and place differ the order must be said.

    An order of 0 cannot be said: TheEye takes it for missing. It is the lowest there is, so it has place 0 anyway.
    """
    return _unmistakable(value) if argument.order in (0, place) else {"order": argument.order, "value": value}


def _text(value: Any) -> Any:
    """Text stays text, null stays null, everything else becomes its JSON text."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _unmistakable(value: Any) -> Any:
    """An object with a key ``value`` would be unwrapped by TheEye, so it is wrapped once more."""
    return {"value": value} if isinstance(value, dict) and "value" in value else value


def _check_exact(values: Sequence[Any]) -> None:
    for place, value in enumerate(values):
        pending = [value]
        while pending:
            part = pending.pop()
            if isinstance(part, int) and abs(part) > EXACT:
                raise ArgumentsError(
                    f"task_arguments[{place}] holds a whole number beyond 2^53, which TheEye would round: "
                    "give it as text"
                )
            if isinstance(part, list | tuple | dict):
                pending.extend(part.values() if isinstance(part, dict) else part)
