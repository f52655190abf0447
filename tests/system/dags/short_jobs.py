"""Deferrable tasks without retries whose jobs are over soon after the deferral."""

from __future__ import annotations

import subprocess
import time
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator
from airflow_provider_theeye.sensors.theeye import TheEyeJobSensor

OPTIONS: dict[str, Any] = {"deferrable": True, "retries": 0, "poll_interval": 1}


@task
def arguments(dag_run: Any = None) -> list[list[str]]:
    given: list[list[str]] = dag_run.conf["arguments"]
    return given


@task
def ids(results: Any) -> list[str]:
    return [result["job_id"] for result in results]


with DAG("short_jobs", schedule=None, catchup=False):
    TheEyeTaskOperator.partial(task_id="work", theeye_task_name="Short", **OPTIONS).expand(task_arguments=arguments())

with DAG("short_waits", schedule=None, catchup=False):
    started = TheEyeTaskOperator.partial(
        task_id="start", theeye_task_name="Short", wait_for_completion=False, retries=0
    ).expand(task_arguments=arguments())
    TheEyeJobSensor.partial(task_id="work", timeout=3600, **OPTIONS).expand(job_id=ids(started.output))


class SlowToEnd:
    """Airflow sees the end of its first process six seconds after it was deferred, since something of it lives on.

    The job is over after one second, and the second process is at work for long enough to meet the first one's end.
    """

    def execute(self, context: Any) -> Any:
        self.gate = context["dag_run"].conf["gate"]
        return super().execute(context)  # type: ignore[misc]

    def defer(self, **options: Any) -> None:
        # It has the process's standard output, and the supervisor reads that to its end.
        subprocess.Popen(["sh", "-c", 'sleep 1; touch "$0"; sleep 5', self.gate])
        super().defer(**options)  # type: ignore[misc]

    def execute_complete(self, context: Any, event: Any) -> Any:
        time.sleep(15)
        return super().execute_complete(context, event)  # type: ignore[misc]


class SlowOperator(SlowToEnd, TheEyeTaskOperator):
    pass


class SlowSensor(SlowToEnd, TheEyeJobSensor):
    pass


GATE = "{{ dag_run.conf['gate'] }}"

with DAG("slow_to_end_job", schedule=None, catchup=False):
    SlowOperator(task_id="work", theeye_task_name="Gated", task_arguments=[GATE], **OPTIONS)

with DAG("slow_to_end_wait", schedule=None, catchup=False):
    begun = TheEyeTaskOperator(
        task_id="start", theeye_task_name="Gated", task_arguments=[GATE], wait_for_completion=False, retries=0
    )
    SlowSensor(task_id="work", job_id=begun.output["job_id"], timeout=3600, **OPTIONS)
