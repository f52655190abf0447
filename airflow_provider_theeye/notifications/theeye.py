"""``TheEyeNotifier``: lets TheEye do something when a task or DAG run fails, succeeds, or is retried."""

from __future__ import annotations

import contextvars
import dataclasses
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import anyio
from airflow.providers.common.compat.sdk import BaseNotifier

from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.options import check_arguments, check_conn_id, check_id_or_template

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_theeye.api.client import TheEyeClient

__all__ = ["TheEyeNotifier"]

#: Seconds that a notification may take in all, since a task's end waits for it, or all DAG files that are to be read.
PATIENCE = 10.0
#: Seconds for one answer, so that a lost one can be asked for again.
_ANSWER_PATIENCE = 4.0


class TheEyeNotifier(BaseNotifier):
    """Starts a job and does not wait for it, for ``on_failure_callback`` and the like.

    A notification must never make things worse: whatever goes wrong is logged and goes no further, and after 10 seconds
    it is given up. A job that cannot be started for certain is not started a second time.

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
        check_id_or_template(theeye_task_id, "theeye_task_id")
        check_id_or_template(theeye_workflow_id, "theeye_workflow_id")
        check_conn_id(theeye_conn_id, "theeye_conn_id")
        if isinstance(task_arguments, str):
            raise ValueError(f"task_arguments must be a list, one value per argument, not the text {task_arguments!r}")
        check_arguments(task_arguments)
        self.theeye_task_id = theeye_task_id
        self.theeye_workflow_id = theeye_workflow_id
        self.task_arguments = task_arguments
        self.theeye_conn_id = theeye_conn_id

    def notify(self, context: Context) -> None:
        """Start the job; called by Airflow in a worker or in the DAG processor."""
        # In a thread, as neither a secrets backend nor a look-up of a host's name can be given a time limit.
        arguments = (self._notify, time.monotonic() + PATIENCE)
        thread = threading.Thread(target=contextvars.copy_context().run, args=arguments, daemon=True)
        thread.start()
        thread.join(PATIENCE)
        if thread.is_alive():
            self._give_up()

    async def async_notify(self, context: Context) -> None:
        """The same for Airflow's triggerer."""
        from asgiref.sync import sync_to_async

        # In a bare thread Airflow 3.1 would read the connection by a loop that is not the triggerer's.
        in_thread = sync_to_async(self._notify, thread_sensitive=False)
        try:
            with anyio.fail_after(PATIENCE):
                await in_thread(time.monotonic() + PATIENCE)
        except TimeoutError:
            self._give_up()

    def _notify(self, until: float) -> None:
        try:
            job_id = self._start(until)
        except Exception as error:
            self.log.error("TheEye was not notified: %s: %s", type(error).__name__, error)
        else:
            self.log.info("TheEye job %s started to notify of this", job_id)

    def _give_up(self) -> None:
        self.log.error(
            "TheEye was probably not notified: connection %r or its server took longer than %g s, and a notification "
            "may not hold up anything for longer. Look in TheEye whether there is a job",
            self.theeye_conn_id,
            PATIENCE,
        )

    def _start(self, until: float) -> str:
        hook = _HurriedHook(self.theeye_conn_id, until)
        try:
            if self.theeye_workflow_id is not None:
                return hook.start_workflow(self.theeye_workflow_id, self.task_arguments).id
            return hook.start_task(str(self.theeye_task_id), self.task_arguments).id
        finally:
            hook.close()


class _HurriedHook(TheEyeHook):
    """Sends nothing after a certain time by ``time.monotonic()``."""

    def __init__(self, theeye_conn_id: str, until: float) -> None:
        super().__init__(theeye_conn_id)
        self._until = until

    def get_conn(self) -> TheEyeClient:
        if self._client is None:
            from airflow_provider_theeye.api.client import TheEyeClient

            server = self.settings.server
            hurried = dataclasses.replace(server, read_timeout=min(server.read_timeout, _ANSWER_PATIENCE))
            self._client = TheEyeClient(hurried, until=self._until)
        return self._client
