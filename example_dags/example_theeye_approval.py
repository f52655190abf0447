"""People decide: in TheEye, where its approvers are asked, or in Airflow, which passes the decision on.

The second DAG needs Airflow 3.1 or newer; on older versions this file has the first one only. Names are those of the
sandbox, on whose page you can approve, reject and give input.
"""

from __future__ import annotations

# [start theeye]
from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator, TheEyeWorkflowOperator
from airflow_provider_theeye.sensors.theeye import TheEyeJobSensor

try:
    from airflow.providers.standard.operators.hitl import ApprovalOperator
except Exception:  # before Airflow 3.1 this is an ImportError, or an AirflowException that says so
    ApprovalOperator = None

with DAG(
    "example_theeye_approval",
    schedule=None,
    catchup=False,
    tags=["example", "theeye"],
    default_args={"deferrable": True, "poll_interval": 1},
) as in_theeye:
    # Build, then wait for one of TheEye's approvers, then publish or withdraw: all of it one workflow of TheEye.
    release = TheEyeWorkflowOperator(
        task_id="release",
        theeye_workflow_name="Release With Approval",
        timeout=timedelta(days=2),
    )

    @task.branch
    def what_was_decided(result: dict[str, Any]) -> str:
        """The steps that ran say which way the workflow took."""
        published = any(step["name"].endswith("/ publish") for step in result["steps"])
        return "announce" if published else "apologize"

    announce = TheEyeTaskOperator(task_id="announce", theeye_task_name="Announce", task_arguments=["new version"])
    apologize = TheEyeTaskOperator(task_id="apologize", theeye_task_name="Announce", task_arguments=["old version"])
    what_was_decided(release.output) >> [announce, apologize]

    # A task with user inputs that is started by its secret key waits until somebody gives its arguments in TheEye.
    ask = TheEyeTaskOperator(
        task_id="ask",
        theeye_task_name="Ask A Person",
        task_arguments=["replaced by the person"],
        auth="secret",
        timeout=timedelta(days=2),
    )
# [end theeye]


# [start forward]
def forward_decision(job_id: str, *, approved: bool, theeye_conn_id: str = "theeye_default") -> None:
    """Pass a decision on to an approval job of TheEye."""
    hook = TheEyeHook(theeye_conn_id)
    if approved:
        hook.approve(job_id)
    else:
        hook.reject(job_id)


# [end forward]

if ApprovalOperator is not None:
    # [start airflow]
    with DAG(
        "example_theeye_asks_in_airflow",
        schedule=None,
        catchup=False,
        tags=["example", "theeye"],
        default_args={"deferrable": True, "poll_interval": 1},
    ) as in_airflow:
        # Its job is on hold at once and waits for a decision.
        request = TheEyeTaskOperator(task_id="request", theeye_task_name="Approve Release", wait_for_completion=False)
        decision = ApprovalOperator(task_id="decision", subject="Publish the new version?")

        @task
        def approve(job_id: str) -> None:
            """Skipped by ApprovalOperator if the person says no."""
            forward_decision(job_id, approved=True)

        @task(trigger_rule="all_skipped")
        def reject(job_id: str) -> None:
            """Runs only if ``approve`` was skipped."""
            forward_decision(job_id, approved=False)

        # Succeeds, or fails with JobRejected: TheEye's word, whoever decided.
        decided = TheEyeJobSensor(
            task_id="decided",
            job_id=request.output["job_id"],
            trigger_rule="none_failed_min_one_success",
        )

        # A template, since request.output would make reject depend on request too, which is not skipped.
        job_id = "{{ ti.xcom_pull(task_ids='request', key='job_id') }}"
        approved, rejected = approve(job_id), reject(job_id)
        request >> decision >> approved >> rejected >> decided
        approved >> decided
    # [end airflow]
