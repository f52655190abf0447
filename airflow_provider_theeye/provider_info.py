"""What Airflow reads about this provider: classes, connection type and its form. Data only."""

from __future__ import annotations

from typing import Any

__all__ = ["CONN_TYPE", "PROVIDER_INFO"]

CONN_TYPE = "theeye"

_TEXT = ["string", "null"]

PROVIDER_INFO: dict[str, Any] = {
    "package-name": "airflow-provider-theeye",
    "name": "TheEye",
    "description": "Runs tasks and workflows of TheEye (theeye.io) as steps of a pipeline.",
    "integrations": [
        {
            "integration-name": "TheEye",
            "external-doc-url": "https://docs.theeye.io/",
            "tags": ["service"],
        }
    ],
    "hooks": [{"integration-name": "TheEye", "python-modules": ["airflow_provider_theeye.hooks.theeye"]}],
    "operators": [{"integration-name": "TheEye", "python-modules": ["airflow_provider_theeye.operators.theeye"]}],
    "sensors": [{"integration-name": "TheEye", "python-modules": ["airflow_provider_theeye.sensors.theeye"]}],
    "triggers": [
        {
            "integration-name": "TheEye",
            "python-modules": [
                "airflow_provider_theeye.triggers.theeye",
                "airflow_provider_theeye.triggers.searching",
                "airflow_provider_theeye.triggers.events",
            ],
        }
    ],
    "extra-links": ["airflow_provider_theeye.links.TheEyeLink"],
    "task-decorators": [
        {"name": "theeye", "class-name": "airflow_provider_theeye.decorators.theeye.theeye_task"},
    ],
    "cli": ["airflow_provider_theeye.cli.get_cli_commands"],
    "notifications": ["airflow_provider_theeye.notifications.theeye.TheEyeNotifier"],
    "connection-types": [
        {
            "connection-type": CONN_TYPE,
            "hook-class-name": "airflow_provider_theeye.hooks.theeye.TheEyeHook",
            "hook-name": "TheEye",
            "ui-field-behaviour": {
                "hidden-fields": ["login"],
                "relabeling": {
                    "host": "Server",
                    "schema": "Organization",
                    "password": "Integration token",
                },
                "placeholders": {
                    "host": "https://supervisor.theeye.io",
                    "schema": "name of your organization",
                    "password": "from TheEye: Settings > Credentials > Integration Tokens",
                    "extra": '{"secrets": {"5cdb424d7dbdc0000fd3112a": "secret key of that task"}}',
                },
            },
            "conn-fields": {
                "web_url": {
                    "label": "Web UI",
                    "description": "Address of TheEye's web UI, for links; {job_id} in it stands for the job's id.",
                    "schema": {"type": _TEXT, "default": None},
                },
                "verify": {
                    "label": "Verify TLS",
                    "description": "true, false, or the path of a CA bundle.",
                    "schema": {"type": _TEXT, "default": None},
                },
                "timeout": {
                    "label": "Timeout",
                    "description": "Seconds to wait for one answer of TheEye (60 if left empty).",
                    "schema": {"type": _TEXT, "default": None},
                },
            },
        }
    ],
}
