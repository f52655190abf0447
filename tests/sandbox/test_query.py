"""Query strings and filters, without a server."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_theeye.sandbox import filters, query
from airflow_provider_theeye.sandbox.lifecycle import as_output
from airflow_provider_theeye.sandbox.lists import chosen


@pytest.mark.parametrize(
    ("raw", "parsed"),
    [
        ("", {}),
        ("a=1&b=x+y%26", {"a": "1", "b": "x y&"}),
        ("a", {"a": ""}),
        ("a=1&a=2", {"a": ["1", "2"]}),
        ("a[]=1", {"a": ["1"]}),
        ("a%5B%5D=1&a[]=2", {"a": ["1", "2"]}),
        ("a[1]=y&a[0]=x", {"a": ["x", "y"]}),
        ("a[0]=x&a[21]=y", {"a": {"0": "x", "21": "y"}}),
        ("where[_id][$in][]=A&where[_id][$in][]=B&limit=2", {"where": {"_id": {"$in": ["A", "B"]}}, "limit": "2"}),
        ("a[b][c]=1&a[b][d]=2", {"a": {"b": {"c": "1", "d": "2"}}}),
        ("a[b][c][d][e][f][g]=1", {"a": {"b": {"c": {"d": {"e": {"f": {"[g]": "1"}}}}}}}),
        ("where[task_arguments_values.0]=x", {"where": {"task_arguments_values.0": "x"}}),
    ],
)
def test_brackets(raw: str, parsed: dict[str, Any]) -> None:
    assert query.parse(raw) == parsed


@pytest.mark.parametrize(
    ("values", "raw"),
    [
        ({}, ""),
        ({"a": "x y&", "b": ""}, "a=x%20y%26&b="),
        ({"a": ["x", {"b": "y"}], "c": []}, "a%5B0%5D=x&a%5B1%5D%5Bb%5D=y"),
    ],
)
def test_the_way_back(values: dict[str, Any], raw: str) -> None:
    assert query.stringify(values) == raw


def test_more_than_a_thousand_pairs_are_cut() -> None:
    assert len(query.parse("&".join(f"a{n}=1" for n in range(1200)))) == 1000


@given(st.text(alphabet="ab[]=&$%5B.0123456789 +", max_size=60))
def test_nothing_breaks_it(raw: str) -> None:
    assert isinstance(query.parse(raw), dict)


ROWS = [
    {"_id": f"{n:024x}", "name": name, "lifecycle": lifecycle, "creation_date": float(n), "values": values}
    for n, (name, lifecycle, values) in enumerate(
        [("Get A", "ready", ["x"]), ("get b", "finished", []), ("Put", "ready", ["y", "x"])]
    )
]


@pytest.mark.parametrize(
    ("raw", "numbers"),
    [
        ("", [0, 1, 2]),
        ("where[lifecycle]=ready", [0, 2]),
        ("where[lifecycle][$ne]=ready", [1]),
        ("where[lifecycle][$nin][]=ready", [1]),
        ("where[lifecycle]=ready&where[lifecycle]=finished", [0, 1, 2]),
        ("where[name][$regex]=^get&where[name][$options]=i", [0, 1]),
        ("where[values]=x", [0, 2]),
        ("where[values.0]=x", [0]),
        ("where[nothing]=x", []),
        ("where[nothing][$exists]=false", [0, 1, 2]),
        ("where[creation_date][$gte]=1970-01-01T00:00:01.000Z", [1, 2]),
        ("where[creation_date][$gt]=1970-01-01T00:00:01.000Z", [2]),
        ("where[$or][0][name]=Put&where[$or][1][lifecycle]=finished", [1, 2]),
        (f"where[_id][$in][]={0:024x}&where[_id][$in][]={9:024x}", [0]),
        ("sort[name]=-1", [1, 2, 0]),
        ("sort[lifecycle]=1&sort[creation_date]=-1", [1, 2, 0]),
        ("limit=2", [0, 1]),
        ("limit=0", [0, 1, 2]),
        ("limit=2nd", [0, 1]),
        ("limit=1&limit=2", [0]),
        ("limit=all", [0, 1, 2]),
        ("where=x", []),
        ("where[]=x", []),
        ("where=", [0, 1, 2]),
        ("sort=", [0, 1, 2]),
        ("skip=2", [0, 1, 2]),
    ],
)
def test_filters(raw: str, numbers: list[int]) -> None:
    found = chosen(ROWS, query.parse(raw), lambda row: row)
    assert [ROWS.index(row) for row in found] == numbers


@pytest.mark.parametrize(
    "raw",
    [
        "where[name][$foo]=x",
        "where[$where]=1",
        "where[_id]=zz",
        "where[_id][$in]=",
        "where[creation_date][$gte]=soon",
        "where[name][inner]=x",
        "where[name][$regex]=(",
        "sort[name]=zz",
        "sort=name",
    ],
)
def test_bad_filters_fail_even_without_rows(raw: str) -> None:
    with pytest.raises(filters.BadFilter):
        chosen([], query.parse(raw), lambda row: row)


def test_output_is_a_list_of_texts() -> None:
    assert as_output(["v1", {"k": 2}, 3, None]) == ["v1", '{"k":2}', "3", "null"]
    assert (as_output(None), as_output({"a": 1}), as_output("x")) == ([], ['{"a":1}'], ["x"])
