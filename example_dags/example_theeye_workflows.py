"""The arguments of ``TheEyeWorkflowOperator``. The names and ids are those of the sandbox's workflows."""

from __future__ import annotations

# [start workflow]
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_theeye.operators.theeye import TheEyeWorkflowOperator

with DAG(
    "example_theeye_workflows",
    schedule=None,
    catchup=False,
    tags=["example", "theeye"],
    default_args={"poll_interval": 1, "deferrable": True},
) as dag:
    weather = TheEyeWorkflowOperator(
        task_id="weather",
        theeye_workflow_name="Forecast",
        task_arguments=["Ushuaia"],  # those of its first step
    )

    @task
    def name_the_steps(result: dict[str, Any]) -> list[str]:
        return [f"{step['name']}: {step['outcome']} after {step['seconds']} s" for step in result["steps"]]

    name_the_steps(weather.output)
    # [end workflow]

    # [start lenient]
    both_branches = TheEyeWorkflowOperator(
        task_id="both_branches",
        theeye_workflow_name="Fork",
        fail_on_failed_step=False,
    )
    # [end lenient]

    # [start elsewhere]
    from_the_middle = TheEyeWorkflowOperator(
        task_id="from_the_middle",
        theeye_workflow_name="Forecast",
        theeye_start_task="08568d3772067f68e1abc764",  # the step "Forecast / convert"
        task_arguments=["Ushuaia", 9],  # those of that step
    )
    # [end elsewhere]
