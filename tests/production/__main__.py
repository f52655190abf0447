"""``python -m tests.production``: all rows, or those whose numbers are given."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.production.rows import ROWS, Row, Scene, Sizes
from tests.production.services import ServiceFailed, install_missing
from tests.production.stage import Stage, StageFailed
from tests.production.table import play, summary
from tools.processes import clean_up_when_told_to_stop

QUICK = Sizes(deferred=16, sync=4, ended=4)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.production", description=__doc__)
    numbers = ", ".join(f"{row.number} {row.name}" for row in ROWS)
    parser.add_argument("--rows", metavar="N,N", help=f"some of: {numbers}")
    parser.add_argument("--quick", action="store_true", help="fewer rows and fewer jobs")
    parser.add_argument("--keep-logs", action="store_true", help="also if all rows hold")
    given = parser.parse_args()
    try:
        rows = chosen(given.rows, given.quick)
    except ValueError as error:
        parser.error(str(error))
    clean_up_when_told_to_stop()
    folder = Path(tempfile.mkdtemp(prefix="theeye-production-"))
    # PostgreSQL, which is another user, has its folder in it.
    folder.chmod(0o711)
    status = 1
    try:
        status = run(rows, folder, Sizes() if not given.quick else QUICK)
    except (ServiceFailed, StageFailed) as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        status = 130
    finally:
        tidy(folder, keep_logs=status != 0 or given.keep_logs)
    return status


def chosen(numbers: str | None, quick: bool) -> list[Row]:
    """In the order of the table, whatever the order of the numbers."""
    if not numbers:
        return [row for row in ROWS if row.is_quick or not quick]
    wanted = {int(number) for number in numbers.split(",")}
    unknown = wanted - {row.number for row in ROWS}
    if unknown:
        raise ValueError(f"no such row: {', '.join(map(str, sorted(unknown)))}")
    return [row for row in ROWS if row.number in wanted]


def run(rows: list[Row], folder: Path, sizes: Sizes) -> int:
    began = time.monotonic()
    install_missing(folder / "install.log")
    with Stage(folder) as stage:
        print(f"started in {time.monotonic() - began:.0f} s", flush=True)
        lines = play(rows, Scene(stage, sizes))
    print(f"{time.monotonic() - began:.0f} s")
    print(summary(lines))
    return 0 if all(line.holds for line in lines) else 1


def tidy(folder: Path, *, keep_logs: bool) -> None:
    """Data go; logs stay if somebody may want to read them."""
    if not keep_logs:
        shutil.rmtree(folder)
        return
    for name in ("postgres", "redis", "theeye", "gates"):
        shutil.rmtree(folder / name, ignore_errors=True)
    print(f"logs: {folder / 'logs'}, of tasks and triggers: {folder / 'airflow' / 'logs'}", file=sys.stderr)


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
