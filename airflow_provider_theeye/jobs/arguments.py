"""From a user's list of arguments to what must be sent, so that TheEye stores exactly that.

TheEye counts places with the fixed arguments, unwraps objects that have a ``value``, stores ``0`` and ``false`` in
another way than ``1`` and ``true``, drops surplus values silently, and answers 200 to a list that makes a dead job
(CONTRACT: creating a job). None of that reaches the user.
"""

from __future__ import annotations

import json
import re
from collections import UserString
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_theeye.api.models import Task, TaskArgument

__all__ = ["ArgumentsError", "check_json", "for_form", "for_task", "for_unknown_task", "plain"]

#: Up to here JavaScript, and so TheEye, knows every whole number; beyond it rounds.
EXACT = 2**53
#: Linux starts no program with a longer argument (MAX_ARG_STRLEN, without the closing NUL).
LONGEST_ARGUMENT = 128 * 1024 - 1
#: Beyond this a definition is taken for broken: a value is sent for each place up to the highest.
_MOST_PLACES = 10_000
#: What an agent writes into a file. The script gets the file's name.
_FILE = re.compile(r"data:[^,]*;base64,[A-Za-z0-9+/=_\s-]*")


class ArgumentsError(ValueError):
    """The arguments do not fit the task, or are no JSON."""


# -- as JSON -----------------------------------------------------------------------------------------------------------


def check_json(arguments: Any) -> list[Any]:
    """Return the arguments as a list of plain JSON values. Sequences that are no text become lists, at any depth.

    :raises ArgumentsError: if it is no list, or holds what JSON cannot say; names the place.
    """
    if not _is_list(arguments):
        raise ArgumentsError(
            f"task_arguments must be a list, one value per argument, not {type(arguments).__name__}{_advice(arguments)}"
        )
    return [_as_json(value, place) for place, value in enumerate(arguments)]


def plain(value: Any) -> Any:
    """The value with every sequence that is no text as a list, and every mapping as a dict, at any depth.

    Airflow gives the results of mapped tasks as sequences that are read when they are used.

    :raises TypeError: for a key of a mapping that JSON cannot say.
    """
    if isinstance(value, UserString):
        return str(value)
    if _is_list(value):
        return [plain(part) for part in value]
    if isinstance(value, Mapping):
        made = {_key(key): plain(part) for key, part in value.items()}
        if len(made) != len(value):
            raise ValueError("two keys of an object are the same text")
        return made
    return value


def _as_json(value: Any, place: int) -> Any:
    try:
        made = plain(value)
        json.dumps(made, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ArgumentsError(f"task_arguments[{place}] cannot be sent as JSON: {error}{_advice(value)}") from None
    return made


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview | UserString)


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, bool | int | float):
        return json.dumps(key, allow_nan=False)
    raise TypeError(f"the key of an object must be text, not {type(key).__name__}")


def _advice(value: Any) -> str:
    if isinstance(value, str | bytes | Sequence | Mapping) or not isinstance(value, Iterable):
        return ""
    return ": make it a list, in the order that is meant"


# -- for a task --------------------------------------------------------------------------------------------------------


def for_task(task: Task, arguments: Sequence[Any]) -> list[Any]:
    """The list to send for a task whose definition is known.

    ``arguments`` holds one value for each argument that is not fixed, in their order. Optional ones at the end may be
    left out.

    :raises ArgumentsError: if there are too few or too many (names what the task expects), if TheEye would round one,
        or if the task's script could not be started with one.
    """
    wanted = [argument for argument in task.arguments if not argument.is_fixed]
    given = [*arguments]
    given += [None for argument in wanted[len(given) :] if not argument.required]
    if len(given) != len(wanted):
        raise ArgumentsError(_count_message(task, wanted, len(arguments)))
    if task.arguments_type == "json":
        _check_exact(given)
        texts = [_json_text(value) for value in given]
        sent = [_wrapped(value) for value in given]
    else:
        sent = texts = [_text(value) for value in given]
    if task.runs_script:
        _check_startable(texts)
    return _by_order(task, wanted, sent)


