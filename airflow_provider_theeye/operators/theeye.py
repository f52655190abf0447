"""``TheEyeTaskOperator`` and ``TheEyeWorkflowOperator``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_theeye.exceptions import TheEyeSettingsError
from airflow_provider_theeye.jobs import arguments
from airflow_provider_theeye.jobs.submission import Order
from airflow_provider_theeye.jobs.verdict import Strictness
from airflow_provider_theeye.operators.base import TheEyeJobOperator
from airflow_provider_theeye.operators.options import check_id, is_template

if TYPE_CHECKING:
    from airflow_provider_theeye.api.models import Task, Workflow

__all__ = ["TheEyeTaskOperator", "TheEyeWorkflowOperator"]


class TheEyeTaskOperator(TheEyeJobOperator):
    """Runs a TheEye task: starts a job of it once, waits for its end, returns its result.

    XCom ``return_value`` is ``{"job_id", "name", "lifecycle", "state", "outcome", "output": [...], "exit_code",
    "lastline", "url"}``; ``job_id``, ``url`` and ``output`` are there as keys of their own, too. Raises a
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
    )
    template_fields_renderers = {"task_arguments": "json"}  # noqa: RUF012

    def __init__(
        self,
        *,
        theeye_task_id: str | None = None,
        theeye_task_name: str | None = None,
        theeye_host: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.theeye_task_id = theeye_task_id
        self.theeye_task_name = theeye_task_name
        self.theeye_host = theeye_host
        if (theeye_task_id is None) == (theeye_task_name is None):
            raise ValueError("give either theeye_task_id or theeye_task_name")
        if theeye_host is not None and theeye_task_name is None:
            raise ValueError("theeye_host tells tasks of the same name apart: it goes with theeye_task_name")
        if theeye_task_id is not None and not is_template(theeye_task_id):
            check_id(theeye_task_id, "theeye_task_id")

    def make_order(self) -> Order:
        values = arguments.check_json(self.rendered_arguments())
        if self.theeye_task_id is not None:
            _checked(self.theeye_task_id, "theeye_task_id")
        settings = self.hook.settings
        task: Task | None = None
        if settings.server.token is not None:
            task = self.hook.get_task(self.theeye_task_id, name=self.theeye_task_name, host=self.theeye_host)
            if task.workflow_id is not None:
                raise TheEyeSettingsError(
                    f"task {task.name!r} ({task.id}) is a step of workflow {task.workflow_id}: TheEye cannot start it "
                    "alone. Use TheEyeWorkflowOperator with theeye_start_task"
                )
        ident = task.id if task is not None else self.theeye_task_id
        if ident is None:
            raise TheEyeSettingsError("looking a task up by its name needs an integration token: give theeye_task_id")
        return Order(
            theeye_id=ident,
            arguments=arguments.for_task(task, values) if task else arguments.for_unknown_task(values),
            held=self.holds() and task is not None and task.can_be_held,
            secret=self.secret_for(ident),
            may_search=settings.server.token is not None,
        )


class TheEyeWorkflowOperator(TheEyeJobOperator):
    """Runs a TheEye workflow: starts a workflow job once, waits for its true end, returns its result.

    XCom as for ``TheEyeTaskOperator``, plus ``steps``: one row per step, in order of creation, ``{"name", "task_id",
    "job_id", "lifecycle", "state", "outcome", "exit_code", "output", "seconds"}``. ``output`` is that of the step that
    ended last.

    :param theeye_workflow_id: id of the workflow, 24 hexadecimal digits (templated). Either this or the name.
    :param theeye_workflow_name: name of the workflow (templated). Must fit exactly one.
    :param theeye_start_task: id of the step's task to start at, instead of the first (templated). The arguments are
        then those of that step.
    :param fail_on_failed_step: fail if any step failed, unless the workflow's graph leads on from that failure.
        TheEye's own verdict is that of the step that ended last; by default a failure that it hides is only warned of.

    The other parameters are those of ``TheEyeJobOperator``.
    """

    template_fields: Sequence[str] = (
        "theeye_workflow_id",
        "theeye_workflow_name",
        "theeye_start_task",
        "task_arguments",
        "secret",
    )
    template_fields_renderers = {"task_arguments": "json"}  # noqa: RUF012

    def __init__(
        self,
        *,
        theeye_workflow_id: str | None = None,
        theeye_workflow_name: str | None = None,
        theeye_start_task: str | None = None,
        fail_on_failed_step: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.theeye_workflow_id = theeye_workflow_id
        self.theeye_workflow_name = theeye_workflow_name
        self.theeye_start_task = theeye_start_task
        self.fail_on_failed_step = fail_on_failed_step
        if (theeye_workflow_id is None) == (theeye_workflow_name is None):
            raise ValueError("give either theeye_workflow_id or theeye_workflow_name")
        for name in ("theeye_workflow_id", "theeye_start_task"):
            value = getattr(self, name)
            if value is not None and not is_template(value):
                check_id(value, name)

    def make_order(self) -> Order:
        values = arguments.check_json(self.rendered_arguments())
        for name in ("theeye_workflow_id", "theeye_start_task"):
            if getattr(self, name) is not None:
                _checked(getattr(self, name), name)
        has_token = self.hook.settings.server.token is not None
        workflow = self._workflow()
        ident = workflow.id if workflow is not None else self.theeye_workflow_id
        if ident is None:
            raise TheEyeSettingsError(
                "looking a workflow up by its name needs an integration token: give theeye_workflow_id"
            )
        first = self._first_step(workflow) if workflow is not None else None
        return Order(
            theeye_id=ident,
            is_workflow=True,
            arguments=arguments.for_task(first, values) if first else arguments.for_unknown_task(values),
            held=self.holds() and has_token and (first is None or first.can_be_held),
            secret=self.secret_for(ident),
            start_task_id=self.theeye_start_task,
            may_search=has_token,
        )

    def strictness(self) -> Strictness:
        return Strictness(self.fail_on_exit_code, self.fail_on_failed_step)

    def watch_options(self) -> dict[str, Any]:
        workflow = self._workflow()
        if workflow is None:
            return {}
        hosts = {step.id: step.hostname for step in self.hook.steps_of(workflow.id) if step.hostname}
        return {"hosts": hosts, "ends_itself": workflow.version == 2}

    def _workflow(self) -> Workflow | None:
        """The definition; ``None`` where there is no token to read it with."""
        if self.hook.settings.server.token is None:
            return None
        return self.hook.get_workflow(self.theeye_workflow_id, name=self.theeye_workflow_name)

    def _first_step(self, workflow: Workflow) -> Task | None:
        wanted = self.theeye_start_task or workflow.start_task_id
        steps = self.hook.steps_of(workflow.id)
        step = next((step for step in steps if step.id == wanted), None)
        if step is None and self.theeye_start_task is not None:
            listed = "; ".join(f"{step.id} ({step.name})" for step in steps)
            raise TheEyeSettingsError(
                f"{self.theeye_start_task} is no step of workflow {workflow.name!r} ({workflow.id}). "
                f"Its steps: {listed}"
            )
        return step


def _checked(value: Any, name: str) -> None:
    try:
        check_id(value, name)
    except ValueError as error:
        raise TheEyeSettingsError(str(error)) from None
