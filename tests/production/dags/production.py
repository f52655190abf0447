"""As many tasks as the run's conf says, each with a job that ends when the run's gates are opened."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator

MODES = ("deferred", "sync")

with DAG("production", schedule=None, catchup=False, max_active_runs=32, max_active_tasks=1000):

    @task(retries=20, retry_delay=timedelta(seconds=3))
    def orders(mode: str, dag_run: Any = None) -> list[list[str]]:
        """The arguments of each job: the gate that it waits for, and what it shall answer."""
        gates = dag_run.conf["gates"]
        return [[gates[number % len(gates)], f"{mode}-{number}"] for number in range(dag_run.conf[mode])]

    for mode in MODES:
        # Retries are there for what happens to Airflow; no job of these fails by itself.
        TheEyeTaskOperator.partial(
            task_id=mode,
            theeye_task_name="Gated",
            deferrable=mode == "deferred",
            poll_interval=3,
            retries=20,
            retry_delay=timedelta(seconds=5),
        ).expand(task_arguments=orders.override(task_id=f"orders_{mode}")(mode))
