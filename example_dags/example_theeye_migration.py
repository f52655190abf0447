"""The same job twice: by curl in a BashOperator, and by TheEyeTaskOperator. The first needs curl and jq."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator

try:
    from airflow.providers.standard.operators.bash import BashOperator
except ImportError:  # Airflow 2
    from airflow.operators.bash import BashOperator

# [start before]
with DAG("example_theeye_by_curl", schedule=None, catchup=False, tags=["example", "theeye"]) as before:
    BashOperator(
        task_id="add_up",
        bash_command="""
            set -euo pipefail
            job=$(curl -sS -X POST -H 'Content-Type: application/json' \
                -d '{"task": "772b5410d4cb885fc2720bdf", "task_arguments": ["2", "40"]}' \
                "$SERVER/job?access_token=$TOKEN&customer=$ORGANIZATION" | jq -r .id)
            while true; do
                answer=$(curl -sS "$SERVER/$ORGANIZATION/job/$job?access_token=$TOKEN")
                [ "$(jq -r .lifecycle <<<"$answer")" = finished ] && break
                sleep 2
            done
            jq -r .result.log <<<"$answer" >&2
            [ "$(jq -r .state <<<"$answer")" = success ]
            jq -c .output <<<"$answer"
        """,
        env={
            "SERVER": "{{ conn.theeye_default.host }}",
            "ORGANIZATION": "{{ conn.theeye_default.schema }}",
            "TOKEN": "{{ conn.theeye_default.password }}",
        },
        append_env=True,
    )
# [end before]

# [start after]
with DAG("example_theeye_by_operator", schedule=None, catchup=False, tags=["example", "theeye"]) as after:
    TheEyeTaskOperator(
        task_id="add_up",
        theeye_task_id="772b5410d4cb885fc2720bdf",
        task_arguments=["2", "40"],
        deferrable=True,
    )
# [end after]
