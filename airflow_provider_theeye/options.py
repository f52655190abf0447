"""Arguments of operators and sensor: their defaults, and checks that raise ``ValueError`` with the argument's name.

The checks are made when the DAG is parsed, also of what is given to ``partial()`` and ``expand()``.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from airflow_provider_theeye.api.ids import is_id
from airflow_provider_theeye.jobs.arguments import ArgumentsError, check_json

__all__ = [
    "COMMON_OPTIONS",
    "CONN_ID",
    "MAX_XCOM_BYTES",
    "OPERATOR_OPTIONS",
    "POLL_FAILURE_TOLERANCE",
    "POLL_INTERVAL",
    "TEXTS",
    "Check",
    "check_arguments",
    "check_choice",
    "check_conn_id",
    "check_count",
    "check_flag",
    "check_given",
    "check_id",
    "check_id_or_template",
    "check_text",
    "check_timeout",
    "check_together",
    "exit_codes",
    "in_brackets",
    "known_later",
    "seconds",
]

#: What holds if nothing else is said; durations in seconds.
CONN_ID = "theeye_default"
POLL_INTERVAL = 2.0
POLL_FAILURE_TOLERANCE = 600.0
MAX_XCOM_BYTES = 1024 * 1024

Check = Callable[[Any, str], Any]


def known_later(value: Any) -> bool:
    """Whether the value is known only at run time: a Jinja template, an XComArg, the argument of a mapped group."""
    if isinstance(value, str):
        return any(mark in value for mark in ("{{", "{%", "{#"))
    return callable(value) or (hasattr(value, "resolve") and not isinstance(value, os.PathLike))


def seconds(value: Any, name: str, *, zero: bool = False) -> float | None:
    """A duration in seconds, given as a number or a timedelta. ``None`` stays ``None``."""
    if value is None:
        return None
    _refuse_late(value, name, "a number of seconds or a timedelta")
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ValueError(f"{name} must be a number of seconds or a timedelta, not {value!r}")
    if not (number >= 0 if zero else number > 0) or not math.isfinite(number):
        raise ValueError(f"{name} must be {'zero or more' if zero else 'more than zero'} seconds, not {value!r}")
    return float(number)


def in_brackets(limit: float | None) -> str:
    """A duration for a message, with the space before it. A DAG may have lost it while its task was deferred."""
    return "" if limit is None else f" ({limit:g} s)"


def check_choice(value: Any, choices: Sequence[str], name: str) -> str:
    _refuse_late(value, name, f"one of {', '.join(choices)}")
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
    return str(value)


def exit_codes(value: int | Collection[int] | None, name: str) -> frozenset[int]:
    """One exit code, or several."""
    _refuse_late(value, name, "an exit code or a collection of them")
    codes = [] if value is None else [value] if isinstance(value, int | str) else value
    if not isinstance(codes, Collection) or not all(type(code) is int for code in codes):
        raise ValueError(f"{name} must be an exit code or a collection of them, not {value!r}")
    return frozenset(codes)


def check_flag(value: Any, name: str) -> bool:
    _refuse_late(value, name, "True or False")
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False, not {value!r}")
    return value


def check_count(value: Any, name: str) -> int:
    """A whole number above zero."""
    _refuse_late(value, name, "a whole number")
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ValueError(f"{name} must be a whole number above zero, not {value!r}")
    return value


def check_id(value: Any, name: str) -> str:
    """An id of TheEye."""
    if not is_id(value):
        raise ValueError(f"{name} must be an id of TheEye, 24 hexadecimal digits in lower case, not {value!r}")
    return str(value)


def check_id_or_template(value: Any, name: str) -> Any:
    return value if value is None or known_later(value) else check_id(value, name)


def check_text(value: Any, name: str) -> Any:
    """A name. A number is none, however much it looks like one."""
    if value is None or known_later(value):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{name} must be text, not {value!r}: write it in quotes")
    if not value.strip():
        raise ValueError(f"{name} is empty")
    return value


def check_arguments(value: Any, name: str = "task_arguments") -> Any:
    """A list of JSON values, with templates and results of other tasks at any depth, or the name of a file."""
    if value is None or known_later(value) or (isinstance(value, str) and value.endswith(".json")):
        return value
    try:
        check_json(_without_late(value))
    except (ArgumentsError, RecursionError) as error:
        raise ValueError(str(error).replace("task_arguments", name)) from None
    return value


def _without_late(value: Any) -> Any:
    """The value with nothing in place of what is known only at run time."""
    if known_later(value):
        return None
    if isinstance(value, list | tuple):
        return [_without_late(part) for part in value]
    if isinstance(value, dict):
        return {key: _without_late(part) for key, part in value.items()}
    return value


def _refuse_late(value: Any, name: str, wanted: str) -> None:
    if not isinstance(value, timedelta) and known_later(value):
        raise ValueError(
            f"{name} must be {wanted} when the DAG is parsed; it cannot be a template or the result of another task, "
            f"not {value!r}"
        )


def check_conn_id(value: Any, name: str) -> Any:
    if value is None:
        raise ValueError(f"{name} must be the id of a connection, not None")
    return check_text(value, name)


def _check_auth(value: Any, name: str) -> str:
    return check_choice(value, ("auto", "token", "secret"), name)


def _check_secret(value: Any, name: str) -> Any:
    if value is not None and not known_later(value) and not (isinstance(value, str) or hasattr(value, "reveal")):
        raise ValueError(f"{name} must be text")  # and is not shown
    return value


def _check_on_failed_job(value: Any, name: str) -> str:
    return check_choice(value, ("fail", "skip", "return"), name)


def _check_submission(value: Any, name: str) -> str | None:
    return None if value is None else check_choice(value, ("held", "direct"), name)


def _check_on_missing(value: Any, name: str) -> str:
    return check_choice(value, ("fail", "resubmit"), name)


#: How the arguments that operators and sensor share are checked.
COMMON_OPTIONS: dict[str, Check] = {
    "theeye_conn_id": check_conn_id,
    "theeye_task_id": check_id_or_template,
    "theeye_task_name": check_text,
    "theeye_host": check_text,
    "theeye_workflow_id": check_id_or_template,
    "theeye_workflow_name": check_text,
    "deferrable": check_flag,
    "poll_interval": seconds,
    "poll_failure_tolerance": partial(seconds, zero=True),
    "fail_on_exit_code": check_flag,
    "fail_on_failed_step": check_flag,
    "on_failed_job": _check_on_failed_job,
    "skip_on_exit_code": exit_codes,
    "max_xcom_bytes": check_count,
}

#: How those of the operators are.
OPERATOR_OPTIONS: dict[str, Check] = {
    **COMMON_OPTIONS,
    "theeye_start_task": check_id_or_template,
    "task_arguments": check_arguments,
    "wait_for_completion": check_flag,
    "timeout": seconds,
    "queue_timeout": seconds,
    "secret": _check_secret,
    "auth": _check_auth,
    "submission": _check_submission,
    "durable": check_flag,
    "on_missing": _check_on_missing,
    "cancel_on_kill": check_flag,
    "cancel_on_timeout": check_flag,
}

#: Arguments that are texts, whatever they look like: native rendering would make numbers of some.
TEXTS = frozenset(
    {
        "theeye_conn_id",
        "theeye_task_id",
        "theeye_task_name",
        "theeye_host",
        "theeye_workflow_id",
        "theeye_workflow_name",
        "theeye_start_task",
        "job_id",
        "secret",
        "since",
    }
)


def check_given(options: Mapping[str, Check], given: Mapping[str, Any]) -> None:
    """Check those of the arguments that are there, each for itself."""
    for name, value in given.items():
        if name in options:
            options[name](value, name)


def check_together(given: Mapping[str, Any], names: Sequence[str]) -> None:
    """Check what arguments say together; exactly one of ``names`` must be given."""
    if sum(given.get(name) is not None for name in names) != 1:
        wanted = f"either {names[0]} or {names[1]}" if len(names) == 2 else f"exactly one of {', '.join(names)}"
        raise ValueError(f"give {wanted}")
    if given.get("theeye_host") is not None and given.get("theeye_task_name") is None:
        raise ValueError("theeye_host tells tasks of the same name apart: it goes with theeye_task_name")
    if given.get("secret") is not None and given.get("auth") == "token":
        raise ValueError("give either secret= or auth='token': TheEye refuses a request with both")


def check_timeout(timeout: float | None, interval: float) -> None:
    """:raises ValueError: if the time of a wait, in seconds, is over before the first look at the job."""
    if timeout is not None and timeout < interval:
        raise ValueError(
            f"timeout ({timeout:g} s) is shorter than poll_interval ({interval:g} s): "
            "the job would never be looked at in time"
        )
