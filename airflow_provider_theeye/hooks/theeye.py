"""``TheEyeHook``: from a connection of Airflow to TheEye."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_theeye.exceptions import TheEyeSettingsError
from airflow_provider_theeye.options import CONN_ID
from airflow_provider_theeye.provider_info import CONN_TYPE, PROVIDER_INFO

if TYPE_CHECKING:
    from airflow_provider_theeye.api.calls import Call
    from airflow_provider_theeye.api.client import TheEyeClient
    from airflow_provider_theeye.api.errors import WrongPlace
    from airflow_provider_theeye.api.models import Edge, Job, Task, Workflow
    from airflow_provider_theeye.api.settings import Place
    from airflow_provider_theeye.hooks.connection import ConnectionSettings
    from airflow_provider_theeye.jobs.submission import Order

__all__ = ["TheEyeHook"]

T = TypeVar("T")
_FORM: dict[str, Any] = PROVIDER_INFO["connection-types"][0]


class TheEyeHook(BaseHook):
    """Talks to TheEye with the settings of an Airflow connection.

    Host (default ``https://supervisor.theeye.io``; a path prefix such as ``/apiv3`` is allowed), organization in the
    ``schema`` field, integration token in the ``password`` field, and in extra: ``secrets`` {task or workflow id:
    secret key}, ``verify`` (true, false, or a CA bundle), ``timeout`` (seconds for one answer), ``web_url`` (for links)
    and ``submission`` (``held`` or ``direct``).

    All methods raise ``api.errors.TheEyeError`` of the kind that fits, and ``TheEyeSettingsError`` for a connection
    or arguments that cannot work.

    :param theeye_conn_id: the connection.
    """

    conn_name_attr = "theeye_conn_id"
    default_conn_name = CONN_ID
    conn_type = CONN_TYPE
    hook_name = "TheEye"

    def __init__(self, theeye_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.theeye_conn_id = theeye_conn_id
        self._settings: ConnectionSettings | None = None
        self._client: TheEyeClient | None = None
        self._place: Place | None = None
        self._tasks: dict[tuple[str, str | None], Task] = {}
        self._workflows: dict[str, Workflow] = {}
        self._steps: dict[str, list[Task]] = {}

    # -- connection ------------------------------------------------------------------------------------------------

    @property
    def settings(self) -> ConnectionSettings:
        """The connection, read once; ``refresh`` reads it anew."""
        if self._settings is None:
            from airflow_provider_theeye.hooks.connection import settings_of
            from airflow_provider_theeye.version_compat import mask_secret

            self._settings = settings_of(self.get_connection(self.theeye_conn_id))
            server = self._settings.server
            for secret in (server.token, *server.secrets.values()):
                if secret:
                    mask_secret(secret)
            if server.verify is False:
                self.log.warning("connection %r does not verify TLS certificates", self.theeye_conn_id)
        return self._settings

    def get_conn(self) -> TheEyeClient:
        """The client, one per hook.

        :raises WrongPlace: if the connection leads elsewhere than where this hook has to stay.
        """
        if self.place != self.settings.server.place:
            raise self._wrong_place(self.settings.server.place)
        if self._client is None:
            from airflow_provider_theeye.api.client import TheEyeClient

            self._client = TheEyeClient(self.settings.server)
        return self._client

    @property
    def place(self) -> Place:
        """Where the jobs live that this hook asks about."""
        return self._place or self.settings.server.place

    def stay_at(self, place: Place | None) -> None:
        """Send nothing to any other place from now on: the ids that are asked for mean something there alone."""
        self._place = place

    def refresh(self) -> bool:
        """Read the connection anew, for a token that was changed meanwhile. Returns whether it is another one.

        :raises WrongPlace: if it leads elsewhere now. As long as there is a client, that one stays where it is.
        """
        before, place = self.settings, self.place
        self._settings = None
        try:
            found = self.settings
        except Exception:
            self._settings = before
            raise
        if found.server.place != place:
            self._settings = before
            raise self._wrong_place(found.server.place)
        self.close()
        return found.server.token != before.server.token or before.server.place != place

    def _wrong_place(self, found: Place) -> WrongPlace:
        from airflow_provider_theeye.api.errors import WrongPlace
        from airflow_provider_theeye.exceptions import leads_elsewhere

        return WrongPlace(leads_elsewhere(self.theeye_conn_id, self.place, found))

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def run(self, call: Call[T], **options: Any) -> T:
        """Send one call; see ``TheEyeClient.run``."""
        return self.get_conn().run(call, **options)

    def test_connection(self) -> tuple[bool, str]:
        """Tell in a sentence whether the connection works, and if not, what is wrong."""
        from airflow_provider_theeye.hooks.check import check_connection

        return check_connection(self)

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """The form of Airflow before 3.2; newer ones read provider info."""
        form = _FORM["ui-field-behaviour"]
        return {key.replace("-", "_"): value for key, value in form.items()}

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Extra fields of the form of Airflow before 3.2."""
        from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
        from flask_babel import lazy_gettext
        from wtforms import StringField

        return {
            name: StringField(
                lazy_gettext(conn_field["label"]),
                description=conn_field["description"],
                widget=BS3TextFieldWidget(),
            )
            for name, conn_field in _FORM["conn-fields"].items()
        }

    # -- tasks and workflows ---------------------------------------------------------------------------------------

    def list_tasks(self, name: str | None = None, host: str | None = None) -> list[Task]:
        """The organization's tasks, optionally those with exactly this name, on the host with this name."""
        from airflow_provider_theeye.api import calls

        # Servers of another age may ignore the filter, so it is applied here once more.
        return [
            task
            for task in self.run(calls.list_tasks(name=name))
            if name in (None, task.name) and host in (None, task.hostname)
        ]

    def get_task(self, task_id: str | None = None, *, name: str | None = None, host: str | None = None) -> Task:
        """One task by its id, or by its name and, where names are not unique, its host's name. Looked up once.

        :raises TheEyeSettingsError: if not exactly one task fits; lists the candidates.
        """
        from airflow_provider_theeye.api import calls

        key = (task_id or f"name:{name}", host)
        if key not in self._tasks:
            if task_id is not None:
                self._tasks[key] = self.run(calls.get_task(task_id))
            else:
                self._tasks[key] = self._one_task(name or "", host)
        return self._tasks[key]

    def _one_task(self, name: str, host: str | None) -> Task:
        named = self.list_tasks(name)
        fitting = [task for task in named if host in (None, task.hostname)]
        if len(fitting) == 1:
            return fitting[0]
        wanted = f"name {name!r}" + (f" on host {host!r}" if host else "")
        if not named:
            raise self._unknown(f"task with the {wanted}", name, self.list_tasks, "theeye_task_id")
        listed = "; ".join(f"{task.id} on {task.hostname or 'no host'}" for task in named)
        advice = "" if fitting else "; none is on that host"
        raise TheEyeSettingsError(
            f"{len(fitting) or 'no'} tasks fit the {wanted}{advice}. Candidates: {listed}. "
            "Name the host (theeye_host) or the id (theeye_task_id)"
        )

    def _unknown(
        self, what: str, name: str, list_all: Callable[[], Sequence[Task | Workflow]], ident: str
    ) -> TheEyeSettingsError:
        """The error for a name that nothing has, with those that may have been meant."""
        from airflow_provider_theeye.api.errors import TheEyeError
        from airflow_provider_theeye.jobs.names import similar

        text = f"organization {self.settings.server.organization!r} has no {what} that this token may see"
        try:
            everything = list_all()
        except TheEyeError:
            return TheEyeSettingsError(text)
        by_name = {one.name: one.id for one in everything}
        meant = "; ".join(f"{one!r} ({by_name[one]})" for one in similar(name, by_name))
        if meant:
            return TheEyeSettingsError(f"{text}. Similar names: {meant}. Correct the name, or give the id ({ident})")
        if everything:
            return TheEyeSettingsError(
                f"{text}, and none with a similar one. It lists {len(everything)} with other names"
            )
        return TheEyeSettingsError(f"{text}: {self._why_nothing_is_listed()}")

    def _why_nothing_is_listed(self) -> str:
        from airflow_provider_theeye.api import calls
        from airflow_provider_theeye.api.errors import AgentsToken, TheEyeError

        with contextlib.suppress(TheEyeError):
            try:
                self.run(calls.get_jobs(["0" * 24]), attempts=1)
            except AgentsToken as error:
                return str(error)
        return (
            "TheEye lists none at all to its user. A user below the role admin is shown only those whose access list "
            "(acl) names the user"
        )

    def list_workflows(self, name: str | None = None) -> list[Workflow]:
        """The organization's workflows, optionally those with exactly this name."""
        from airflow_provider_theeye.api import calls

        return [w for w in self.run(calls.list_workflows(name=name)) if name in (None, w.name)]

    def get_workflow(self, workflow_id: str | None = None, *, name: str | None = None) -> Workflow:
        """One workflow by its id or by its name. Looked up once.

        :raises TheEyeSettingsError: if not exactly one workflow fits; lists the candidates.
        """
        from airflow_provider_theeye.api import calls

        key = workflow_id or f"name:{name}"
        if key not in self._workflows:
            if workflow_id is not None:
                self._workflows[key] = self.run(calls.get_workflow(workflow_id))
            else:
                found = self.list_workflows(name)
                if not found:
                    what = f"workflow with the name {name!r}"
                    raise self._unknown(what, name or "", self.list_workflows, "theeye_workflow_id")
                if len(found) > 1:
                    raise TheEyeSettingsError(
                        f"{len(found)} workflows have the name {name!r}. Candidates: {'; '.join(w.id for w in found)}. "
                        "Name the id (theeye_workflow_id)"
                    )
                self._workflows[key] = found[0]
        return self._workflows[key]

    def steps_of(self, workflow_id: str) -> list[Task]:
        """The tasks that are a workflow's steps. Looked up once."""
        from airflow_provider_theeye.api import calls

        if workflow_id not in self._steps:
            tasks = self.run(calls.list_tasks(workflow_id=workflow_id))
            self._steps[workflow_id] = [task for task in tasks if task.workflow_id == workflow_id]
        return self._steps[workflow_id]

    def edges_of(self, workflow_id: str) -> Sequence[Edge]:
        """The edges of a workflow's graph; none if there is no token to read it with."""
        return self.get_workflow(workflow_id).edges if self.settings.server.token is not None else ()

    def hosts_of(self, jobs: Sequence[Job]) -> dict[str, str]:
        """Names of the hosts of jobs, or of one workflow job's steps, by the jobs' ids.

        Nothing fails for want of them: asked for once, and left out if TheEye does not tell or there is no token.
        """
        from airflow_provider_theeye.api.errors import TheEyeError
        from airflow_provider_theeye.jobs.result import host_of

        if self.settings.server.token is None:
            return {}
        tasks: dict[str, Task] = {}
        with contextlib.suppress(TheEyeError):
            tasks = self._tasks_of([job for job in jobs if job.hostname is None])
        named = {job.id: host_of(job, tasks.get(job.task_id or "")) for job in jobs}
        return {job_id: name for job_id, name in named.items() if name is not None}

    def _tasks_of(self, jobs: Sequence[Job]) -> dict[str, Task]:
        """The definitions of jobs' tasks by their ids: those that were looked up, or else by one request."""
        from airflow_provider_theeye.api import calls

        known = {task.id: task for task in (*self._tasks.values(), *(t for ts in self._steps.values() for t in ts))}
        missing = {job.task_id: job for job in jobs if job.task_id is not None and job.task_id not in known}
        if missing:
            job = next(iter(missing.values()))
            if job.workflow_id is None:
                found = [self.run(calls.get_task(str(job.task_id)), attempts=1)]
            else:
                found = self.run(calls.list_tasks(workflow_id=job.workflow_id), attempts=1)
            known |= {task.id: task for task in found}
        return known

    # -- jobs ------------------------------------------------------------------------------------------------------

    def start_task(self, task_id: str, task_arguments: Sequence[Any] = ()) -> Job:
        """Start a task once and return its job, without waiting for it. The operator does more: prefer it in DAGs.

        :raises TheEyeSubmissionUnclear: if it may have been started; a person has to look.
        :raises TheEyeJobError: if it is certain that nothing was run.
        """
        from airflow_provider_theeye.hooks.orders import StartOptions, order_for_task

        return self._submit(order_for_task(self, task_arguments, StartOptions(), task_id=task_id))

    def start_workflow(self, workflow_id: str, task_arguments: Sequence[Any] = ()) -> Job:
        """Start a workflow once and return its workflow job, without waiting for it. Raises as ``start_task`` does."""
        from airflow_provider_theeye.hooks.orders import StartOptions, order_for_workflow

        return self._submit(order_for_workflow(self, task_arguments, StartOptions(), workflow_id=workflow_id))

    def _submit(self, order: Order) -> Job:
        from airflow_provider_theeye.hooks.orders import submission_errors
        from airflow_provider_theeye.jobs.procedures import drive
        from airflow_provider_theeye.jobs.submission import submit

        with submission_errors():
            return drive(submit(order, lambda job: False), self.run)

    def trigger_webhook(self, webhook_id: str, secret: str | None = None, payload: Sequence[Any] | None = None) -> None:
        """Set off an incoming webhook of TheEye and with it all tasks and workflows that are attached to it.

        TheEye does not say which jobs that starts, so it cannot be waited for them here, and after a lost answer it is
        not tried again.

        :param webhook_id: id of the webhook, 24 hexadecimal digits.
        :param secret: its secret. Without one the token is used, whose user must be an admin, or the secret that the
            connection's extra ``secrets`` has for this id.
        :param payload: the arguments of the tasks and workflows, a list of values of any JSON type.
        """
        from airflow_provider_theeye.hooks.webhooks import trigger

        trigger(self, webhook_id, secret, payload)

    def get_job(self, job_id: str) -> Job:
        """A job or workflow job with its result."""
        from airflow_provider_theeye.api import calls

        return self.run(calls.get_job(job_id))

    def cancel(self, job_id: str) -> Job | None:
        """Cancel a job, or a workflow job with all its steps, and make sure.

        Returns it as it is then: ``job.is_over`` tells whether that worked. ``None`` if its record is gone.
        """
        from airflow_provider_theeye.jobs.cancelling import cancel
        from airflow_provider_theeye.jobs.procedures import drive
        from airflow_provider_theeye.jobs.reading import read_job

        job = drive(read_job(job_id), self.run)
        return drive(cancel(job_id, is_workflow=job.is_workflow), self.run) if job is not None else None

    def approve(self, job_id: str) -> None:
        """Approve an approval job; the token's user must be one of its approvers."""
        from airflow_provider_theeye.api import calls

        self.run(calls.approve(job_id))

    def reject(self, job_id: str) -> None:
        """Reject an approval job; the token's user must be one of its approvers."""
        from airflow_provider_theeye.api import calls

        self.run(calls.reject(job_id))

    def submit_input(self, job_id: str, arguments: Sequence[Any]) -> None:
        """Give a job on hold its arguments and let it run.

        :param arguments: one value for each argument of its task that is not fixed, of any JSON type, in their order.
        """
        from airflow_provider_theeye.api import calls
        from airflow_provider_theeye.hooks.orders import input_values
        from airflow_provider_theeye.jobs.once import change_once
        from airflow_provider_theeye.jobs.procedures import drive

        call = calls.submit_input(job_id, input_values(self, job_id, arguments))
        unanswered = drive(change_once(call, job_id, lambda job: job.lifecycle == "onhold"), self.run)
        if unanswered is not None and unanswered.job is None:
            raise unanswered.error
