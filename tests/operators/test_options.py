"""What cannot work is refused when the DAG is parsed, in mapped tasks too; default_args count before our defaults."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_theeye.decorators.theeye import theeye_task
from airflow_provider_theeye.notifications.theeye import TheEyeNotifier
from airflow_provider_theeye.operators.arguments import MAP_INDEX_TEMPLATE
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator, TheEyeWorkflowOperator
from airflow_provider_theeye.sensors.theeye import TheEyeJobSensor

AN_ID = "5cdb424d7dbdc0000fd3112a"
KEY = "0123456789abcdef" * 4

#: An argument of an operator, a value that cannot work, and what is said.
REFUSED: list[tuple[str, Any, str]] = [
    ("max_xcom_bytes", "1MB", "max_xcom_bytes must be a whole number above zero, not '1MB'"),
    ("max_xcom_bytes", 0, "max_xcom_bytes must be a whole number above zero"),
    ("max_xcom_bytes", 1e6, "max_xcom_bytes must be a whole number above zero"),
    ("max_xcom_bytes", True, "max_xcom_bytes must be a whole number above zero"),
    ("poll_interval", -1, "poll_interval must be more than zero seconds"),
    ("poll_interval", math.nan, "poll_interval must be more than zero seconds"),
    ("poll_interval", timedelta(seconds=-5), "poll_interval must be more than zero seconds"),
    ("timeout", math.inf, "timeout must be more than zero seconds"),
    ("timeout", "{{ params.minutes }}", "timeout must be a number of seconds .* cannot be a template"),
    ("queue_timeout", "10", "queue_timeout must be a number of seconds or a timedelta, not '10'"),
    ("poll_failure_tolerance", -1, "poll_failure_tolerance must be zero or more seconds"),
    ("deferrable", "{{ params.d }}", "deferrable must be True or False .* cannot be a template"),
    ("deferrable", "False", "deferrable must be True or False, not 'False'"),
    ("wait_for_completion", 0, "wait_for_completion must be True or False, not 0"),
    ("durable", None, "durable must be True or False, not None"),
    ("cancel_on_kill", "no", "cancel_on_kill must be True or False"),
    ("cancel_on_timeout", "no", "cancel_on_timeout must be True or False"),
    ("fail_on_exit_code", [1], "fail_on_exit_code must be True or False"),
    ("on_failed_job", "shrug", "on_failed_job must be one of fail, skip, return"),
    ("skip_on_exit_code", "99", "skip_on_exit_code must be an exit code"),
    ("on_missing", "shrug", "on_missing must be one of fail, resubmit"),
    ("submission", "{{ params.s }}", "submission must be one of held, direct .* cannot be a template"),
    ("auth", "basic", "auth must be one of auto, token, secret"),
    ("secret", 12345, "secret must be text"),
    ("theeye_conn_id", None, "theeye_conn_id must be the id of a connection"),
    ("theeye_conn_id", 5, "theeye_conn_id must be text, not 5"),
    ("theeye_host", 42, "theeye_host must be text, not 42: write it in quotes"),
    ("theeye_host", " ", "theeye_host is empty"),
    ("task_arguments", [{1, 2}], r"task_arguments\[0\] cannot be sent as JSON"),
    ("task_arguments", ["a", math.nan], r"task_arguments\[1\] cannot be sent as JSON"),
    ("task_arguments", [[datetime(2026, 1, 31)]], r"task_arguments\[0\] cannot be sent as JSON"),
    ("task_arguments", [{"k": b"x"}], r"task_arguments\[0\] cannot be sent as JSON"),
    ("task_arguments", {"a": 1}, "task_arguments must be a list"),
    ("task_arguments", {"a"}, "task_arguments must be a list, .* in the order that is meant"),
    ("task_arguments", "abc", "task_arguments must be a list"),
    ("task_arguments", 7, "task_arguments must be a list"),
]


@pytest.mark.parametrize(("name", "value", "message"), REFUSED)
@pytest.mark.filterwarnings("ignore:.*was never mapped")
def test_an_option_that_cannot_work(name: str, value: Any, message: str) -> None:
    named: dict[str, Any] = {"theeye_task_name": "Greet"}
    with DAG("d", schedule=None):
        ways: list[Callable[[], Any]] = [
            lambda: TheEyeTaskOperator(task_id="single", **named, **{name: value}),
            lambda: TheEyeTaskOperator.partial(task_id="part", **named, **{name: value}),
            lambda: TheEyeTaskOperator.partial(task_id="rows", **named).expand_kwargs([{}, {name: value}]),
        ]
        if value is not None:
            ways.append(lambda: TheEyeTaskOperator.partial(task_id="mapped", **named).expand(**{name: [value]}))
        if name != "task_arguments":
            ways.append(lambda: theeye_task(lambda: [], **named, **{name: value}))
            ways.append(lambda: theeye_task(lambda: [], **named).override(**{name: value}))  # type: ignore[attr-defined]
        for way in ways:
            with pytest.raises(ValueError, match=message):
                way()


@pytest.mark.parametrize("kind", [TheEyeTaskOperator, TheEyeWorkflowOperator, TheEyeJobSensor])
@pytest.mark.parametrize("value", [5, 123456789012345678901234, "5", AN_ID.upper()])
def test_a_number_is_no_id(kind: Any, value: Any) -> None:
    name = "theeye_workflow_id" if kind is TheEyeWorkflowOperator else "theeye_task_id"
    message = f"{name} must be an id of TheEye"
    with pytest.raises(ValueError, match=message):
        kind(task_id="t", **{name: value})
    with pytest.raises(ValueError, match=message):
        kind.partial(task_id="t").expand(**{name: [AN_ID, value]})
    with pytest.raises(ValueError, match=message):
        TheEyeNotifier(**{name: value})


@pytest.mark.parametrize(
    ("given", "mapped", "message"),
    [
        ({}, {"task_arguments": [["a"]]}, "give either theeye_task_id or theeye_task_name"),
        ({"theeye_task_id": AN_ID}, {"theeye_task_name": ["x"]}, "give either theeye_task_id or theeye_task_name"),
        ({"theeye_task_id": AN_ID}, {"theeye_host": ["h"]}, "goes with theeye_task_name"),
        ({"theeye_task_id": AN_ID, "poll_interval": 60}, {"timeout": [90, 30]}, "timeout .* is shorter than"),
        ({"theeye_task_id": AN_ID, "auth": "token"}, {"secret": [KEY]}, "TheEye refuses a request with both"),
    ],
)
def test_options_that_do_not_go_together(given: dict[str, Any], mapped: dict[str, list[Any]], message: str) -> None:
    row = {name: values[-1] for name, values in mapped.items()}
    with DAG("d", schedule=None):
        for way in (
            lambda: TheEyeTaskOperator(task_id="single", **given, **row),
            lambda: TheEyeTaskOperator.partial(task_id="mapped", **given).expand(**mapped),
            lambda: TheEyeTaskOperator.partial(task_id="rows", **given).expand_kwargs([row]),
        ):
            with pytest.raises(ValueError, match=message):
                way()


def test_a_mapped_function_is_checked() -> None:
    with DAG("d", schedule=None):
        with pytest.raises(ValueError, match="give either theeye_task_id or theeye_task_name"):
            theeye_task(lambda x: [x]).expand(x=["a"])  # type: ignore[attr-defined]
        with pytest.raises(ValueError, match="goes with theeye_task_name"):
            theeye_task(lambda x: [x], theeye_task_id=AN_ID, theeye_host="h").expand(x=["a"])  # type: ignore[attr-defined]


def test_what_is_known_only_at_run_time_is_accepted() -> None:
    with DAG("d", schedule=None, params={"id": AN_ID}) as dag:

        @task
        def made() -> Any:
            return []

        late = made()
        values = ["{{ ds }}", late, [late, "{{ ds }}", {"k": late["x"]}], "arguments.json", None, dag.param("id")]
        for place, value in enumerate(values):
            TheEyeTaskOperator(task_id=f"t{place}", theeye_task_id="{{ params.id }}", task_arguments=value)
        TheEyeTaskOperator(task_id="xcoms", theeye_task_name=late, theeye_host=late, theeye_conn_id=late)
        TheEyeTaskOperator.partial(task_id="m", theeye_task_name="{{ ds }}").expand(task_arguments=late)
        TheEyeTaskOperator.partial(task_id="n").expand(theeye_task_name=late, task_arguments=[["a"], ["{{ ds }}"]])
        TheEyeTaskOperator.partial(task_id="o").expand_kwargs(late)
        TheEyeJobSensor(task_id="s", job_id=late, target="{{ ds }}")
        TheEyeJobSensor(task_id="since", theeye_task_name="x", since="{{ ds }}")
    assert len(dag.tasks) == len(values) + 7


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("poll_interval", -1, "poll_interval must be more than zero seconds"),
        ("poke_interval", "soon", "poke_interval must be a number of seconds"),
        ("max_xcom_bytes", "1MB", "max_xcom_bytes must be a whole number"),
        ("deferrable", "yes", "deferrable must be True or False"),
        ("fail_on_failed_step", "yes", "fail_on_failed_step must be True or False"),
        ("pick", "any", "pick must be one of last, first"),
        ("since", "yesterday", "since must be a time in ISO 8601"),
        ("since", 20260101, "since must be a time in ISO 8601 as text, or a datetime"),
        ("target", ["asigned"], "target 'asigned' is no lifecycle"),
        ("target", 5, "target must be a list of lifecycles"),
        ("theeye_task_name", 42, "theeye_task_name must be text"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*was never mapped")
def test_an_option_of_the_sensor_that_cannot_work(name: str, value: Any, message: str) -> None:
    given: dict[str, Any] = {} if name == "theeye_task_name" else {"theeye_task_name": "Greet"}
    for way in (
        lambda: TheEyeJobSensor(task_id="t", **given, **{name: value}),
        lambda: TheEyeJobSensor.partial(task_id="t", **given, **{name: value}),
        lambda: TheEyeJobSensor.partial(task_id="t", **given).expand(**{name: [value]}),
    ):
        with pytest.raises(ValueError, match=message):
            way()


# --- default_args -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("defaults", "given", "interval"),
    [
        ({}, {}, 2.0),
        ({"poke_interval": 300}, {}, 300.0),
        ({"poll_interval": timedelta(minutes=1)}, {}, 60.0),
        ({"poll_interval": 60, "poke_interval": 300}, {}, 60.0),
        ({"poke_interval": 300}, {"poll_interval": 7}, 7.0),
        ({"poll_interval": 60}, {"poke_interval": 7}, 7.0),
        ({}, {"poll_interval": 7, "poke_interval": 7.0}, 7.0),
    ],
)
def test_the_interval_of_a_sensor(defaults: dict[str, Any], given: dict[str, Any], interval: float) -> None:
    with DAG("d", schedule=None, default_args=defaults):
        assert TheEyeJobSensor(task_id="t", job_id=AN_ID, **given).poke_interval == interval


def test_two_names_of_one_interval_are_refused() -> None:
    with pytest.raises(ValueError, match="two names of the same"):
        TheEyeJobSensor(task_id="t", job_id=AN_ID, poll_interval=7, poke_interval=8)


@pytest.mark.parametrize(
    ("defaults", "given", "template"),
    [
        ({}, {}, MAP_INDEX_TEMPLATE),
        ({"map_index_template": "default"}, {}, "default"),
        ({"map_index_template": "default"}, {"map_index_template": "own"}, "own"),
        ({}, {"map_index_template": None}, None),
    ],
)
def test_the_name_of_a_mapped_instance(defaults: dict[str, Any], given: dict[str, Any], template: str | None) -> None:
    with DAG("d", schedule=None, default_args=defaults):
        operator = TheEyeTaskOperator.partial(task_id="t", theeye_task_name="x", **given).expand(task_arguments=[["a"]])
        function = theeye_task(lambda x: [x], task_id="f", theeye_task_name="x", **given).expand(x=["a"])  # type: ignore[attr-defined]
    assert operator.partial_kwargs.get("map_index_template") == template
    assert function.operator.partial_kwargs.get("map_index_template") == template


def test_default_args_say_which_task_and_how() -> None:
    defaults = {"theeye_task_name": "Greet", "theeye_conn_id": "mine", "poll_interval": 7, "deferrable": True}
    with DAG("d", schedule=None, default_args=defaults):
        made = TheEyeTaskOperator(task_id="t")
        TheEyeTaskOperator.partial(task_id="m").expand(task_arguments=[["a"]])
        theeye_task(lambda x: [x], task_id="f").expand(x=["a"])  # type: ignore[attr-defined]
    assert (made.theeye_task_name, made.theeye_conn_id) == ("Greet", "mine")
    assert (made.poll_interval, made.deferrable) == (7, True)
