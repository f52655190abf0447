"""Waits for jobs that never end by themselves: deferred, alone and once for each of two arguments; and in a worker."""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator

with DAG("waits_for_ever", schedule=None, catchup=False, default_args={"deferrable": True, "poll_interval": 1}):
    TheEyeTaskOperator(task_id="alone", theeye_task_name="Endless")
    TheEyeTaskOperator.partial(task_id="mapped", theeye_task_name="Endless Echo").expand(
        task_arguments=[["one"], ["two"]]
    )

# Airflow 2 takes a cleared task for one that is to be retried.
IN_WORKER = {"deferrable": False, "poll_interval": 1, "retry_delay": timedelta(seconds=1)}
with DAG("waits_in_worker", schedule=None, catchup=False, default_args=IN_WORKER):
    TheEyeTaskOperator(task_id="alone", theeye_task_name="Endless")
