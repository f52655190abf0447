"""What TheEye's agent reads out of the last line of a log."""

from __future__ import annotations

import pytest

from airflow_provider_theeye.sandbox.lastline import NO_OUTPUT, last_line, report, spoken


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("a\nsuccess\n", "success"),
        ("a\nsuccess", "success"),
        ("a\r\n failure \r\n", "failure"),
        ("failure\n\n", ""),
        ("\n", ""),
        ("", ""),
    ],
)
def test_the_last_line(log: str, line: str) -> None:
    assert last_line(log) == line


@pytest.mark.parametrize(
    ("line", "state", "output"),
    [
        ("failure", "failure", NO_OUTPUT),
        ("", "", NO_OUTPUT),
        ("NaN", "NaN", NO_OUTPUT),
        ('"failure"', "failure", "failure"),
        ("[1]", None, [1]),
        ("42", None, None),
        ("true", None, None),
        ("null", None, None),
        ('{"state": "failure", "data": ["a"]}', "failure", ["a"]),
        ('{"data": ["a"], "output": ["b"]}', None, ["b"]),
        ('{"data": ["a"], "output": []}', None, []),
        ('{"data": ["a"], "output": 0}', None, ["a"]),
        ('{"state": "failure"}', "failure", {"state": "failure"}),
        ('{"state": "", "data": null}', None, {"state": "", "data": None}),
        ('{"rows": 3}', None, {"rows": 3}),
    ],
)
def test_what_it_says(line: str, state: object, output: object) -> None:
    assert spoken(line) == (state, output)


def test_of_a_killed_script_nothing_is_read() -> None:
    said = report("success\n", None, "SIGTERM", True, 1.5)
    assert said["state"] == "killed"
    assert "output" not in said["data"]
    assert said["data"]["times"] == {"seconds": 1, "nanoseconds": 500_000_000}


def test_a_number_is_reported_as_no_output() -> None:
    assert report("42\n", 0, None, False, 0.0)["data"]["output"] is None
