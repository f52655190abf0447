"""`make matrix`: the built wheel under every Airflow that we promise to work with.

    python -m tools.matrix                  # all rows
    python -m tools.matrix 3.0.6 lowest     # these
    python -m tools.matrix --quick          # what continuous integration has time for
    python -m tools.matrix 2.11.2 -- -k trigger -x

Each row is an environment of its own in .venv-matrix/, kept for the next time. The tests run from a copy, beside which
the package's source does not lie: what they import is what users install. The exit status is 1 if anything failed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tools.airflow_env import last_lines
from tools.dist import build
from tools.processes import clean_up_when_told_to_stop, running
from tools.releases import QUICK_ROWS, ROOT, ROWS, Row
from tools.uv import uv

FOLDER = ROOT / ".venv-matrix"
PACKAGE = "airflow_provider_theeye"
EXTRAS = "[sandbox,test,openlineage]"
#: What the tests need beside the installed package. Not the package itself.
COPIED = ("tests", "tools", "example_dags", "benchmarks", "docs", "pyproject.toml", "README.md")
#: What has nothing to do with the version of Airflow, or needs the repository, and is tested elsewhere.
LEFT_OUT = ("tests/docs", "tests/package", "tests/system", "tests/ui")
#: What touches Airflow most.
QUICK_TESTS = tuple(
    f"tests/{folder}"
    for folder in ("events", "examples", "hooks", "operators", "provider", "sensors", "triggers", "upgrade")
)
#: Tests wait more than they compute. Not for those of a whole Airflow: they would start one in each process.
PARALLEL = ("-n", "4", "--dist", "loadfile")
ROW_TIMEOUT = 3600.0
NO_TESTS_COLLECTED = 5


@dataclass(frozen=True)
class Count:
    """What came of a row's tests."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)


@dataclass(frozen=True)
class Result:
    """One line of the table; ``problem`` says why there are no numbers, or that more than a test went wrong."""

    row: Row
    python: str = ""
    count: Count = Count()
    seconds: float = 0.0
    problem: str = ""
    ran: bool = True

    @property
    def is_good(self) -> bool:
        return not self.ran or (not self.problem and not self.count.failed and self.count.passed > 0)

    def __str__(self) -> str:
        count = self.count
        numbers = (
            f"{count.passed:>7} {count.failed:>7} {count.skipped:>8} {self.seconds:>8.0f}" if self.ran else " " * 33
        )
        return f"{self.row.name:<12} {self.python:<8} {numbers}  {self.problem}".rstrip()


HEADING = f"{'Airflow':<12} {'Python':<8} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}"


class RowFailed(RuntimeError):
    """A row whose tests could not even start."""


def find_python(version: str) -> str | None:
    """An interpreter of this machine: on the PATH, or one of pyenv's, whose stand-ins on the PATH may be empty."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [f"python{version}", *sorted(map(str, pyenv.glob(f"versions/{version}.*/bin/python")))]
    question = "import sys; print(sys.executable) if '%d.%d' % sys.version_info[:2] == sys.argv[1] else sys.exit(1)"
    for candidate in candidates:
        try:
            asked = [candidate, "-c", question, version]
            return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            continue
    return None


def run_logged(command: Sequence[str], log: Path, cwd: Path = ROOT) -> None:
    with log.open("ab") as output:
        ended = subprocess.run(command, cwd=cwd, stdout=output, stderr=subprocess.STDOUT, check=False)
    if ended.returncode:
        raise RowFailed(f"{' '.join(command[:6])} ... ended with status {ended.returncode}")


def environment_for(row: Row, interpreter: str, wheel: Path, log: Path) -> Path:
    """The row's Python, with the wheel and its extras at exactly the pinned releases."""
    venv = FOLDER / row.name
    stamp = venv / ".made-from"
    made_from = hashlib.sha256(f"{venv} {interpreter} {row.constraints.read_text()}".encode()).hexdigest()
    python = venv / "bin" / "python"
    if not stamp.is_file() or stamp.read_text() != made_from:
        shutil.rmtree(venv, ignore_errors=True)
        run_logged(uv("venv", "--quiet", "--python", interpreter, str(venv)), log)
    install = uv("pip", "install", "--quiet", "--python", str(python), "--constraint", str(row.constraints))
    # Two builds have the same version, so that uv would keep the old one.
    run_logged([*install, "--reinstall-package", PACKAGE.replace("_", "-"), f"{wheel}{EXTRAS}"], log)
    stamp.write_text(made_from)
    return python


