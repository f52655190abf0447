"""A secret key that is given to an operator is shown by nothing that serializes operators."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_theeye import concealed
from airflow_provider_theeye.concealed import Concealed, conceal, reveal
from airflow_provider_theeye.decorators.theeye import theeye_task
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator
from airflow_provider_theeye.sandbox import Sandbox
from tests.running import FakeStore, context

AN_ID = "5cdb424d7dbdc0000fd3112a"
KEY = "0123456789abcdef" * 4


def test_a_concealed_secret() -> None:
    secret = Concealed(KEY)
    assert reveal(secret) == KEY
    assert KEY not in f"{secret} {secret!r} {[secret]} {json.dumps({'secret': secret}, default=str)}"
    assert copy.deepcopy(secret) == copy.copy(secret) == secret
    assert len({secret, Concealed(KEY), Concealed("other")}) == 2
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)


@pytest.mark.parametrize("value", [None, "{{ var.value.key }}", object()])
def test_what_is_no_secret_is_left_alone(value: Any) -> None:
    assert conceal(value) is value
    assert reveal(value) is value


def test_it_is_masked_when_the_operator_is_made_and_when_it_is_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    masked: list[str] = []
    monkeypatch.setattr(concealed, "mask_secret", masked.append)
    TheEyeTaskOperator(task_id="t", theeye_task_id=AN_ID, secret=KEY)
    assert masked == [KEY]
    late = TheEyeTaskOperator(task_id="t", theeye_task_id=AN_ID, secret="{{ params.key }}")
    assert masked == [KEY]
    late.render_template_fields({"params": {"key": "f" * 64}})  # type: ignore[typeddict-item, arg-type]
    assert masked == [KEY, "f" * 64]
    assert reveal(late.secret) == "f" * 64


def test_what_a_listener_may_send_of_an_operator() -> None:
    """OpenLineage's sends all attributes if it is told to, but for a few."""
    made = TheEyeTaskOperator(task_id="t", theeye_task_id=AN_ID, secret=KEY)
    made.render_template_fields({})  # type: ignore[typeddict-item, arg-type]
    assert KEY not in json.dumps(vars(made), default=str)
    assert KEY not in repr(vars(made))


def test_a_serialized_dag_does_not_hold_it() -> None:
    serialized = pytest.importorskip("airflow.serialization.serialized_objects")
    given = {"theeye_task_id": AN_ID}
    with DAG("d", schedule=None) as dag:
        TheEyeTaskOperator(task_id="single", secret=KEY, **given)
        TheEyeTaskOperator.partial(task_id="part", secret=KEY, **given).expand(task_arguments=[["a"]])
        TheEyeTaskOperator.partial(task_id="mapped", **given).expand(secret=[KEY, KEY])
        TheEyeTaskOperator.partial(task_id="rows", **given).expand_kwargs([{"secret": KEY}])
        theeye_task(lambda x: [x], task_id="function", secret=KEY, **given).expand(x=["a"])  # type: ignore[attr-defined]
        theeye_task(lambda x: [x], task_id="over", **given).override(secret=KEY).expand(x=["a"])  # type: ignore[attr-defined]
    to_dict = getattr(serialized, "DagSerialization", serialized.SerializedDAG).to_dict
    assert KEY not in json.dumps(to_dict(dag), default=str)


@pytest.mark.usefixtures("connection")
def test_it_starts_the_task_all_the_same(sandbox: Sandbox) -> None:
    secret = sandbox.task_secret("greet")
    made = TheEyeTaskOperator(
        task_id="t", theeye_task_id=sandbox.task_id("greet"), task_arguments=["you"], secret=secret, poll_interval=0.3
    )
    assert made.execute(context())["output"] == ["Hello, you!"]  # type: ignore[arg-type]


@pytest.mark.usefixtures("connection")
def test_an_operator_keeps_no_context() -> None:
    """A listener that serializes an operator would go round in it: the context holds the task."""

    def function() -> list[str]:
        return []

    with DAG("d", schedule=None):
        made: Any = theeye_task(function, theeye_task_name="Hello World", poll_interval=0.3)().operator
    given = {**context(store=FakeStore()), "task": made}
    made.execute(given)
    held = [name for name, value in vars(made).items() if isinstance(value, dict) and "ti" in value]
    assert held == []
