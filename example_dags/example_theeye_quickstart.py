"""The smallest useful DAG: two tasks of TheEye, the second with the output of the first, then a workflow.

The names are those of the sandbox's tasks. With your own TheEye put the names of your own tasks.
"""

# [start dag]
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator, TheEyeWorkflowOperator

with DAG("theeye_quickstart", schedule=None, default_args={"deferrable": True}) as dag:
    pair = TheEyeTaskOperator(task_id="pair", theeye_task_name="Two Arguments", task_arguments=["2", "40"])
    total = TheEyeTaskOperator(task_id="total", theeye_task_name="Add Up", task_arguments=pair.output["output"])
    report = TheEyeWorkflowOperator(task_id="report", theeye_workflow_name="Chain", task_arguments=["Ushuaia"])
    total >> report
# [end dag]
