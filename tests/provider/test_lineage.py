"""What OpenLineage's provider gets from the operators and the sensor, if it is installed."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.decorators.theeye import theeye_task
from airflow_provider_theeye.exceptions import JobFailed
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator, TheEyeWorkflowOperator
from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sensors.theeye import TheEyeJobSensor
from tests.running import context
from tools.airflow_env import PrivateAirflow

pytestmark = pytest.mark.usefixtures("connection")


def extracted(operator: Any, when: str) -> dict[str, Any]:
    """As the provider's listener asks for it, as JSON."""
    base = pytest.importorskip(
        "airflow.providers.openlineage.extractors.base", reason="apache-airflow-providers-openlineage is not installed"
    )
    serde = pytest.importorskip("openlineage.client.serde")
    extractor = base.DefaultExtractor(operator)
    ask = {
        "start": extractor.extract,
        "complete": lambda: extractor.extract_on_complete(None),
        "failure": lambda: extractor.extract_on_failure(None),
    }
    lineage = ask[when]()
    found: dict[str, Any] = {
        kind: {name: json.loads(serde.Serde.to_json(facet)) for name, facet in facets.items()}
        for kind, facets in (("run", lineage.run_facets), ("job", lineage.job_facets))
    }
    for one in (*found["run"].values(), *found["job"].values()):
        assert one.pop("_producer")
        assert one.pop("_schemaURL")
    return found


def test_task(sandbox: Sandbox) -> None:
    task_id = sandbox.task_id("greet")
    operator = TheEyeTaskOperator(task_id="t", theeye_task_id=task_id, task_arguments=["you"], poll_interval=0.3)
    assert extracted(operator, "start") == {"run": {}, "job": {"theeye": {"taskId": task_id}}}
    value = operator.execute(context())  # type: ignore[arg-type]
    assert extracted(operator, "complete") == {
        "run": {
            "externalQuery": {"externalQueryId": value["job_id"], "source": "theeye"},
            "theeye": {
                "jobId": value["job_id"],
                "name": "Greet",
                "lifecycle": "finished",
                "state": "success",
                "url": value["url"],
            },
        },
        "job": {"theeye": {"taskId": task_id}},
    }


def test_workflow_by_name(sandbox: Sandbox) -> None:
    operator = TheEyeWorkflowOperator(
        task_id="w", theeye_workflow_name="Chain", task_arguments=["l"], poll_interval=0.3
    )
    assert extracted(operator, "start") == {"run": {}, "job": {}}
    value = operator.execute(context())  # type: ignore[arg-type]
    found = extracted(operator, "complete")
    assert found["run"]["theeye"]["jobId"] == value["job_id"]
    assert found["job"] == {"theeye": {"workflowId": sandbox.workflow_id("chain")}}


def test_failed_task(sandbox: Sandbox) -> None:
    operator = TheEyeTaskOperator(task_id="t", theeye_task_name="Failing", poll_interval=0.3)
    with pytest.raises(JobFailed) as caught:
        operator.execute(context())  # type: ignore[arg-type]
    found = extracted(operator, "failure")["run"]["theeye"]
    assert (found["jobId"], found["state"]) == (caught.value.job_id, "failure")


def test_sensor(sandbox: Sandbox) -> None:
    job = TheEyeHook().run(calls.create_job(sandbox.task_id("hello"), []))
    sensor = TheEyeJobSensor(task_id="s", job_id=job.id, poll_interval=0.3)
    sensor.execute(context())  # type: ignore[arg-type]
    assert extracted(sensor, "complete")["run"]["externalQuery"]["externalQueryId"] == job.id


def test_nothing_of_it_is_imported_unless_asked_for(sandbox: Sandbox) -> None:
    sys.modules.pop("airflow_provider_theeye.lineage", None)
    operator = TheEyeTaskOperator(task_id="t", theeye_task_name="Hello World", poll_interval=0.3)
    operator.execute(context())  # type: ignore[arg-type]
    assert "airflow_provider_theeye.lineage" not in sys.modules


PARENT_DAG = """
from airflow.providers.common.compat.sdk import DAG
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator

with DAG("with_parent", schedule=None):
    TheEyeTaskOperator(
        task_id="report",
        theeye_task_name="Greet",
        task_arguments=["{{ macros.OpenLineageProviderPlugin.lineage_parent_id(task_instance) }}"],
    )
"""


def test_the_parent_is_passed_on_as_an_argument(sandbox: Sandbox, tmp_path: Path) -> None:
    pytest.importorskip("airflow.providers.openlineage", reason="the OpenLineage provider is not installed")
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "with_parent.py").write_text(PARENT_DAG)
    settings = {
        "AIRFLOW_CONN_THEEYE_DEFAULT": json.dumps(sandbox.airflow_connection()),
        "AIRFLOW__OPENLINEAGE__NAMESPACE": "here",
        "AIRFLOW__OPENLINEAGE__TRANSPORT": '{"type": "console"}',
    }
    airflow = PrivateAirflow(home=tmp_path / "home", dags_folder=tmp_path / "dags", settings=settings)
    airflow.migrate(tmp_path / "log")
    airflow.command("dags", "test", "with_parent", log=tmp_path / "log")
    assert re.search(r"greeting here/with_parent\.report/[0-9a-f-]{36}", (tmp_path / "log").read_text())


def test_full_task_info_neither_shows_a_secret_key_nor_stumbles(sandbox: Sandbox) -> None:
    """What ``include_full_task_info`` sends: every attribute of the operator, before and after it ran."""
    utils = pytest.importorskip("airflow.providers.openlineage.utils.utils")
    serde = pytest.importorskip("openlineage.client.serde")
    key = sandbox.task_secret("greet")

    def greeted() -> list[str]:
        return ["you"]

    with DAG("d", schedule=None):
        made: Any = theeye_task(
            greeted, theeye_task_id=sandbox.task_id("greet"), secret=key, poll_interval=0.3
        )().operator
    given = {**context(), "task": made}
    made.render_template_fields(given)
    for _ in range(2):
        sent = serde.Serde.to_json(utils.OpenLineageRedactor().redact(utils.TaskInfoComplete(made)))
        assert '"task_id": "greeted"' in sent
        assert key not in sent
        made.execute(given)
