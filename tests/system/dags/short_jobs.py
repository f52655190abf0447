"""Mapped deferrable tasks without retries, one for each argument in the run's conf."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator
from airflow_provider_theeye.sensors.theeye import TheEyeJobSensor

NAME = "{{ dag_run.conf['task'] }}"


@task
def arguments(dag_run: Any = None) -> list[list[str]]:
    given: list[list[str]] = dag_run.conf["arguments"]
    return given


@task
def ids(results: Any) -> list[str]:
    return [result["job_id"] for result in results]


with DAG("short_jobs", schedule=None, catchup=False):
    TheEyeTaskOperator.partial(
        task_id="work", theeye_task_name=NAME, deferrable=True, retries=0, poll_interval=1
    ).expand(task_arguments=arguments())

with DAG("short_waits", schedule=None, catchup=False):
    started = TheEyeTaskOperator.partial(
        task_id="start", theeye_task_name=NAME, wait_for_completion=False, retries=0
    ).expand(task_arguments=arguments())
    TheEyeJobSensor.partial(task_id="work", deferrable=True, retries=0, poll_interval=1, timeout=3600).expand(
        job_id=ids(started.output)
    )
