"""What a sensor waits for: a job by its id, or the job of a task or workflow that is yet to be found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_theeye.api.models import LIVE, OVER, moment
from airflow_provider_theeye.exceptions import TheEyeSettingsError
from airflow_provider_theeye.jobs.searching import PICKS, JobSearch
from airflow_provider_theeye.options import (
    COMMON_OPTIONS,
    Check,
    check_choice,
    check_id,
    check_id_or_template,
    check_together,
    known_later,
    seconds,
)

if TYPE_CHECKING:
    from airflow_provider_theeye.hooks.theeye import TheEyeHook

__all__ = ["NAMES", "SENSOR_OPTIONS", "Subject", "check_subject", "check_target"]

#: A sensor's arguments that say which job, exactly one of them.
NAMES = ("job_id", "theeye_task_id", "theeye_task_name", "theeye_workflow_id", "theeye_workflow_name")


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


# -- checks when the DAG is parsed -------------------------------------------------------------------------------------


def check_subject(given: Mapping[str, Any]) -> None:
    """Check what a sensor's arguments say together.

    :raises ValueError: with the argument's name.
    """
    check_together(given, NAMES)
    chosen = given.get("since") is not None or given.get("pick", PICKS[0]) != PICKS[0]
    if given.get("job_id") is not None and chosen:
        raise ValueError("since and pick choose among the jobs of a task or workflow: they do not go with job_id")


def check_target(value: Any, name: str = "target") -> Any:
    """Lifecycles, one or several."""
    if value is None or known_later(value):
        return value
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, Sequence | set | frozenset):
        raise ValueError(f"{name} must be a list of lifecycles, not {value!r}")
    for one in values:
        if not known_later(one) and (not isinstance(one, str) or one not in LIVE | OVER):
            raise ValueError(f"{name} {one!r} is no lifecycle of a job; known are {', '.join(sorted(LIVE | OVER))}")
    return value


def _check_since(value: Any, name: str) -> Any:
    if value is None or known_later(value):
        return value
    if not isinstance(value, str | datetime):
        raise ValueError(f"{name} must be a time in ISO 8601 as text, or a datetime, not {value!r}")
    _iso(value)
    return value


def _check_pick(value: Any, name: str) -> str:
    return check_choice(value, PICKS, name)


#: How each argument of the sensor is checked. ``timeout`` and the like are Airflow's own.
SENSOR_OPTIONS: dict[str, Check] = {
    **COMMON_OPTIONS,
    "job_id": check_id_or_template,
    "since": _check_since,
    "pick": _check_pick,
    "target": check_target,
    "poke_interval": seconds,
}
