"""What a sensor waits for: a job by its id, or the job of a task or workflow that is yet to be found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_theeye.api.models import moment
from airflow_provider_theeye.exceptions import TheEyeSettingsError
from airflow_provider_theeye.jobs.searching import PICKS, JobSearch
from airflow_provider_theeye.options import check_choice, check_id, is_template

if TYPE_CHECKING:
    from airflow_provider_theeye.hooks.theeye import TheEyeHook

__all__ = ["Subject"]


@dataclass(frozen=True)
class Subject:
    """The sensor's arguments that say which job; see there what each means."""

    job_id: str | None = None
    theeye_task_id: str | None = None
    theeye_task_name: str | None = None
    theeye_host: str | None = None
    theeye_workflow_id: str | None = None
    theeye_workflow_name: str | None = None
    since: str | datetime | None = None
    pick: str = PICKS[0]

    @property
    def is_search(self) -> bool:
        """Whether it names a task or workflow, so that the job is yet to be found."""
        names = (self.theeye_task_id, self.theeye_task_name, self.theeye_workflow_id, self.theeye_workflow_name)
        return any(name is not None for name in names)

    def check(self) -> None:
        """What can be told when the DAG is written.

        :raises ValueError: with the argument's name.
        """
        names = ("job_id", "theeye_task_id", "theeye_task_name", "theeye_workflow_id", "theeye_workflow_name")
        if sum(getattr(self, name) is not None for name in names) != 1:
            raise ValueError(f"give exactly one of {', '.join(names)}")
        if self.theeye_host is not None and self.theeye_task_name is None:
            raise ValueError("theeye_host tells tasks of the same name apart: it goes with theeye_task_name")
        check_choice(self.pick, PICKS, "pick")
        if self.job_id is not None and (self.since is not None or self.pick != PICKS[0]):
            raise ValueError("since and pick choose among the jobs of a task or workflow: they do not go with job_id")
        for name in ("job_id", "theeye_task_id", "theeye_workflow_id"):
            value = getattr(self, name)
            if value is not None and not is_template(value):
                check_id(value, name)
        if isinstance(self.since, str) and not is_template(self.since):
            _iso(self.since)

    def search(self, hook: TheEyeHook, context: Mapping[str, Any]) -> JobSearch | None:
        """What to look for, once templates are rendered; ``None`` if the job is known. Looks names up.

        :raises TheEyeSettingsError: for what cannot work.
        :raises TheEyeError: if TheEye cannot be asked.
        """
        is_workflow = self.theeye_workflow_id is not None or self.theeye_workflow_name is not None
        try:
            if self.theeye_task_name is not None:
                ident = hook.get_task(name=self.theeye_task_name, host=self.theeye_host).id
            elif self.theeye_workflow_name is not None:
                ident = hook.get_workflow(name=self.theeye_workflow_name).id
            elif self.theeye_workflow_id is not None:
                ident = check_id(self.theeye_workflow_id, "theeye_workflow_id")
            elif self.theeye_task_id is not None:
                ident = check_id(self.theeye_task_id, "theeye_task_id")
            else:
                check_id(self.job_id, "job_id")
                return None
            return JobSearch(ident, is_workflow, _iso(self._beginning(context)), self.pick)
        except ValueError as error:
            raise TheEyeSettingsError(str(error)) from None

    def __str__(self) -> str:
        if self.job_id is not None:
            return f"job {self.job_id}"
        if self.theeye_workflow_id or self.theeye_workflow_name:
            whose = f"workflow {self.theeye_workflow_id or repr(self.theeye_workflow_name)}"
        else:
            whose = f"task {self.theeye_task_id or repr(self.theeye_task_name)}"
        where = f" on host {self.theeye_host!r}" if self.theeye_host else ""
        return f"job of {whose}{where}"

    def _beginning(self, context: Mapping[str, Any]) -> Any:
        """Runs that were triggered by an asset or without a logical date have no data interval."""
        if self.since is not None:
            return self.since
        return context.get("data_interval_start") or getattr(context.get("dag_run"), "start_date", None)


def _iso(value: Any) -> str:
    found = moment(value.isoformat() if isinstance(value, datetime) else str(value).strip())
    if found is None:
        raise ValueError(f"since must be a time in ISO 8601, for example 2026-01-31T08:00:00+00:00, not {value!r}")
    return found.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
