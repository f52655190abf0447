"""A task whose retries a test edits while its runs live."""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator

RETRIES = 2

with DAG("edited_task_sync", schedule=None, catchup=False):
    TheEyeTaskOperator(
        task_id="work",
        theeye_task_name="Gated",
        task_arguments=["{{ dag_run.conf['gate'] }}"],
        poll_interval=1,
        retries=RETRIES,
        retry_delay=timedelta(seconds=1),
    )
