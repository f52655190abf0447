"""The methods by which OpenLineage's provider asks an operator what it has run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_theeye.api.models import Job

__all__ = ["TellsLineage"]


class TellsLineage:
    """Mixed into the operators. Without the OpenLineage provider nobody calls these methods."""

    #: The job as it was seen last in this process, and its page.
    _seen_job: Job | None = None
    _seen_url: str | None = None

    def get_openlineage_facets_on_start(self) -> Any:
        return self._lineage()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        return self._lineage()

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> Any:
        return self._lineage()

    def _lineage(self) -> Any:
        from airflow_provider_theeye.lineage import lineage_of

        names = ("theeye_task_id", "theeye_workflow_id")
        return lineage_of({name: getattr(self, name, None) for name in names}, self._seen_job, self._seen_url)

    def _saw(self, job: Job, url: str | None) -> None:
        self._seen_job, self._seen_url = job, url
