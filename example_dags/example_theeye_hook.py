"""``TheEyeHook`` in Python tasks: what there is, start a job, see how it goes, cancel it.

The names are those of the sandbox's tasks.
"""

from __future__ import annotations

# [start list]
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_theeye.hooks.theeye import TheEyeHook

with DAG("example_theeye_hook", schedule=None, catchup=False, tags=["example", "theeye"]) as dag:

    @task
    def list_tasks() -> dict[str, str]:
        """Name and host of each task that the token may see, by its id."""
        return {one.id: f"{one.name} on {one.hostname}" for one in TheEyeHook().list_tasks()}

    # [end list]

    # [start find]
    @task
    def find(name: str) -> str:
        """The id of the one task with this name. None, or more than one, is an error that lists the candidates."""
        return TheEyeHook().get_task(name=name).id

    # [end find]

    # [start start]
    @task(retries=0)
    def start(task_id: str) -> str:
        """Start a job and do not wait for it. A retry would start another one."""
        return TheEyeHook().start_task(task_id).id

    # [end start]

    # [start status]
    @task
    def look(job_id: str) -> dict[str, Any]:
        """One look at a job."""
        job = TheEyeHook().get_job(job_id)
        return {"name": job.name, "lifecycle": job.lifecycle, "state": job.state, "over": job.is_over}

    # [end status]

    # [start cancel]
    @task
    def stop(job_id: str) -> str:
        """Cancel a job, and look whether that worked."""
        job = TheEyeHook().cancel(job_id)
        if job is None:
            return "its record is gone"
        return f"{job.lifecycle}/{job.state}" if job.is_over else f"still {job.lifecycle}"

    # [end cancel]

    slow = start(find("Long Import"))
    list_tasks() >> look(slow) >> stop(slow)
