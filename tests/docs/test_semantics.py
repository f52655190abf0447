"""The page of semantics names a test for what it says; such a test exists, and every number is explained."""

from __future__ import annotations

import re

from tests.docs.pages import DOCS
from tests.faults.table import CASES
from tests.production.rows import ROWS
from tools.airflow_env import ROOT

PAGE = (DOCS / "semantics.md").read_text()
PROOFS = dict(re.findall(r"^\| (\d+) \| (.+) \|$", PAGE, re.MULTILINE))
TEST = re.compile(r"`(tests/[\w/]+\.py)?::(test_\w+)`")
ROW_OF_FAULTS = re.compile(r"\*([^*…]+?)(?: …)?\*")


def test_every_number_has_its_test_and_every_test_its_number() -> None:
    used = set(re.findall(r"\[(\d+)\]", PAGE))
    assert used == set(PROOFS)


def test_every_cell_has_a_number() -> None:
    rows = re.findall(
        r"^\| (.+?) \| (.+?) \| (.*?) \|(.*?)\|?$", PAGE.partition("**The wait is in a worker**")[2], re.MULTILINE
    )
    cells = [cell.strip() for row in rows for cell in row[1:] if cell.strip(" -|")]
    said = [cell for cell in cells if cell not in ("3.3", "3.0 to 3.2", "2.11", "nothing to lose")]
    assert len(said) > 40
    assert [cell for cell in said if not re.search(r"\[\d+\]$", cell)] == []


def test_the_named_tests_exist() -> None:
    file = ""
    for proof in PROOFS.values():
        for named, test in TEST.findall(proof):
            file = named or file
            assert re.search(rf"^def {test}\(", (ROOT / file).read_text(), re.MULTILINE), f"{file} has no {test}"


def test_the_named_rows_of_the_fault_matrix_exist() -> None:
    names = {case.row.name for case in CASES}
    rows = [row for proof in PROOFS.values() for row in ROW_OF_FAULTS.findall(proof)]
    assert rows
    assert [row for row in rows if not any(name.startswith(row) for name in names)] == []


def test_the_named_rows_of_production_exist() -> None:
    table = PAGE.partition("`make test-production`")[2].partition("Cancelled means")[0]
    named = re.findall(r"\*([^*]+)\*", table)
    assert len(named) > 8
    assert sorted(set(named) - {row.name for row in ROWS}) == []
