"""What is sent for a user's arguments, and that TheEye then stores exactly what was meant."""

from __future__ import annotations

import json
import math
from collections import UserString, deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from airflow_provider_theeye.api import calls
from airflow_provider_theeye.api.client import TheEyeClient
from airflow_provider_theeye.api.models import Task, TaskArgument
from airflow_provider_theeye.api.settings import ServerSettings
from airflow_provider_theeye.jobs.arguments import (
    EXACT,
    LONGEST_ARGUMENT,
    ArgumentsError,
    check_json,
    for_form,
    for_task,
    for_unknown_task,
)
from airflow_provider_theeye.sandbox import Sandbox

KEYS = st.sampled_from(["value", "order", "a", ""]) | st.text(max_size=3)
#: Without NUL, which no script can be started with.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-EXACT, EXACT) | st.floats(-1e6, 1e6) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
#: Input and fixed arguments in any place, with orders that begin anywhere and have gaps.
SHAPES: dict[str, list[tuple[int, str]]] = {
    "inputs": [(0, "input"), (1, "input")],
    "fixed first": [(0, "fixed"), (1, "input"), (2, "input")],
    "fixed between": [(0, "input"), (1, "fixed"), (2, "input")],
    "fixed last": [(0, "input"), (1, "input"), (2, "fixed")],
    "orders from one": [(1, "input"), (2, "input")],
    "gaps": [(0, "input"), (3, "fixed"), (7, "input")],
    "fixed and gaps": [(2, "fixed"), (4, "input"), (5, "input"), (9, "fixed")],
    "unsorted": [(3, "input"), (1, "input"), (0, "fixed")],
}
KINDS = ("legacy", "json", "text")


def task(shape: list[tuple[int, str]], kind: str = "legacy", optional: set[int] | None = None) -> Task:
    arguments = tuple(
        TaskArgument(order, f"a{order}", what, "FIXED" if what == "fixed" else None, order not in (optional or set()))
        for order, what in shape
    )
    arguments = tuple(sorted(arguments, key=lambda argument: argument.order))
    return Task("6b048b8b11be525ae0245b78", "ScriptTask", "a task", arguments=arguments, arguments_type=kind)


# --- what is sent -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "kind", "given_values", "sent"),
    [
        ("inputs", "legacy", ["a", 1], ["a", "1"]),
        ("inputs", "legacy", [0, False], ["0", "false"]),
        ("inputs", "legacy", ["", None], ["", None]),
        ("inputs", "legacy", [{"value": 1}, [1, "é"]], ['{"value":1}', '[1,"é"]']),
        ("inputs", "text", [True, "true"], ["true", "true"]),
        ("inputs", "json", ["a", {"x": 1}], ["a", {"value": {"x": 1}}]),
        ("inputs", "json", [{"value": 1}, {"order": 3}], [{"value": {"value": 1}}, {"value": {"order": 3}}]),
        ("fixed first", "legacy", ["a", "b"], [None, "a", "b"]),
        ("fixed between", "legacy", ["a", "b"], ["a", None, "b"]),
        ("fixed last", "legacy", ["a", "b"], ["a", "b", None]),
        ("orders from one", "legacy", ["", None], [None, "", None]),
        ("orders from one", "json", [{"value": 1}, "b"], [None, {"value": {"value": 1}}, "b"]),
        ("gaps", "legacy", [0, False], ["0", None, None, None, None, None, None, "false"]),
        ("unsorted", "text", ["a", "b"], [None, "a", None, "b"]),
    ],
)
def test_what_is_sent(shape: str, kind: str, given_values: list[Any], sent: list[Any]) -> None:
    assert for_task(task(SHAPES[shape], kind), given_values) == sent


@pytest.mark.parametrize("given_values", [[], ["a"], ["a", "b", "c"], ["a", "b", "c", "d"]])
def test_a_wrong_number_says_what_is_expected(given_values: list[Any]) -> None:
    with pytest.raises(ArgumentsError) as caught:
        for_task(task(SHAPES["fixed first"]), given_values)
    assert str(caught.value) == (
        "task 'a task' (6b048b8b11be525ae0245b78) takes 2 arguments (a1, a2), "
        f"but task_arguments has {len(given_values)}; 1 more is fixed by the task and not to be given"
    )


def test_a_task_without_arguments_takes_none() -> None:
    assert for_task(task([]), []) == []
    with pytest.raises(ArgumentsError, match=r"takes 0 arguments \(none\), but task_arguments has 1$"):
        for_task(task([]), ["a"])


def test_optional_ones_at_the_end_may_be_left_out() -> None:
    shape = [(0, "input"), (1, "input"), (2, "fixed"), (3, "input")]
    assert for_task(task(shape, optional={1, 3}), ["a"]) == ["a", None, None, None]
    assert for_task(task(shape, optional={1, 3}), ["a", "b"]) == ["a", "b", None, None]
    with pytest.raises(ArgumentsError):
        for_task(task(shape, optional={1}), ["a"])
    with pytest.raises(ArgumentsError):
        for_task(task(shape, optional={0}), ["a"])


