"""``python -m tests.faults``: the whole matrix, or the cases whose names are given."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.environment import set_up


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("cases", nargs="*", help="names, or parts of names; without any all are run")
    parser.add_argument("--at-a-time", type=int, default=6, metavar="N")
    parser.add_argument("--report", type=Path, help="where to write all reports as JSON")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="theeye-faults-") as folder:
        set_up(Path(folder) / "airflow")
        return _run(given, Path(folder) / "cases")


def _run(given: argparse.Namespace, folder: Path) -> int:
    from tests.faults.case import Report
    from tests.faults.pool import run_all
    from tests.faults.table import CASES

    names = {case.name for case in CASES}
    cases = [case for case in CASES if not given.cases or any(_means(word, case.name, names) for word in given.cases)]
    if not cases:
        print("no case has such a name", file=sys.stderr)
        return 2
    began = time.monotonic()
    reports: list[Report] = []
    for report in run_all(cases, folder, given.at_a_time):
        reports.append(report)
        print(report.line(), flush=True)
        if report.log:
            print(report.log[-6000:], flush=True)
    if given.report is not None:
        given.report.write_text(json.dumps([report.to_json() for report in reports]))
    print(f"{time.monotonic() - began:.0f} s")
    print(
        f"faults: {sum(report.holds for report in reports)} of {len(cases)} cases hold; "
        f"started twice {sum(report.started_twice for report in reports)}; "
        f"lost {sum(report.lost for report in reports)}; "
        f"left running {sum(report.left_running for report in reports)}"
    )
    return 0 if all(report.holds for report in reports) and len(reports) == len(cases) else 1


def _means(word: str, name: str, names: set[str]) -> bool:
    """A whole name means that case alone."""
    return word == name if word in names else word in name


if __name__ == "__main__":
    sys.exit(main())
