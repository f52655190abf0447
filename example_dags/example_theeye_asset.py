"""A DAG that runs whenever TheEye has finished a job of a certain task, whoever started that job.

Needs Airflow 3.0 or newer. The id is that of the sandbox's task *One At A Time*: start it on the
sandbox's page, and see a run of the DAG a few seconds later.
"""

from __future__ import annotations

# [start watcher]
from typing import Any

from airflow.providers.common.compat.sdk import DAG, Asset, task

from airflow_provider_theeye.triggers.events import TheEyeJobEventTrigger

try:
    from airflow.sdk import AssetWatcher
except ImportError:  # Airflow 2 has no asset watchers, and this file then no DAG
    AssetWatcher = None

ONE_AT_A_TIME = "44ff218e7df108c0230b5385"

if AssetWatcher is not None:
    finished = Asset(
        "theeye_one_at_a_time",
        watchers=[
            AssetWatcher(
                name="theeye_one_at_a_time_ended",
                trigger=TheEyeJobEventTrigger(
                    theeye_task_id=ONE_AT_A_TIME, outcomes=["succeeded", "failed"], poll_interval=5
                ),
            )
        ],
    )

    with DAG("example_theeye_asset", schedule=[finished], catchup=False, tags=["example", "theeye"]) as dag:

        @task
        def jobs_that_ended(triggering_asset_events: Any = None) -> list[dict[str, Any]]:
            """What TheEye told: which jobs ended, how, and where to look at them."""
            return [event.extra["payload"] for events in triggering_asset_events.values() for event in events]

        jobs_that_ended()
# [end watcher]