@pytest.mark.parametrize("value", [2**53 + 1, -(2**60), {"a": [2**70]}, [[2**53 + 1]], (2**64,)])
def test_a_number_that_theeye_would_round_is_refused_where_it_would(value: Any) -> None:
    for send in (
        lambda: for_unknown_task(["a", value]),
        lambda: for_task(task(SHAPES["inputs"], "json"), ["a", value]),
    ):
        with pytest.raises(ArgumentsError, match=r"task_arguments\[1\] holds a whole number beyond 2\^53"):
            send()
    assert json.loads(for_task(task(SHAPES["inputs"]), ["a", value])[1]) == (
        list(value) if value == (2**64,) else value
    )


def test_without_a_definition_values_go_as_they_are() -> None:
    values = ["a", 1, None, {"x": 2}, [{"value": 3}]]
    assert for_unknown_task(values) == values


@pytest.mark.parametrize("value", [{"value": 3}, {"value": ""}, {"order": 1, "value": 3}, {"order": 2}])
def test_without_a_definition_an_object_that_theeye_may_take_apart_is_refused(value: Any) -> None:
    with pytest.raises(ArgumentsError, match=r"task_arguments\[1\] is an object with the key .* JSON as text"):
        for_unknown_task(["a", value])


@pytest.mark.parametrize("orders", [(0, 0), (-1, 0), (0, 10**9)])
def test_a_definition_that_cannot_be_served_is_refused(orders: tuple[int, int]) -> None:
    with pytest.raises(ArgumentsError, match=r"are numbered .* cannot tell them apart"):
        for_task(task([(order, "input") for order in orders]), ["a", "b"])


# --- what no script can be started with ---------------------------------------------------------------------------

LONG = "x" * LONGEST_ARGUMENT


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("legacy", LONG),
        ("text", LONG),
        ("legacy", "é" * (LONGEST_ARGUMENT // 2)),
        ("json", LONG[2:]),
        ("legacy", [LONG[4:]]),
        ("legacy", "data:text/plain;base64," + LONG + "="),
        ("json", "a\0b"),
    ],
)
def test_an_argument_may_be_as_long_as_linux_allows(kind: str, value: Any) -> None:
    assert len(for_task(task([(0, "input")], kind), [value])) == 1


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("legacy", LONG + "x", "131072 bytes long"),
        ("text", LONG + "x", "131072 bytes long"),
        ("legacy", "é" * (LONGEST_ARGUMENT // 2 + 1), "131072 bytes long"),
        ("json", LONG, "131073 bytes long"),
        ("legacy", [LONG], "131075 bytes long"),
        ("json", "data:text/plain;base64," + LONG, "bytes long"),
        ("legacy", "data: " + LONG, "bytes long"),
        ("legacy", "data:text/plain;base64," + LONG + "{}", "bytes long"),
        ("legacy", "a\0b", "NUL character"),
        ("text", "a\0b", "NUL character"),
    ],
)
def test_what_no_script_can_be_started_with_is_refused(kind: str, value: Any, reason: str) -> None:
    with pytest.raises(ArgumentsError, match=rf"^task_arguments\[1\] .*{reason}.* no script can be started with"):
        for_task(task(SHAPES["inputs"], kind), ["a", value])
    if kind == "legacy":
        with pytest.raises(ArgumentsError, match=reason):
            for_unknown_task(["a", value])


def test_what_no_script_gets_may_be_long() -> None:
    notification = Task("6b048b8b11be525ae0245b78", "NotificationTask", "n", arguments=(TaskArgument(0),))
    assert for_task(notification, [LONG + "xx"]) == [LONG + "xx"]


# --- sequences ----------------------------------------------------------------------------------------------------


class Lazy(Sequence[Any]):
    """As Airflow gives the results of mapped tasks: a sequence that is no list and knows nothing of JSON."""

    def __init__(self, *values: Any) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: Any) -> Any:
        return self._values[index]


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        (Lazy("a", 1), ["a", 1]),
        (("a", (1, 2)), ["a", [1, 2]]),
        (range(2), [0, 1]),
        (deque(["a"]), ["a"]),
        ([Lazy(Lazy(1), {"k": Lazy(2)})], [[[1], {"k": [2]}]]),
        ([UserString("text")], ["text"]),
        ([MappingProxyType({"a": (1,)})], [{"a": [1]}]),
        ([{2: "a", None: "b", True: "c"}], [{"2": "a", "null": "b", "true": "c"}]),
    ],
)
def test_any_sequence_that_is_no_text_is_a_list(arguments: Any, values: list[Any]) -> None:
    assert check_json(arguments) == values


@pytest.mark.parametrize("arguments", [{"a"}, frozenset("a"), (c for c in "ab"), iter(["a"]), {"a": 1}.keys()])
def test_what_has_no_order_or_can_be_read_once_is_refused(arguments: Any) -> None:
    with pytest.raises(ArgumentsError, match=r"must be a list, .*: make it a list, in the order that is meant"):
        check_json(arguments)
    with pytest.raises(ArgumentsError, match=r"task_arguments\[0\] cannot be sent .*: make it a list"):
        check_json([arguments])


