"""``@task.theeye``: a function that returns the arguments of a TheEye task."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, cast

import attrs
from airflow.providers.common.compat.sdk import (
    DecoratedOperator,
    TaskDecorator,
    context_merge,
    determine_kwargs,
    task_decorator_factory,
)

from airflow_provider_theeye.concealed import conceal
from airflow_provider_theeye.operators.arguments import MAP_INDEX_TEMPLATE
from airflow_provider_theeye.operators.mapping import merged_defaults
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator
from airflow_provider_theeye.options import check_given

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["theeye_task"]


class _TheEyeDecoratedOperator(DecoratedOperator, TheEyeTaskOperator):
    """``TheEyeTaskOperator`` whose arguments a function returns.

    The function is called once in each try, also in one that takes up the job of an earlier try: what it returns tells
    which job is that of the same order.
    """

    custom_operator_name = "@task.theeye"
    overwrite_rtif_after_execution = True
    template_fields: Sequence[str] = (*DecoratedOperator.template_fields, *TheEyeTaskOperator.template_fields)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **DecoratedOperator.template_fields_renderers,
        **TheEyeTaskOperator.template_fields_renderers,
    }

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if "task_arguments" in kwargs:
            raise TypeError("the function returns the arguments: task_arguments= cannot be given to @task.theeye")
        super().__init__(python_callable=python_callable, op_args=op_args, op_kwargs=op_kwargs, **kwargs)

    @staticmethod
    def xcom_push(context: Any, key: str, value: Any, **kwargs: Any) -> None:
        """What ``DecoratedOperator`` of Airflow 3.0 wants of its operators, and that release's own do not have."""
        context["ti"].xcom_push(key=key, value=value)

    def execute(self, context: Context) -> Any:
        with _context(context):
            return super().execute(context)

    def execute_complete(self, context: Context, *args: Any, **kwargs: Any) -> Any:
        # What is started in place of a job whose record is gone needs the function's arguments too.
        with _context(context):
            return super().execute_complete(context, *args, **kwargs)

    def rendered_arguments(self) -> Any:
        context: Any = _CONTEXT.get()
        context_merge(context, self.op_kwargs)
        kwargs = determine_kwargs(self.python_callable, self.op_args, context)
        self.task_arguments = self.python_callable(*self.op_args, **kwargs)
        return super().rendered_arguments()

    def labelled(self) -> Any:
        """What the function returned, or before that what it will be called with."""
        return self.task_arguments or [*self.op_args, *self.op_kwargs.values()]


#: The context of the task that runs. The operator does not keep it: listeners serialize whatever an operator holds.
_CONTEXT: ContextVar[Any] = ContextVar("theeye_task_context")


@contextlib.contextmanager
def _context(context: Context) -> Iterator[None]:
    token = _CONTEXT.set(context)
    try:
        yield
    finally:
        _CONTEXT.reset(token)


def theeye_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """Turn a function into a task that runs a TheEye task with the list that the function returns.

    :param python_callable: the function; returns one value per argument, of any JSON type.
    :param kwargs: those of ``TheEyeTaskOperator``, without ``task_arguments``.
    """
    _check(kwargs)
    made: Any = task_decorator_factory(
        python_callable=python_callable, decorated_operator_class=_TheEyeDecoratedOperator, **kwargs
    )
    return cast(
        "TaskDecorator", (lambda function: _checking(made(function))) if python_callable is None else _checking(made)
    )


def _check(given: dict[str, Any]) -> None:
    check_given(_TheEyeDecoratedOperator.checks, given)
    if "secret" in given:
        given["secret"] = conceal(given["secret"])


def _checking(decorator: Any) -> Any:
    """The same decorator, whose mapped tasks are checked when the DAG is parsed, as those of an operator are."""
    kind: Any = type(decorator)
    return _checking_kind(kind)(**{one.alias: getattr(decorator, one.name) for one in attrs.fields(kind) if one.init})


@lru_cache
def _checking_kind(kind: Any) -> Any:
    class CheckingDecorator(kind):  # type: ignore[misc]
        def override(self, **kwargs: Any) -> Any:
            _check(kwargs)
            return super().override(**kwargs)

        def _expand(self, expand_input: Any, **options: Any) -> Any:
            made = super()._expand(expand_input, **options)
            operator = made.operator
            defaults = merged_defaults(operator.dag, operator.task_group, self.kwargs.get("default_args"))
            check_given(_TheEyeDecoratedOperator.checks, {**defaults, **self.kwargs})
            _TheEyeDecoratedOperator.check_together({**defaults, **self.kwargs})
            if "map_index_template" not in self.kwargs and operator.partial_kwargs.get("map_index_template") is None:
                operator.partial_kwargs["map_index_template"] = MAP_INDEX_TEMPLATE
            return made

    return CheckingDecorator
