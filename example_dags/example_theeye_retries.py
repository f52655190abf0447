"""Retries that know what each failure means (Airflow 3.3 and newer)."""

from __future__ import annotations

# [start policy]
from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator
from airflow_provider_theeye.retries import theeye_retry_policy

try:
    policy: dict[str, Any] = {"retry_policy": theeye_retry_policy(host_back_after=timedelta(minutes=10))}
except ImportError:  # before Airflow 3.3 there are no retry policies
    policy = {}

with DAG("example_theeye_retries", schedule=None, catchup=False, tags=["example", "theeye"]) as dag:
    TheEyeTaskOperator(
        task_id="load",
        theeye_task_name="Load",
        poll_interval=1,
        retries=3,
        retry_delay=timedelta(minutes=5),
        **policy,
    )
# [end policy]
