"""Template fields: texts stay texts, also in a DAG that renders to native objects; names of mapped instances."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_theeye.exceptions import TheEyeSettingsError
from airflow_provider_theeye.operators.arguments import MAP_INDEX_TEMPLATE
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator, TheEyeWorkflowOperator
from airflow_provider_theeye.sensors.theeye import TheEyeJobSensor

both = pytest.mark.parametrize("native", [False, True], ids=["text", "native"])
DIGITS = "123456789012345678901234"
EXPONENT = "12345678901234567890e123"
WHEN = datetime(2026, 1, 31, tzinfo=timezone.utc)
PARAMS = {"digits": DIGITS, "number": 42, "price": "1.50", "none": None, "list": ["a", 1], "when": WHEN}


def rendered(native: bool, kind: Any = TheEyeTaskOperator, **kwargs: Any) -> Any:
    with DAG("d", schedule=None, render_template_as_native_obj=native):
        made = kind(task_id="t", **kwargs)
    context: Any = {"params": PARAMS}
    made.render_template_fields(context)
    return made


@both
@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("42", "42"),
        ("1.50", "1.50"),
        ("1, 2", "1, 2"),
        ("'quoted'", "'quoted'"),
        ("None", "None"),
        ("1_000", "1_000"),
        ("{{ params.number }}", "42"),
        ("{{ params.price }}", "1.50"),
        ("{{ params.number }}{{ params.number }}", "4242"),
        ("[{{ params.number }}]", "[42]"),
    ],
)
def test_a_name_stays_text(native: bool, given: str, text: str) -> None:
    made = rendered(native, theeye_task_name=given, theeye_host=given, theeye_conn_id=given)
    assert (made.theeye_task_name, made.theeye_host, made.theeye_conn_id) == (text, text, text)


@both
@pytest.mark.parametrize("ident", [DIGITS, EXPONENT])
def test_an_id_of_digits_stays_text(native: bool, ident: str) -> None:
    assert rendered(native, theeye_task_id=ident).theeye_task_id == ident
    assert rendered(native, TheEyeJobSensor, job_id=ident).job_id == ident
    workflow = rendered(native, TheEyeWorkflowOperator, theeye_workflow_id=ident, theeye_start_task=ident)
    assert (workflow.theeye_workflow_id, workflow.theeye_start_task) == (ident, ident)
    assert rendered(native, theeye_task_id="{{ params.digits }}").theeye_task_id == DIGITS


@both
def test_what_is_no_template_arrives_as_it_is(native: bool) -> None:
    values = ["1.50", "007", "True", "None", "[1]", "line\n", {"k": "1e5"}, 3, None]
    assert rendered(native, theeye_task_name="x", task_arguments=values).task_arguments == values


def test_templates_of_arguments_are_rendered_as_the_dag_says() -> None:
    given = ["{{ params.number }}", "{{ params.list }}"]
    assert rendered(True, theeye_task_name="x", task_arguments=given).task_arguments == [42, ["a", 1]]
    assert rendered(False, theeye_task_name="x", task_arguments=given).task_arguments == ["42", "['a', 1]"]
    whole = rendered(True, theeye_task_name="x", task_arguments="{{ params.list }}")
    assert whole.task_arguments == ["a", 1]


def test_nothing_and_times_may_be_rendered_natively() -> None:
    assert rendered(True, theeye_task_name="x", theeye_host="{{ params.none }}").theeye_host is None
    made = rendered(True, TheEyeJobSensor, theeye_task_name="x", since="{{ params.when }}")
    assert made.since == WHEN


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(TheEyeSettingsError, match="theeye_task_name must be text, but was rendered to list"):
        rendered(True, theeye_task_name="{{ params.list }}")


class Result(Sequence[Any]):
    """As the result of a mapped task: known when it is rendered, and a sequence that is no list."""

    def __init__(self, *values: Any) -> None:
        self._values = values

    def resolve(self, context: Any) -> Any:
        return Result(*self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: Any) -> Any:
        return self._values[index]


@both
@pytest.mark.parametrize(
    ("given", "values"),
    [
        (Result("5", "7"), ["5", "7"]),
        ([Result("5", "7")], [["5", "7"]]),
        ([{"k": (Result(1), 2)}], [{"k": [[1], 2]}]),
    ],
)
def test_results_of_mapped_tasks_are_read(native: bool, given: Any, values: Any) -> None:
    assert rendered(native, theeye_task_name="x", task_arguments=given).task_arguments == values


# --- names of mapped instances ------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["5", "7"], "5, 7"),
        (["42"], "42"),
        ([42], "42"),
        (["abc"], "abc"),
        (["'a'", '"'], "'a', \""),
        (["\x00\x1b[31m"], "[31m"),
        (["None"], "None"),
        ([["a"], {"b": (1,)}], '["a"], {"b": [1]}'),
        (None, "Greet"),
    ],
)
def test_the_default_name_is_text(native: bool, arguments: Any, name: str) -> None:
    with DAG("d", schedule=None, render_template_as_native_obj=native) as dag:
        made = TheEyeTaskOperator(task_id="t", theeye_task_name="Greet", task_arguments=arguments)
    assert dag.get_template_env().from_string(MAP_INDEX_TEMPLATE).render({"task": made}) == name


@both
def test_a_task_does_not_fail_for_its_name(native: bool) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    with DAG("d", schedule=None, render_template_as_native_obj=native) as dag:
        made = TheEyeTaskOperator(task_id="t", theeye_task_name="Greet")
        made.task_arguments = [Broken()]
    assert dag.get_template_env().from_string(MAP_INDEX_TEMPLATE).render({"task": made}) == ""
