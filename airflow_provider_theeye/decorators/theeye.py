"""``@task.theeye``: a function that returns the arguments of a TheEye task."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import (
    DecoratedOperator,
    TaskDecorator,
    context_merge,
    determine_kwargs,
    task_decorator_factory,
)

from airflow_provider_theeye.operators.arguments import MAP_INDEX_TEMPLATE
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator

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
        self._context: Context | None = None

    @staticmethod
    def xcom_push(context: Any, key: str, value: Any, **kwargs: Any) -> None:
        """What ``DecoratedOperator`` of Airflow 3.0 wants of its operators, and that release's own do not have."""
        context["ti"].xcom_push(key=key, value=value)

    def execute(self, context: Context) -> Any:
        self._context = context
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        # What is started in place of a job whose record is gone needs the function's arguments too.
        self._context = context
        return super().execute_complete(context, event)

    def rendered_arguments(self) -> Any:
        context: Any = self._context
        context_merge(context, self.op_kwargs)
        kwargs = determine_kwargs(self.python_callable, self.op_args, context)
        self.task_arguments = self.python_callable(*self.op_args, **kwargs)
        return super().rendered_arguments()


def theeye_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """Turn a function into a task that runs a TheEye task with the list that the function returns.

    :param python_callable: the function; returns one value per argument, of any JSON type.
    :param kwargs: those of ``TheEyeTaskOperator``, without ``task_arguments``.
    """
    kwargs.setdefault("map_index_template", MAP_INDEX_TEMPLATE)
    return task_decorator_factory(
        python_callable=python_callable, decorated_operator_class=_TheEyeDecoratedOperator, **kwargs
    )
