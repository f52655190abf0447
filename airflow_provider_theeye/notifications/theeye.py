"""``TheEyeNotifier``: lets TheEye do something when a task or DAG run fails, succeeds, or is retried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseNotifier

from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.options import check_id, is_template

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["TheEyeNotifier"]


class TheEyeNotifier(BaseNotifier):
    """Starts a job and does not wait for it, for ``on_failure_callback`` and the like.

    A notification must never make things worse: whatever goes wrong is logged and goes no further. A job that cannot be
    started for certain is not started a second time.

    :param theeye_task_id: the task to run, or
    :param theeye_workflow_id: the workflow to run.
    :param task_arguments: its arguments (templated), for example ``["{{ dag.dag_id }}", "{{ exception }}"]``.
    :param theeye_conn_id: connection of type ``theeye``.
    """

    template_fields: Sequence[str] = ("theeye_task_id", "theeye_workflow_id", "task_arguments")

    def __init__(
        self,
        *,
        theeye_task_id: str | None = None,
        theeye_workflow_id: str | None = None,
        task_arguments: Sequence[Any] = (),
        theeye_conn_id: str = TheEyeHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (theeye_task_id is None) == (theeye_workflow_id is None):
            raise ValueError("give either theeye_task_id or theeye_workflow_id")
        for name, value in (("theeye_task_id", theeye_task_id), ("theeye_workflow_id", theeye_workflow_id)):
            if value is not None and not is_template(value):
                check_id(value, name)
        if isinstance(task_arguments, str):
            raise ValueError(f"task_arguments must be a list, one value per argument, not the text {task_arguments!r}")
        self.theeye_task_id = theeye_task_id
        self.theeye_workflow_id = theeye_workflow_id
        self.task_arguments = task_arguments
        self.theeye_conn_id = theeye_conn_id

    def notify(self, context: Context) -> None:
        """Start the job; called by Airflow in a worker or in the DAG processor."""
        try:
            job_id = self._start()
        except Exception as error:
            self.log.error("TheEye was not notified: %s: %s", type(error).__name__, error)
        else:
            self.log.info("TheEye job %s started to notify of this", job_id)

    async def async_notify(self, context: Context) -> None:
        """The same for Airflow's triggerer."""
        from asgiref.sync import sync_to_async

        # In a bare thread Airflow 3.1 would read the connection by a loop that is not the triggerer's.
        await sync_to_async(self.notify, thread_sensitive=False)(context)

    def _start(self) -> str:
        hook = TheEyeHook(self.theeye_conn_id)
        try:
            if self.theeye_workflow_id is not None:
                return hook.start_workflow(self.theeye_workflow_id, self.task_arguments).id
            return hook.start_task(str(self.theeye_task_id), self.task_arguments).id
        finally:
            hook.close()
