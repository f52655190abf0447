"""What the provider adds to Airflow itself: the macro ``macros.theeye.action_button``."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import AirflowPlugin

from airflow_provider_theeye.buttons import action_button

__all__ = ["TheEyePlugin"]


class TheEyePlugin(AirflowPlugin):
    """In a template: ``{{ macros.theeye.action_button(theeye_task_id="…", label="Approve") }}``."""

    name = "theeye"
    macros = [action_button]  # noqa: RUF012
