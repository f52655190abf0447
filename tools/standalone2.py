"""`airflow standalone` of Airflow 2, which has a webserver in place of the API server."""

from __future__ import annotations

import requests

from tools.airflow2_api import Airflow2Api
from tools.airflow_env import PrivateAirflow, airflow_version
from tools.standalone import Standalone

PASSWORD = "standalone_admin_password.txt"


class Standalone2(Standalone):
    """A running `airflow standalone` of Airflow 2. Its executor runs one task at a time."""

    components = ("scheduler", "webserver", "triggerer")
    api_type = Airflow2Api

    def settings(self) -> dict[str, str]:
        return {
            "AIRFLOW__API__AUTH_BACKENDS": "airflow.api.auth.backend.basic_auth",
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(self.ports.triggerer_logs),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(self.ports.worker_logs),
            "AIRFLOW__WEBSERVER__BASE_URL": self.url,
            "AIRFLOW__WEBSERVER__WEB_SERVER_HOST": "127.0.0.1",
            "AIRFLOW__WEBSERVER__WEB_SERVER_PORT": str(self.ports.api),
            # A busy machine takes longer to start it than it waits for itself by default.
            "AIRFLOW__WEBSERVER__WEB_SERVER_MASTER_TIMEOUT": "600",
            "AIRFLOW__WEBSERVER__WORKERS": "1",
        }

    @property
    def password(self) -> str:
        return (self.airflow.home / PASSWORD).read_text().strip()

    def healthy(self) -> bool:
        try:
            answer = requests.get(f"{self.url}/api/v1/health", timeout=5)
        except requests.RequestException:
            return False
        # There is no DAG processor of its own: the scheduler does its work.
        parts = {name: part.get("status") for name, part in answer.json().items()} if answer.ok else {}
        return {parts.get(name) for name in ("metadatabase", "scheduler", "triggerer")} == {"healthy"}


def standalone(airflow: PrivateAirflow, start_timeout: float) -> Standalone:
    """A standalone of whichever Airflow is installed."""
    kind = Standalone2 if airflow_version().startswith("2.") else Standalone
    return kind(airflow, start_timeout=start_timeout)
