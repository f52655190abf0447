"""The arguments of ``TheEyeTaskOperator``, one by one. The names are those of the sandbox's tasks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator
from airflow_provider_theeye.sensors.theeye import TheEyeJobSensor

with DAG(
    "example_theeye_tasks",
    schedule=None,
    catchup=False,
    tags=["example", "theeye"],
    default_args={"poll_interval": 1},
) as dag:
    # [start types]
    total = TheEyeTaskOperator(
        task_id="total",
        theeye_task_name="Total",
        task_arguments=[2, 40],  # numbers; the script sees the texts 2 and 40
    )
    # [end types]

    # [start file]
    from_file = TheEyeTaskOperator(
        task_id="from_file",
        theeye_task_name="Total",
        task_arguments="example_theeye_arguments.json",  # beside this file
        params={"first": 2},
    )
    # [end file]

    # [start host]
    colours = TheEyeTaskOperator(
        task_id="colours",
        theeye_task_name="List Colours",
        theeye_host="host-b",
    )
    # [end host]

    # [start mapping]
    @task
    def one_list_each(values: list[Any]) -> list[list[Any]]:
        """Each job wants its own list of arguments."""
        return [[value] for value in values]

    greetings = TheEyeTaskOperator.partial(
        task_id="greet",
        theeye_task_name="Welcome",
        max_active_tis_per_dagrun=2,
    ).expand(task_arguments=one_list_each(colours.output["output"]))
    # [end mapping]

    # [start times]
    patient = TheEyeTaskOperator(
        task_id="patient",
        theeye_task_name="Long Report",
        deferrable=True,
        poll_interval=2,
        timeout=timedelta(hours=1),
        queue_timeout=timedelta(minutes=10),
    )
    # [end times]

    # [start branch]
    checked = TheEyeTaskOperator(task_id="checked", theeye_task_name="Check Stock", on_failed_job="return")

    @task.branch
    def enough(result: dict[str, Any]) -> str | None:
        return "reorder" if result["exit_code"] == 3 else None

    reorder = TheEyeTaskOperator(task_id="reorder", theeye_task_name="Reorder")
    enough(checked.output) >> reorder
    # [end branch]

    # [start exit_code]
    tolerant = TheEyeTaskOperator(
        task_id="tolerant",
        theeye_task_name="Broken",
        fail_on_exit_code=False,
    )

    @task
    def look_at_the_exit_code(result: dict[str, Any]) -> int:
        return int(result["exit_code"])

    look_at_the_exit_code(tolerant.output)
    # [end exit_code]

    # [start no_wait]
    started = TheEyeTaskOperator(
        task_id="start",
        theeye_task_name="Long Report",
        wait_for_completion=False,
    )
    finished = TheEyeJobSensor(task_id="wait", job_id=started.output["job_id"])
    # [end no_wait]

    # [start secret]
    by_secret_key = TheEyeTaskOperator(
        task_id="by_secret_key",
        theeye_task_id="adfee3bc49a32bbf995b7ce9",  # its secret key is in the connection's extra
        auth="secret",
    )
    # [end secret]

    # [start decorator]
    @task.theeye(theeye_task_name="Total", deferrable=True)
    def bill(rows: list[int]) -> list[Any]:
        """Runs in the worker and returns the arguments; TheEye runs the task with them."""
        return [min(rows), max(rows)]

    bill([7, 1, 12])
    # [end decorator]
