"""TheEye does something when Airflow's task fails. The DAG fails, since that is what it shows.

The id is that of the sandbox's task *Greet*.
"""

from __future__ import annotations

# [start notifier]
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_theeye.notifications.theeye import TheEyeNotifier

GREET = "b94ca974351f1490f1f87095"

with DAG("example_theeye_notifier", schedule=None, catchup=False, tags=["example", "theeye"]) as dag:

    @task(
        on_failure_callback=TheEyeNotifier(
            theeye_task_id=GREET,
            task_arguments=["{{ dag.dag_id }}.{{ ti.task_id }} failed"],
        )
    )
    def load() -> None:
        raise RuntimeError("the file is empty")

    load()
# [end notifier]
