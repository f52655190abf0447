"""Sets off one of TheEye's incoming webhooks, then waits for the job that comes of it.

The webhook is the sandbox's *Greetings*, to which the task *Greet Back* is attached.
"""

from __future__ import annotations

# [start webhook]
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.sensors.theeye import TheEyeJobSensor

GREETINGS = "57342adbcf26753cc7abe1fa"

with DAG("example_theeye_webhook", schedule=None, catchup=False, tags=["example", "theeye"]) as dag:

    @task(retries=0)
    def set_off() -> None:
        """Without a retry: after a lost answer nobody knows whether the webhook was set off."""
        TheEyeHook().trigger_webhook(GREETINGS, payload=["Airflow"])

    # TheEye does not say which job the webhook started, so it is found by its task.
    greeted = TheEyeJobSensor(task_id="wait_for_the_greeting", theeye_task_name="Greet Back", poll_interval=1)
    set_off() >> greeted
# [end webhook]
