"""A deferred wait for a job that never ends by itself, once alone and once for each of two arguments."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator

with DAG("waits_for_ever", schedule=None, catchup=False, default_args={"deferrable": True, "poll_interval": 1}) as dag:
    TheEyeTaskOperator(task_id="alone", theeye_task_name="Endless")
    TheEyeTaskOperator.partial(task_id="mapped", theeye_task_name="Endless Echo").expand(
        task_arguments=[["one"], ["two"]]
    )
