"""``TheEyeTaskOperator`` and ``TheEyeWorkflowOperator``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_theeye.operators.base import TheEyeJobOperator
from airflow_provider_theeye.options import check_together

if TYPE_CHECKING:
    from airflow_provider_theeye.jobs.submission import Order
    from airflow_provider_theeye.jobs.verdict import Strictness

__all__ = ["TheEyeTaskOperator", "TheEyeWorkflowOperator"]


class TheEyeTaskOperator(TheEyeJobOperator):
    """Runs a TheEye task: starts a job of it once, waits for its end, returns its result.

    XCom ``return_value`` is ``{"job_id", "name", "lifecycle", "state", "outcome", "output": [...], "exit_code",
    "lastline", "host", "url"}``; ``job_id``, ``url`` and ``output`` are there as keys of their own, too. Raises a
    ``TheEyeJobError`` of the kind that fits for a job that did not succeed.

    :param theeye_task_id: id of the task, 24 hexadecimal digits (templated). Either this or the name.
    :param theeye_task_name: name of the task (templated). Must fit exactly one task.
    :param theeye_host: name of the host, where several tasks have the same name (templated).

    The other parameters are those of ``TheEyeJobOperator``.
    """

    template_fields: Sequence[str] = (
        "theeye_task_id",
        "theeye_task_name",
        "theeye_host",
        "task_arguments",
        "secret",
        "theeye_conn_id",
    )
    template_fields_renderers = {"task_arguments": "json"}  # noqa: RUF012
    named_by = ("theeye_task_id", "theeye_task_name")

    def __init__(
        self,
        *,
        theeye_task_id: str | None = None,
        theeye_task_name: str | None = None,
        theeye_host: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.theeye_task_id = self.option("theeye_task_id", theeye_task_id)
        self.theeye_task_name = self.option("theeye_task_name", theeye_task_name)
        self.theeye_host = self.option("theeye_host", theeye_host)
        check_together(vars(self), self.named_by)

    def order_identity(self) -> list[str | None]:
        return ["task", self.theeye_task_id, self.theeye_task_name, self.theeye_host]

    def make_order(self, arguments: Sequence[Any]) -> Order:
        from airflow_provider_theeye.hooks.orders import order_for_task

        return order_for_task(
            self.hook,
            arguments,
            self.start_options(),
            task_id=self.theeye_task_id,
            name=self.theeye_task_name,
            host=self.theeye_host,
        )


class TheEyeWorkflowOperator(TheEyeJobOperator):
    """Runs a TheEye workflow: starts a workflow job once, waits for its true end, returns its result.

    XCom as for ``TheEyeTaskOperator``, plus ``steps``: one row per step, in order of creation, ``{"name", "task_id",
    "job_id", "host", "lifecycle", "state", "outcome", "exit_code", "output", "seconds"}``. ``output`` is that
    of the step that ended last, or of the one whose failure decided.

    :param theeye_workflow_id: id of the workflow, 24 hexadecimal digits (templated). Either this or the name.
    :param theeye_workflow_name: name of the workflow (templated). Must fit exactly one.
    :param theeye_start_task: id of the step's task to start at, instead of the first (templated). The arguments are
        then those of that step.
    :param fail_on_failed_step: fail if any step failed, unless the workflow's graph handles that failure. ``False``
        follows TheEye, whose verdict is that of the step that ended last, and warns of a failure that this hides.

    The other parameters are those of ``TheEyeJobOperator``.
    """

    template_fields: Sequence[str] = (
        "theeye_workflow_id",
        "theeye_workflow_name",
        "theeye_start_task",
        "task_arguments",
        "secret",
        "theeye_conn_id",
    )
    template_fields_renderers = {"task_arguments": "json"}  # noqa: RUF012
    named_by = ("theeye_workflow_id", "theeye_workflow_name")

    def __init__(
        self,
        *,
        theeye_workflow_id: str | None = None,
        theeye_workflow_name: str | None = None,
        theeye_start_task: str | None = None,
        fail_on_failed_step: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.theeye_workflow_id = self.option("theeye_workflow_id", theeye_workflow_id)
        self.theeye_workflow_name = self.option("theeye_workflow_name", theeye_workflow_name)
        self.theeye_start_task = self.option("theeye_start_task", theeye_start_task)
        self.fail_on_failed_step = self.option("fail_on_failed_step", fail_on_failed_step)
        check_together(vars(self), self.named_by)

    def order_identity(self) -> list[str | None]:
        return ["workflow", self.theeye_workflow_id, self.theeye_workflow_name, self.theeye_start_task]

    def make_order(self, arguments: Sequence[Any]) -> Order:
        from airflow_provider_theeye.hooks.orders import order_for_workflow

        return order_for_workflow(
            self.hook,
            arguments,
            self.start_options(),
            workflow_id=self.theeye_workflow_id,
            name=self.theeye_workflow_name,
            start_task_id=self.theeye_start_task,
        )

    def strictness(self) -> Strictness:
        from airflow_provider_theeye.jobs.verdict import Strictness

        return Strictness(self.fail_on_exit_code, self.fail_on_failed_step)

    def watch_options(self) -> dict[str, Any]:
        if self.hook.settings.server.token is None:
            return {}
        workflow = self.hook.get_workflow(self.theeye_workflow_id, name=self.theeye_workflow_name)
        hosts = {step.id: step.hostname for step in self.hook.steps_of(workflow.id) if step.hostname}
        return {"hosts": hosts, "ends_itself": workflow.version == 2}
