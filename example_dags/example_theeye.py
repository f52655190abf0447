"""Every way to run TheEye's tasks and workflows from a DAG, in two DAGs that differ in one word.

``example_theeye_sync`` waits in the worker; ``example_theeye_deferrable`` hands a longer wait to the triggerer, so that
it takes up no worker slot. The names are those of the sandbox's tasks: ``make demo`` runs both DAGs there.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator, TheEyeWorkflowOperator
from airflow_provider_theeye.sensors.theeye import TheEyeJobSensor

# Secret keys belong to ids, not to names: the connection's extra holds {"secrets": {this id: its secret key}}.
HELLO_WORLD = "bf251bfe0fddb3e94595e528"


@task
def one_argument_each(values: list[Any]) -> list[list[Any]]:
    """Mapping needs one list of arguments per job."""
    return [[value] for value in values]


def build(dag_id: str, *, deferrable: bool) -> DAG:
    """Make one DAG; its operators wait as ``deferrable`` says."""
    with DAG(
        dag_id,
        schedule=None,
        catchup=False,
        tags=["example", "theeye"],
        # A retry takes up the job of the try before it (Airflow 3.3 and newer).
        default_args={
            "deferrable": deferrable,
            "poll_interval": 1,
            "retries": 1,
            "retry_delay": timedelta(seconds=1),
        },
    ) as dag:
        # The output of one job is the list of arguments of the next.
        numbers = TheEyeTaskOperator(task_id="two_numbers", theeye_task_name="Two Numbers", task_arguments=["2", "40"])
        TheEyeTaskOperator(task_id="add_up", theeye_task_name="Sum", task_arguments=numbers.output["output"])

        # One job for each value that an earlier job found. A host tells tasks of the same name apart.
        colours = TheEyeTaskOperator(task_id="list_colours", theeye_task_name="Make List", theeye_host="host-b")
        TheEyeTaskOperator.partial(task_id="greet", theeye_task_name="Greet").expand(
            task_arguments=one_argument_each(colours.output["output"])
        )

        # Started by its secret key, without the integration token.
        TheEyeTaskOperator(task_id="hello_by_secret", theeye_task_id=HELLO_WORLD, auth="secret")

        # Three steps on two hosts, one result.
        TheEyeWorkflowOperator(
            task_id="weather_report", theeye_workflow_name="Weather Report", task_arguments=["Buenos Aires"]
        )

        # Started here, waited for there: in between the DAG can do other work.
        started = TheEyeTaskOperator(task_id="start_slow_job", theeye_task_name="Slow", wait_for_completion=False)
        TheEyeJobSensor(task_id="wait_for_slow_job", job_id=started.output["job_id"])
    return dag


sync_dag = build("example_theeye_sync", deferrable=False)
deferrable_dag = build("example_theeye_deferrable", deferrable=True)
