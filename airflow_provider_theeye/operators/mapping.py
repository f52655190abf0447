"""Mapped tasks: what is given to ``partial()`` and ``expand()`` is checked when the DAG is parsed.

Airflow makes the operator, whose ``__init__`` checks its arguments, only when a mapped task instance runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, ClassVar

from airflow_provider_theeye.concealed import conceal
from airflow_provider_theeye.options import Check, check_given

__all__ = ["ChecksOptions", "checked_mapping", "merged_defaults"]


class ChecksOptions:
    """Mixed into operators and sensor."""

    #: Each argument's check.
    checks: ClassVar[Mapping[str, Check]]

    @classmethod
    def check_together(cls, given: Mapping[str, Any]) -> None:
        """Check what the arguments of one task instance say together.

        :raises ValueError: with the arguments' names.
        """
        raise NotImplementedError

    @classmethod
    def option(cls, name: str, value: Any) -> Any:
        """The value of an argument as it is used."""
        return cls.checks[name](value, name)

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """As for every operator."""
        check_given(cls.checks, kwargs)
        if "secret" in kwargs:
            kwargs["secret"] = conceal(kwargs["secret"])
        default_args = kwargs.get("default_args")
        made = super().partial(**kwargs)  # type: ignore[misc]
        defaults = merged_defaults(made.kwargs.get("dag"), made.kwargs.get("task_group"), default_args)
        kind: Any = type(made)
        checking = _checking(kind)(operator_class=cls, kwargs=made.kwargs, params=made.params)
        checking.known = {**defaults, **made.kwargs}
        made._expand_called = True  # or it complains that it was never mapped
        return checking


def merged_defaults(dag: Any, task_group: Any, default_args: Mapping[str, Any] | None) -> dict[str, Any]:
    """The ``default_args`` that hold for a task."""
    sources = (getattr(dag, "default_args", None), getattr(task_group, "default_args", None), default_args)
    return {name: value for source in sources for name, value in (source or {}).items()}


@lru_cache
def _checking(kind: Any) -> Any:
    """What ``partial()`` returns in this Airflow, with checks."""

    class CheckingPartial(kind):  # type: ignore[misc]
        known: Mapping[str, Any] = {}

        def expand(self, **mapped: Any) -> Any:
            self._expand_called = True  # what is refused is not mapped, but that need not be said too
            return super().expand(**checked_mapping(self.operator_class, self.known, mapped))

        def expand_kwargs(self, kwargs: Any, **options: Any) -> Any:
            self._expand_called = True
            if isinstance(kwargs, list | tuple):
                kwargs = [_checked_row(self.operator_class, self.known, row) for row in kwargs]
            return super().expand_kwargs(kwargs, **options)

    return CheckingPartial


def checked_mapping(
    operator: type[ChecksOptions], known: Mapping[str, Any], mapped: Mapping[str, Any]
) -> dict[str, Any]:
    """Check the values of ``expand()``, each beside the first of the others. Returns them with secrets concealed."""
    firsts = {name: next(_values(values), values) for name, values in mapped.items()}
    for name, values in mapped.items():
        for value in _values(values):
            check_given(operator.checks, {name: value})
            operator.check_together({**known, **firsts, name: value})
    return {
        name: [conceal(value) for value in _values(values)] if name == "secret" and isinstance(values, list) else values
        for name, values in mapped.items()
    }


def _checked_row(operator: type[ChecksOptions], known: Mapping[str, Any], row: Any) -> Any:
    if not isinstance(row, Mapping):
        return row
    check_given(operator.checks, row)
    operator.check_together({**known, **row})
    return {**row, "secret": conceal(row["secret"])} if "secret" in row else row


def _values(values: Any) -> Iterator[Any]:
    """The values that are mapped over, if they are known."""
    return iter(values) if isinstance(values, list | tuple) else iter(())