def for_unknown_task(arguments: Sequence[Any]) -> list[Any]:
    """The list to send when only the secret key is known and the definition cannot be read.

    :raises ArgumentsError: if TheEye would round a number, if a script could not be started with an argument, or for
        an object that TheEye would take apart in one kind of task and not in another.
    """
    _check_exact(arguments)
    for place, value in enumerate(arguments):
        if isinstance(value, dict) and ("value" in value or "order" in value):
            raise ArgumentsError(
                f"task_arguments[{place}] is an object with the key 'value' or 'order', which TheEye takes apart "
                "or not, depending on the task. Without a token the task cannot be read: give the object's JSON as text"
            )
    _check_startable([_text(value) for value in arguments])
    return list(arguments)


def for_form(task: Task | None, arguments: Any) -> list[str]:
    """The values of a browser's form, one text per argument. A form can say nothing else.

    :param task: the task that the form starts, if its definition is known.
    :raises ArgumentsError: if they are no list, no JSON, or the task could not be started by a form.
    """
    values = check_json(arguments)
    if task is not None:
        _check_form(task)
        for_task(task, values)
    else:
        _check_startable([_text(value) for value in values])
    return ["" if value is None else str(_text(value)) for value in values]


def _check_form(task: Task) -> None:
    reason = None
    misplaced = "and TheEye then puts the values of a form into the wrong places"
    if any(argument.is_fixed for argument in task.arguments):
        reason = f"has fixed arguments, {misplaced}"
    elif [argument.order for argument in task.arguments] != list(range(len(task.arguments))):
        reason = f"has gaps in the order of its arguments, {misplaced}"
    elif task.arguments_type == "json":
        reason = "takes its arguments as JSON, and a form can only send text"
    if reason is not None:
        raise ArgumentsError(
            f"task {task.name!r} ({task.id}) cannot be started by a button: it {reason}. "
            "Start it with TheEyeTaskOperator, or change its arguments in TheEye"
        )


def _count_message(task: Task, wanted: Sequence[TaskArgument], given: int) -> str:
    labels = ", ".join(argument.label or f"number {argument.order + 1}" for argument in wanted) or "none"
    fixed = sum(argument.is_fixed for argument in task.arguments)
    note = f"; {fixed} more {'is' if fixed == 1 else 'are'} fixed by the task and not to be given" if fixed else ""
    return (
        f"task {task.name!r} ({task.id}) takes {len(wanted)} argument{'' if len(wanted) == 1 else 's'} "
        f"({labels}), but task_arguments has {given}{note}"
    )


def _by_order(task: Task, wanted: Sequence[TaskArgument], values: Sequence[Any]) -> list[Any]:
    """The values at the places that are their arguments' orders, and nothing in the places between.

    TheEye also takes objects that say their order, but of those it takes some apart and others not.
    """
    places = {argument.order: value for argument, value in zip(wanted, values, strict=True)}
    orders = [argument.order for argument in task.arguments]
    if places and (len(set(orders)) < len(orders) or min(orders) < 0 or max(orders) >= _MOST_PLACES):
        raise ArgumentsError(
            f"the arguments of task {task.name!r} ({task.id}) are numbered {', '.join(map(str, orders))}: TheEye "
            "cannot tell them apart. Save the task anew in TheEye"
        )
    return [places.get(order) for order in range(max(orders) + 1)] if places else [None for _ in orders]


def _text(value: Any) -> Any:
    """Text stays text, null stays null, everything else becomes its JSON text."""
    return value if value is None or isinstance(value, str) else _json_text(value)


def _json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _wrapped(value: Any) -> Any:
    """An object for a task of type ``json``: TheEye takes a ``value`` out of it, and an ``order`` for its place."""
    return {"value": value} if isinstance(value, dict) else value


def _check_startable(texts: Sequence[str | None]) -> None:
    """Refuse the texts with which no script can be started."""
    for place, text in enumerate(texts):
        if text is None or _FILE.fullmatch(text):
            continue
        if "\0" in text:
            raise ArgumentsError(f"task_arguments[{place}] holds a NUL character: no script can be started with it")
        size = len(text.encode())
        if size > LONGEST_ARGUMENT:
            raise ArgumentsError(
                f"task_arguments[{place}] is {size} bytes long: no script can be started with an argument of more than "
                f"{LONGEST_ARGUMENT}. Put the data where the script can fetch it and give its address"
            )


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
