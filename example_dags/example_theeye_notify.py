"""TheEye does something when Airflow's task fails. The DAG fails, since that is what it shows.

The id is that of the sandbox's task *Tell A Failure*.
"""

from __future__ import annotations

# [start notifier]
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_theeye.notifications.theeye import TheEyeNotifier

TELL_A_FAILURE = "c6a1e2a7857b15a1c9d14366"

with DAG("example_theeye_notifier", schedule=None, catchup=False, tags=["example", "theeye"]) as dag:

    @task(
        on_failure_callback=TheEyeNotifier(
            theeye_task_id=TELL_A_FAILURE,
            task_arguments=["{{ dag.dag_id }}.{{ ti.task_id }} failed"],
        )
    )
    def load() -> None:
        raise RuntimeError("the file is empty")

    load()
# [end notifier]
