"""What a job keeps of the arguments that it is given, as the real server was seen to keep them."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_theeye.sandbox.arguments import UnbuildableArguments, assigned
from airflow_provider_theeye.sandbox.world import Argument

ONE = (Argument(0, "a"),)
GAPS = (Argument(1, "a"), Argument(2, "b"))


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        ("legacy", {"value": 0}, '{"value":0}'),
        ("legacy", {"value": False}, '{"value":false}'),
        ("legacy", {"value": None}, '{"value":null}'),
        ("legacy", {"value": ""}, '{"value":""}'),
        ("legacy", {"value": []}, "[]"),
        ("legacy", {"value": {}}, "{}"),
        ("legacy", 0, 0),
        ("legacy", [], "[]"),
        ("text", {"value": 0}, '{"value":0}'),
        ("text", {"value": None}, '{"value":null}'),
        ("text", {"value": ""}, ""),
        ("text", {"value": []}, '{"value":[]}'),
        ("text", {"value": "v"}, "v"),
        ("text", None, "null"),
        ("json", {"value": 0}, "0"),
        ("json", {"value": None}, "null"),
        ("json", {"value": ""}, '""'),
        ("json", {"value": "v"}, '"v"'),
    ],
)
def test_an_object_with_a_value(kind: str, given: Any, kept: Any) -> None:
    assert assigned([given], ONE, kind) == [kept]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([{"order": 1, "value": "x"}, {"order": 2, "value": "y"}], [None, "x", "y"]),
        ([None, "x", "y"], [None, "x", "y"]),
        ([None, "", None], [None, "", None]),
    ],
)
def test_a_place_without_an_argument_is_null(given: Any, kept: Any) -> None:
    assert assigned(given, GAPS, "legacy") == kept


@pytest.mark.parametrize("given", [["x", "y"], [{"order": "1"}, {"order": 2}], [None, {"order": 3}, "y"]])
def test_an_argument_without_a_value_makes_a_dead_job(given: Any) -> None:
    with pytest.raises(UnbuildableArguments):
        assigned(given, GAPS, "legacy")
