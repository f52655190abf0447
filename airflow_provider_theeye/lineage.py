"""What OpenLineage is told of a job. Only the OpenLineage provider's calls import this, so only where that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.openlineage.extractors import OperatorLineage
from attr import define
from openlineage.client.generated.base import JobFacet, RunFacet
from openlineage.client.generated.external_query_run import ExternalQueryRunFacet

if TYPE_CHECKING:
    from airflow_provider_theeye.api.models import Job

__all__ = ["TheEyeRunFacet", "TheEyeTemplateFacet", "lineage_of"]

#: As other tools know this system.
SOURCE = "theeye"


@define
class TheEyeRunFacet(RunFacet):
    """The job that a run of an Airflow task was: its ids, how it stands, and where to look at it."""

    jobId: str  # noqa: N815 - the names are those of OpenLineage's JSON
    name: str
    lifecycle: str
    state: str
    url: str | None = None


@define
class TheEyeTemplateFacet(JobFacet):
    """The task or workflow of TheEye that an Airflow task runs."""

    taskId: str | None = None  # noqa: N815
    workflowId: str | None = None  # noqa: N815


def lineage_of(template: dict[str, Any], job: Job | None, url: str | None) -> OperatorLineage[Any, Any]:
    """The facets for a task whose operator names ``template`` and has seen ``job``."""
    task_id, workflow_id = template.get("theeye_task_id"), template.get("theeye_workflow_id")
    if job is not None:
        task_id, workflow_id = (None, job.workflow_id) if job.is_workflow else (job.task_id, job.workflow_id)
    job_facets = {"theeye": TheEyeTemplateFacet(task_id, workflow_id)} if task_id or workflow_id else {}
    if job is None:
        return OperatorLineage(job_facets=job_facets)
    run_facets = {
        "externalQuery": ExternalQueryRunFacet(externalQueryId=job.id, source=SOURCE),
        "theeye": TheEyeRunFacet(job.id, job.name, job.lifecycle, job.state, url),
    }
    return OperatorLineage(run_facets=run_facets, job_facets=job_facets)
