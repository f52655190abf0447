"""What an operator tells of the job that it has run: OpenLineage's provider, and Airflow when it asks for the link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_theeye.api.models import Job

__all__ = ["TellsLineage"]


class TellsLineage:
    """Mixed into the operators. Without the OpenLineage provider nobody calls its methods."""

    #: The job as it was seen last in this process, and its page.
    _seen_job: Job | None = None
    _seen_url: str | None = None
    #: Whether the task began in this process, so that none before it has stored a link.
    began_here = False

    @property
    def link_of_this_process(self) -> str | None:
        """The link to the job, empty if there is none; ``None`` if only an earlier process knows."""
        if self._seen_job is not None:
            return self._seen_url or ""
        return "" if self.began_here else None

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
