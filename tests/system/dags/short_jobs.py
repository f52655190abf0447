"""Mapped tasks whose jobs are over after as many seconds as the run's conf says, one for each number."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator
from airflow_provider_theeye.sensors.theeye import TheEyeJobSensor


@task
def lengths(dag_run=None):
    return [[str(seconds)] for seconds in dag_run.conf["seconds"]]


with DAG("short_jobs", schedule=None, catchup=False):
    TheEyeTaskOperator.partial(
        task_id="work", theeye_task_name="Short", deferrable=True, retries=0, poll_interval=1
    ).expand(task_arguments=lengths())

with DAG("short_waits", schedule=None, catchup=False):
    started = TheEyeTaskOperator.partial(
        task_id="start", theeye_task_name="Short", wait_for_completion=False, retries=0
    ).expand(task_arguments=lengths())

    @task
    def ids(results):
        return [result["job_id"] for result in results]

    TheEyeJobSensor.partial(task_id="work", deferrable=True, retries=0, poll_interval=1, timeout=600).expand(
        job_id=ids(started.output)
    )
