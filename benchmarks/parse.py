"""What our operators add to parsing a DAG file, beside those of two other providers.

    python benchmarks/parse.py [--repeat N] [--json]

Each file has the same DAG of ten tasks, once of ``EmptyOperator`` and once of each provider's operator. As Airflow's
DAG processor does, a process that has imported Airflow forks for each parse, the files in turn. The numbers are medians
over all forks: CPU time, since parsing waits for nothing, and resident memory. The other providers are installed into
an environment of the benchmark's own, on top of the one that this runs in.
"""

from __future__ import annotations

import argparse
import json
import os
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import machine, machine_line, shown, table

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".run" / "benchmark-venv"
PROVIDERS = ("apache-airflow-providers-dbt-cloud", "apache-airflow-providers-http")
MOST_MS, MOST_MIB = 30.0, 5.0
TASKS = 10

OPERATORS = {
    "EmptyOperator": ("airflow.providers.standard.operators.empty", "EmptyOperator", ""),
    "TheEyeTaskOperator": ("airflow_provider_theeye.operators.theeye", "TheEyeTaskOperator", ", theeye_task_name='x'"),
    "DbtCloudRunJobOperator": (
        "airflow.providers.dbt.cloud.operators.dbt",
        "DbtCloudRunJobOperator",
        ", job_id=1, deferrable=True",
    ),
    "HttpOperator": ("airflow.providers.http.operators.http", "HttpOperator", ", endpoint='x', deferrable=True"),
}
BASE = "EmptyOperator"
DAG_FILE = """\
from airflow.providers.common.compat.sdk import DAG
from {module} import {operator}

with DAG("parsed", schedule=None) as dag:
    for number in range({tasks}):
        {operator}(task_id=f"task_{{number}}"{arguments})
"""


def environment() -> Path:
    """Python of an environment that sees everything of ours and has the other providers too."""
    python = ENVIRONMENT / "bin" / "python"
    stamp = ENVIRONMENT / "installed"
    if stamp.is_file():
        return python
    print(f"installing {' and '.join(PROVIDERS)} into {ENVIRONMENT} ...", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], check=True)
    ours = next(path for path in sys.path if path.endswith("site-packages"))
    (theirs,) = ENVIRONMENT.glob("lib/python*/site-packages")
    (theirs / "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    # Airflow itself stays as it is: what is installed here must fit it.
    pins = ENVIRONMENT / "pins.txt"
    pins.write_text(f"apache-airflow=={version('apache-airflow')}\n")
    subprocess.run([python, "-m", "pip", "install", "-qq", "-c", str(pins), *PROVIDERS], check=True)
    stamp.touch()
    return python


def measure(files: dict[str, str], repeat: int) -> dict[str, list[tuple[float, float]]]:
    """Milliseconds and MiB of each parse. Runs in the environment with all providers."""
    import airflow.dag_processing.processor
    import airflow.providers.standard.operators.empty  # noqa: F401

    found: dict[str, list[tuple[float, float]]] = {name: [] for name in files}
    for number in range(repeat + 1):
        for name, file in files.items():
            once = _parse_in_fork(file)
            # The first one may have compiled modules.
            if number:
                found[name].append(once)
    return found


def _parse_in_fork(file: str) -> tuple[float, float]:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            memory, began = _memory_mib(), time.process_time()
            runpy.run_path(file)
            took = (time.process_time() - began) * 1000
            os.write(writer, json.dumps([took, _memory_mib() - memory]).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        said = stream.read()
    os.waitpid(child, 0)
    if not said:
        raise SystemExit(f"{file} cannot be parsed")
    took, memory = json.loads(said)
    return took, memory


def _memory_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def in_environment(repeat: int) -> dict[str, list[list[float]]]:
    python = environment()
    with tempfile.TemporaryDirectory(prefix="benchmark-dags-") as folder:
        files = {}
        for name, (module, operator, arguments) in OPERATORS.items():
            file = Path(folder) / f"{name}.py"
            text = DAG_FILE.format(module=module, operator=operator, arguments=arguments, tasks=TASKS)
            file.write_text(text)
            files[name] = str(file)
        variables = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        variables |= {"AIRFLOW_HOME": folder, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        command = [str(python), __file__, "--measure", json.dumps(files), "--repeat", str(repeat)]
        said = subprocess.run(command, env=variables, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, list[list[float]]] = json.loads(said.splitlines()[-1])
    return found


def summary(measured: dict[str, list[list[float]]]) -> dict[str, Any]:
    median = {
        name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in measured.items()
    }
    base_ms, base_mib = median[BASE]
    return {
        name: {"ms": ms, "mib": mib, "more_ms": ms - base_ms, "more_mib": mib - base_mib}
        for name, (ms, mib) in median.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=15, metavar="N")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(json.loads(options.measure), options.repeat)))
        return
    found = summary(in_environment(options.repeat))
    if options.json:
        print(json.dumps({"machine": machine(), **found}))
        return
    print(f"{machine_line()}\n\nParsing a DAG of {TASKS} tasks, medians of {options.repeat} forks")
    rows = [
        [name, shown(of["ms"], 1), shown(of["mib"], 1), shown(of["more_ms"], 1), shown(of["more_mib"], 1)]
        for name, of in found.items()
    ]
    print(table(["operator", "CPU ms", "MiB", "ms over EmptyOperator", "MiB over EmptyOperator"], rows))
    print(f"aim for ours: at most {MOST_MS:g} ms and {MOST_MIB:g} MiB over EmptyOperator")


if __name__ == "__main__":
    main()