def check_what_is_tested(python: Path, copy: Path) -> None:
    """A checkout that is imported instead of the wheel would make all the rest worthless."""
    question = f"import {PACKAGE}; print({PACKAGE}.__file__)"
    found = subprocess.run(
        [python, "-c", question], cwd=copy, capture_output=True, text=True, check=True
    ).stdout.strip()
    if not Path(found).is_relative_to(python.parent.parent):
        raise RowFailed(f"{PACKAGE} is imported from {found}")


def copy_tests(target: Path) -> None:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.is_file():
            shutil.copy2(source, target / name)


def run_pytest(python: Path, copy: Path, log: Path, arguments: Sequence[str]) -> Count:
    """Run tests in a session of their own, so that an Airflow that they leave behind ends with them."""
    report = copy / "report.xml"
    report.unlink(missing_ok=True)
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *arguments]
    # A subprocess of a test must find the row's Python first, not the one that runs this.
    environment = {**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    with running(command, environment=environment, log=log, cwd=copy) as process:
        try:
            status = process.wait(timeout=ROW_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise RowFailed(f"not done after {ROW_TIMEOUT:.0f} s") from None
    if status == NO_TESTS_COLLECTED:
        return Count()
    if not report.is_file():
        raise RowFailed(f"pytest ended with status {status}")
    return count_of(report)


def count_of(report: Path) -> Count:
    """Sum up pytest's own report."""
    total = Count()
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):
        tests, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
        failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        total += Count(tests - failed - skipped, failed, skipped)
    return total


def selections(row: Row, quick: bool, extra: Sequence[str]) -> list[list[str]]:
    """The arguments of each call of pytest."""
    what = list(QUICK_TESTS) if quick else ["tests", *(f"--ignore={folder}" for folder in LEFT_OUT)]
    chosen = [["-m", "not slow and not system", *PARALLEL, *what, *extra]]
    if row.system_tests and not quick:
        chosen.append([*row.system_tests, *extra])
    return chosen


def run_row(row: Row, wheel: Path, copy: Path, quick: bool, extra: Sequence[str]) -> Result:
    """Make the environment and run everything in it."""
    log = FOLDER / f"{row.name}.log"
    log.write_text("")
    interpreter = find_python(row.python)
    if interpreter is None:
        return Result(row, row.python, problem=f"left out: no Python {row.python} on this machine", ran=False)
    began = time.monotonic()
    count, problem = Count(), ""
    try:
        python = environment_for(row, interpreter, wheel, log)
        check_what_is_tested(python, copy)
        for arguments in selections(row, quick, extra):
            count += run_pytest(python, copy, log, arguments)
    except (RowFailed, subprocess.CalledProcessError) as error:
        problem = str(error)
    result = Result(row, row.python, count, time.monotonic() - began, problem)
    if not result.is_good:
        print(f"\n{last_lines(log, count=60)}\n(all of it: {log})\n", flush=True)
    return result


def run(rows: Sequence[Row], quick: bool, extra: Sequence[str]) -> bool:
    """All rows, one after the other; whether all are good."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="matrix-") as folder:
        copy = Path(folder)
        copy_tests(copy)
        wheel = build(copy / "dist", kinds=("wheel",))[0]
        results = []
        print(HEADING, flush=True)
        for row in rows:
            results.append(run_row(row, wheel, copy, quick, extra))
            print(results[-1], flush=True)
    print(f"\n{HEADING}", *results, sep="\n")
    total = sum((result.count for result in results), Count())
    print(f"\nmatrix: {total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return all(result.is_good for result in results)


def main() -> int:
    """Command line; whatever follows `--` goes to pytest."""
    own, extra = sys.argv[1:], []
    if "--" in own:
        own, extra = own[: own.index("--")], own[own.index("--") + 1 :]
    names = [row.name for row in ROWS]
    parser = argparse.ArgumentParser(description="Test the built wheel under many Airflows.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(names)}")
    parser.add_argument("--quick", action="store_true", help=f"{', '.join(QUICK_ROWS)} in part")
    options = parser.parse_args(own)
    wanted = options.rows or (QUICK_ROWS if options.quick else names)
    unknown = set(wanted) - set(names)
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    clean_up_when_told_to_stop()
    return 0 if run([row for row in ROWS if row.name in wanted], options.quick, extra) else 1


if __name__ == "__main__":
    sys.exit(main())
