"""TheEye does something when Airflow's task fails; and a mail whose button starts a task of TheEye.

The first DAG fails, since that is what it shows. The second wants a connection ``smtp_default`` to a mail server.
Ids are those of the sandbox's task *Greet*.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, task
from airflow.providers.smtp.operators.smtp import EmailOperator

from airflow_provider_theeye.notifications.theeye import TheEyeNotifier

GREET = "b94ca974351f1490f1f87095"

# [start notifier]
with DAG("example_theeye_notifier", schedule=None, catchup=False, tags=["example", "theeye"]) as notifier_dag:

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

# [start button]
with DAG(
    "example_theeye_button",
    schedule=None,
    catchup=False,
    tags=["example", "theeye"],
) as button_dag:
    EmailOperator(
        task_id="ask_by_mail",
        to="ana@example.com",
        from_email="airflow@example.com",
        subject="The load of today is ready",
        html_content="""
            <p>Shall TheEye greet you?</p>
            {{ macros.theeye.action_button(
                theeye_task_id="b94ca974351f1490f1f87095", task_arguments=["Ana"], label="Greet me"
            ) }}
        """,
    )
# [end button]
