"""What Airflow reads about the provider; a mistake there takes down every ``airflow`` command."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest

from airflow_provider_theeye import get_provider_info

AIRFLOW = Path(airflow.__file__).parent


def test_fits_the_schema_of_the_installed_airflow() -> None:
    schema = json.loads((AIRFLOW / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_connection_form_fits_its_schema() -> None:
    path = AIRFLOW / "provider.yaml.schema.json"
    if not path.exists() or "conn-fields" not in path.read_text():
        pytest.skip("this Airflow has no schema for connection forms")
    schema = json.loads(path.read_text())
    part = {**schema["properties"]["connection-types"], "definitions": schema.get("definitions", {})}
    jsonschema.validate(get_provider_info()["connection-types"], part)


def test_what_it_names_exists() -> None:
    info = get_provider_info()
    modules = [m for kind in ("hooks", "operators", "sensors", "triggers") for m in info[kind][0]["python-modules"]]
    classes = [*info["extra-links"], info["connection-types"][0]["hook-class-name"]]
    for module in modules:
        importlib.import_module(module)
    for path in classes:
        module, name = path.rsplit(".", 1)
        assert getattr(importlib.import_module(module), name)


def test_form_of_older_versions_says_the_same() -> None:
    from airflow_provider_theeye.hooks.theeye import TheEyeHook

    behaviour = TheEyeHook.get_ui_field_behaviour()
    assert behaviour["hidden_fields"] == ["login"]
    assert behaviour["relabeling"]["schema"] == "Organization"


def test_form_of_older_versions_has_the_same_fields() -> None:
    pytest.importorskip(
        "flask_appbuilder", reason="Airflow 3.2 and newer read the fields from the provider's information"
    )
    from airflow_provider_theeye.hooks.theeye import TheEyeHook
    from airflow_provider_theeye.provider_info import PROVIDER_INFO

    fields = PROVIDER_INFO["connection-types"][0]["conn-fields"]
    assert list(TheEyeHook.get_connection_form_widgets()) == list(fields)


def python(code: str) -> Any:
    """What a fresh interpreter says, as JSON."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_provider_info_imports_neither_airflow_nor_http() -> None:
    loaded = python(
        "import sys, json; from airflow_provider_theeye import get_provider_info; get_provider_info();"
        "print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    )
    assert not {"airflow", "requests", "httpx", "tenacity", "starlette"} & set(loaded)


def test_parsing_a_dag_imports_no_http() -> None:
    """Operators are imported by every DAG processor, again and again."""
    code = (
        "import sys, json; from airflow.sdk import DAG; import airflow.providers.common.compat.sdk as c;"
        "from airflow.providers.common.compat.sdk import BaseOperator, BaseSensorOperator;"
        "BaseOperator(task_id='any');"  # Airflow 3.0 imports half of itself for the first operator
        "before = set(sys.modules);"
        "from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator, TheEyeWorkflowOperator;"
        "from airflow_provider_theeye.sensors.theeye import TheEyeJobSensor;"
        "d = DAG('d', schedule=None);"
        "TheEyeTaskOperator(task_id='t', theeye_task_name='x', dag=d);"
        "TheEyeJobSensor(task_id='s', job_id='{{ x }}', dag=d);"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    if airflow.__version__.startswith("2."):
        code = code.replace("from airflow.sdk import DAG", "from airflow import DAG")
    loaded = python(code)
    unwanted = {"requests", "httpx", "tenacity", "starlette", "uvicorn", "airflow_provider_theeye.sandbox"}
    assert not [name for name in loaded if name in unwanted or name.split(".")[0] in unwanted]
    assert not [name for name in loaded if name.startswith("airflow_provider_theeye.triggers")]