@pytest.mark.parametrize(
    "value", ["\ud800", {"\ud800": 1}, {1: "a", "1": "b"}, memoryview(b"x"), datetime(2026, 1, 31), Decimal(1)]
)
def test_what_would_not_arrive_is_refused(value: Any) -> None:
    with pytest.raises(ArgumentsError, match=r"^task_arguments\[1\] cannot be sent as JSON: "):
        check_json(["fine", value])


# --- forms --------------------------------------------------------------------------------------------------------


def test_a_form_sends_one_text_per_argument() -> None:
    assert for_form(task(SHAPES["inputs"]), ["a", {"b": 1}]) == ["a", '{"b":1}']
    assert for_form(task(SHAPES["inputs"], optional={1}), [None]) == [""]
    assert for_form(None, [1, None]) == ["1", ""]


@pytest.mark.parametrize(
    ("shape", "kind", "reason"),
    [
        ("fixed last", "legacy", "has fixed arguments"),
        ("fixed first", "text", "has fixed arguments"),
        ("orders from one", "legacy", "has gaps"),
        ("inputs", "json", "takes its arguments as JSON"),
    ],
)
def test_a_task_that_no_form_can_start_is_refused(shape: str, kind: str, reason: str) -> None:
    with pytest.raises(ArgumentsError, match=rf"cannot be started by a button: it {reason}"):
        for_form(task(SHAPES[shape], kind), ["a", "b"])


@pytest.mark.parametrize("arguments", ["text", {"a": 1}, 1, None, {1, 2}, b"x"])
def test_arguments_must_be_a_list(arguments: Any) -> None:
    with pytest.raises(ArgumentsError, match="must be a list, one value per argument"):
        check_json(arguments)


@pytest.mark.parametrize("value", [{1}, object(), math.nan, [math.inf], {("a",): 1}, b"x", [10**5000]])
def test_what_json_cannot_say_is_named_by_its_place(value: Any) -> None:
    with pytest.raises(ArgumentsError, match=r"^task_arguments\[1\] cannot be sent as JSON: "):
        check_json(["fine", value])


def test_endless_values_are_refused() -> None:
    itself: list[Any] = []
    itself.append(itself)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for value in (itself, deep):
        with pytest.raises(ArgumentsError, match=r"task_arguments\[0\]"):
            check_json([value])


# --- what is stored -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Sandbox, TheEyeClient]]:
    """Tasks of all shapes and kinds, and nobody who runs their jobs."""
    tasks = {
        f"{shape} {kind}": {
            "name": f"{shape} {kind}",
            "host": "host-a",
            "script": "echo success",
            "arguments_type": kind,
            "arguments": [
                {"label": f"a{order}", "order": order, "type": what, **({"value": "FIXED"} if what == "fixed" else {})}
                for order, what in arguments
            ],
        }
        for shape, arguments in SHAPES.items()
        for kind in KINDS
    }
    users = {"integration": {"role": "integration"}}
    world = {"organizations": {"demo": {"hosts": ["host-a"], "users": users}}, "tasks": tasks}
    with Sandbox(world, runner=False) as sandbox:
        client = TheEyeClient(ServerSettings(sandbox.url, sandbox.organization, sandbox.token()))
        yield sandbox, client
        client.close()


def meant(value: Any, kind: str) -> Any:
    """Text is meant as text and nothing as nothing; all else, and all of it in a task of type json, by its JSON."""
    if kind != "json" and (value is None or isinstance(value, str)):
        return value
    return json.dumps(value)


def same(stored: Any, value: Any, kind: str) -> bool:
    wanted = meant(value, kind)
    if wanted == value and kind != "json":
        return bool(stored == value or (value is None and stored == "null"))
    return isinstance(stored, str) and json.loads(stored) == json.loads(wanted)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
@given(values=st.tuples(VALUES, VALUES))
@example(values=({"value": 1, "order": 0}, {"value": {"value": None}, "order": 7}))
@example(values=(0, False))
@example(values=("", None))
@example(values=({"value": ""}, {"order": 1, "value": 0}))
@example(values=([], {}))
@example(values=({"order": 1}, {"order": True, "value": []}))
def test_theeye_stores_what_was_meant(
    server: tuple[Sandbox, TheEyeClient], shape: str, kind: str, values: tuple[Any, Any]
) -> None:
    sandbox, client = server
    definition = client.run(calls.get_task(sandbox.task_id(f"{shape} {kind}")))
    made = client.run(calls.create_job(definition.id, for_task(definition, check_json(values))))
    stored = client.run(calls.get_job(made.id))
    assert stored.lifecycle == "ready"
    assert [a.order for a in definition.arguments] == sorted(order for order, _ in SHAPES[shape])
    inputs = iter(values)
    by_order = {argument.order: argument for argument in definition.arguments}
    assert len(stored.arguments) == max(by_order) + 1
    for place, found in enumerate(stored.arguments):
        argument = by_order.get(place)
        if argument is None:
            assert found is None
        elif argument.is_fixed:
            assert found == "FIXED"
        else:
            value = next(inputs)
            assert same(found, value, kind), (found, value)
