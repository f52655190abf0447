"""A mail whose button starts a task of TheEye. Wants a connection ``smtp_default`` to a mail server.

The id is that of the sandbox's task *Greet By Mail*.
"""

from __future__ import annotations

# [start button]
from airflow.providers.common.compat.sdk import DAG
from airflow.providers.smtp.operators.smtp import EmailOperator

with DAG("example_theeye_button", schedule=None, catchup=False, tags=["example", "theeye"]) as dag:
    EmailOperator(
        task_id="ask_by_mail",
        to="ana@example.com",
        from_email="airflow@example.com",
        subject="The load of today is ready",
        html_content="""
            <p>Shall TheEye greet you?</p>
            {{ macros.theeye.action_button(
                theeye_task_id="5f9ce05a01a9b702955ab21e", task_arguments=["Ana"], label="Greet me"
            ) }}
        """,
    )
# [end button]
