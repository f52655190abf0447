"""Names that somebody may have meant."""

from __future__ import annotations

import pytest

from airflow_provider_theeye.jobs.names import similar

NAMES = ["Hello World", "hello_world", "Load Customers", "Load Orders", "Nightly Backup", "Ñandú", "Get IP"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("hello world", ["Hello World", "hello_world"]),
        ("HELLO WORLD ", ["Hello World", "hello_world"]),
        ("Helo World", ["Hello World", "hello_world"]),
        ("load-customers", ["Load Customers", "Load Orders"]),
        ("Load Customer", ["Load Customers", "Load Orders"]),
        ("nightly backup", ["Nightly Backup"]),
        ("ñANDÚ", ["Ñandú"]),
        ("get ip", ["Get IP"]),
        ("Something Else Entirely", []),
        ("", []),
        ("!", []),
    ],
)
def test_the_likeliest_first(wanted: str, found: list[str]) -> None:
    assert similar(wanted, NAMES) == found


def test_a_few_at_most() -> None:
    assert similar("load 3", [f"Load {n}" for n in range(100)])[0] == "Load 3"
    assert len(similar("load 3", [f"Load {n}" for n in range(100)])) == 5
    assert len(similar("load", ["load", "LOAD", "Load", "lOad", "loAd", "loaD"])) == 5
