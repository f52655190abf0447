"""The link from a task in Airflow to its job in TheEye."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, TaskInstanceKey

__all__ = ["URL_KEY", "TheEyeLink"]

#: XCom key of the job's page; the operators push it as soon as the job exists, so that the link is there at once.
URL_KEY = "url"


class TheEyeLink(BaseOperatorLink):
    """Opens the job's page, or the page of TheEye's web UI that comes nearest to it."""

    name = "TheEye"

    @property
    def xcom_key(self) -> str:
        return URL_KEY

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Called by the webserver in Airflow 2, and at the end of each of a task's processes in Airflow 3."""
        here = getattr(operator, "link_of_this_process", None)
        if here is not None:
            # Airflow 3 logs an error when an XCom is asked for that is not there, and without a web UI there is none.
            return str(here)
        value: Any = XCom.get_value(key=URL_KEY, ti_key=ti_key)
        return value if isinstance(value, str) else ""
