"""Waits for jobs that something else starts: by the task's name, and by the workflow's.

So that there is something to wait for, the first task of this DAG plays the somebody else.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.sensors.theeye import TheEyeJobSensor

with DAG("example_theeye_sensor", schedule=None, catchup=False, tags=["example", "theeye"]) as dag:

    @task
    def somebody_else() -> None:
        """Starts a task and a workflow, as a person does in TheEye, and tells nobody."""
        theeye = TheEyeHook()
        theeye.start_task(theeye.get_task(name="Nightly Load").id)
        theeye.start_workflow(theeye.get_workflow(name="Nightly Chain").id, ["Montevideo"])

    # [start sensor]
    # The newest job of the task that was created since the run's data interval began.
    slow = TheEyeJobSensor(
        task_id="wait_for_the_task",
        theeye_task_name="Nightly Load",
        theeye_host="host-a",
        deferrable=True,
        poll_interval=1,
    )
    # The first workflow job since then.
    chain = TheEyeJobSensor(
        task_id="wait_for_the_workflow", theeye_workflow_name="Nightly Chain", pick="first", poll_interval=1
    )
    # [end sensor]

    somebody_else() >> [slow, chain]
