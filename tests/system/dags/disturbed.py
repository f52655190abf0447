"""Tasks that wait for a job until the file that their run's conf names is there, so that tests can disturb the wait.

And what else has to do with secrets.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, Asset, task
from airflow.sdk import AssetWatcher

from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.notifications.theeye import TheEyeNotifier
from airflow_provider_theeye.operators.theeye import TheEyeJobOperator, TheEyeTaskOperator, TheEyeWorkflowOperator
from airflow_provider_theeye.triggers.events import TheEyeJobEventTrigger

GATE = "{{ dag_run.conf['gate'] }}"
SECRET = "{{ conn.theeye_default.extra_dejson['secrets'][dag_run.conf['theeye_task_id']] }}"
KINDS: dict[str, tuple[type[TheEyeJobOperator], dict[str, Any]]] = {
    "task": (TheEyeTaskOperator, {"theeye_task_name": "Gated"}),
    "workflow": (TheEyeWorkflowOperator, {"theeye_workflow_name": "Gated Fork"}),
}
# Retries are there for lost workers; what a user or a timeout kills must not need one.
VARIANTS: dict[str, dict[str, Any]] = {
    "waits": {},
    "short": {"execution_timeout": timedelta(seconds=30), "retries": 0},
    "rotated": {"theeye_conn_id": "theeye_rotated"},
}

for kind, (operator, what) in KINDS.items():
    for mode in ("sync", "deferrable"):
        for variant, more in VARIANTS.items():
            with DAG(f"{variant}_{kind}_{mode}", schedule=None, catchup=False):
                operator(
                    **{
                        "task_id": "work",
                        "task_arguments": [GATE],
                        "deferrable": mode == "deferrable",
                        "poll_interval": 1,
                        # Airflow goes on starting tries while its API server is away, and loses each.
                        "retries": 8,
                        "retry_delay": timedelta(seconds=1),
                        **what,
                        **more,
                    }
                )

# A run whose tasks are all killed at the same moment. Airflow fails those that start when its API server is too busy.
with DAG("many_task_deferrable", schedule=None, catchup=False, max_active_tasks=4):
    TheEyeTaskOperator.partial(
        task_id="work",
        theeye_task_name="Gated",
        deferrable=True,
        poll_interval=1,
        retries=3,
        retry_delay=timedelta(seconds=1),
    ).expand(task_arguments=[[GATE]] * 40)

# Started by a secret key, once with a token to wait with, once without.
for mode in ("sync", "deferrable"):
    for variant, conn_id in {"keyed": "theeye_default", "keyonly": "theeye_keyonly"}.items():
        with DAG(f"{variant}_task_{mode}", schedule=None, catchup=False):
            TheEyeTaskOperator(
                task_id="work",
                theeye_conn_id=conn_id,
                theeye_task_id="{{ dag_run.conf['theeye_task_id'] }}",
                task_arguments=[GATE],
                secret=SECRET if variant == "keyed" else None,
                deferrable=mode == "deferrable",
                poll_interval=1,
            )


def call_webhook(context: Any) -> None:
    conf = context["dag_run"].conf
    TheEyeHook("theeye_keyonly").trigger_webhook(conf["webhook_id"], payload=[conf["gate"]])


# Starts the same by a webhook and as a notification too, both by secret keys.
for mode in ("sync", "deferrable"):
    with DAG(f"told_task_{mode}", schedule=None, catchup=False):
        TheEyeTaskOperator(
            task_id="work",
            theeye_task_name="Gated",
            task_arguments=[GATE],
            deferrable=mode == "deferrable",
            poll_interval=1,
            on_execute_callback=[
                TheEyeNotifier(
                    theeye_conn_id="theeye_keyonly",
                    theeye_task_id="{{ dag_run.conf['theeye_task_id'] }}",
                    task_arguments=[GATE],
                ),
                call_webhook,
            ],
        )

ended = Asset("ended", watchers=[AssetWatcher(name="any_job", trigger=TheEyeJobEventTrigger(poll_interval=5))])
with DAG("hears_of_ends", schedule=[ended], catchup=False):

    @task
    def heard(triggering_asset_events: Any = None) -> list[Any]:
        return [event.extra for events in triggering_asset_events.values() for event in events]

    heard()
