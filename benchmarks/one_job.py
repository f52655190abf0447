"""What the operator adds to a job: requests and time; and how fast jobs can be submitted.

    python benchmarks/one_job.py [--repeat N] [--submissions N] [--json]

The operator runs in this process, without a scheduler around it: once in sync mode, once deferrable with its trigger on
a loop of its own and a fresh operator after that. The job sleeps for a second; what it takes by itself is told by the
sandbox's record of it. Medians of all repetitions. Submissions are a held creation and a release each, by one operator
after the other, as mapped tasks are; with one session for all, and for comparison with a new one for each.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.update(
    {
        "AIRFLOW_HOME": tempfile.mkdtemp(prefix="benchmark-airflow-"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    }
)

from airflow_provider_theeye.jobs import deferral
from airflow_provider_theeye.sandbox import Sandbox
from benchmarks.report import machine, machine_line, shown, table
from tests.running import FakeStore, FakeTaskInstance, context, run

CONNECTION = "benchmark"
MODES = ("sync", "deferrable")
DEFINITIONS: dict[str, Any] = {
    "organizations": {"demo": {"hosts": ["host-a"], "users": {"integration": {"role": "integration"}}}},
    "tasks": {
        "nap": {"name": "Nap", "host": "host-a", "script": "sleep 1\necho success"},
        "any": {"name": "Any", "host": "host-a", "script": "true", "arguments": ["value"], "autoremove": None},
    },
}


def one_job(sandbox: Sandbox, mode: str) -> dict[str, float]:
    """Requests of one job and where its time went."""
    from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator

    def make(**options: Any) -> TheEyeTaskOperator:
        return TheEyeTaskOperator(task_id="nap", theeye_conn_id=CONNECTION, theeye_task_name="Nap", **options)

    sandbox.reset_journal()
    began = time.time()
    value = run(make, mode, context(FakeTaskInstance(), FakeStore()))
    ended = time.time()
    requests = sandbox.journal()["requests"]
    history = sandbox.request("GET", f"/_sandbox/jobs/{value['job_id']}")["history"]
    at = {moment["lifecycle"]: moment["at"] for moment in history}
    return {
        "requests": sum(requests.values()),
        # One of these lists is no poll: it looks for held jobs that earlier tries left behind.
        "polls": requests.get("GET /{customer}/job", 0) - 1,
        "before_s": at["assigned"] - began,
        "job_s": at["finished"] - at["assigned"],
        "after_s": ended - at["finished"],
        "overhead_s": ended - began - (at["finished"] - at["assigned"]),
    }


def submissions_per_second(sandbox: Sandbox, count: int, *, one_session: bool) -> float:
    from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator

    def make() -> TheEyeTaskOperator:
        return TheEyeTaskOperator(
            task_id="any", theeye_conn_id=CONNECTION, theeye_task_name="Any", wait_for_completion=False
        )

    shared = make()
    began = time.perf_counter()
    for number in range(count):
        operator = shared if one_session else make()
        operator.task_arguments = [str(number)]
        operator.execute(context(FakeTaskInstance(), FakeStore()))
    return count / (time.perf_counter() - began)


def median(measure: Callable[[], dict[str, float]], repeat: int) -> dict[str, float]:
    # The first one imports what the others find imported.
    measure()
    found = [measure() for _ in range(repeat)]
    return {key: statistics.median(one[key] for one in found) for key in found[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=9, metavar="N")
    parser.add_argument("--submissions", type=int, default=200, metavar="N")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    deferral.PATIENCE = 0.0  # A job of a second would not be deferred.
    # Airflow warns of every operator that runs outside of its task runner.
    logging.disable(logging.WARNING)
    with Sandbox(DEFINITIONS) as sandbox:
        os.environ[f"AIRFLOW_CONN_{CONNECTION.upper()}"] = json.dumps(sandbox.airflow_connection())
        found: dict[str, Any] = {
            mode: median(lambda mode=mode: one_job(sandbox, mode), options.repeat)  # type: ignore[misc]
            for mode in MODES
        }
    with Sandbox(DEFINITIONS, runner=False) as sandbox:
        os.environ[f"AIRFLOW_CONN_{CONNECTION.upper()}"] = json.dumps(sandbox.airflow_connection())
        found["submissions_per_s"] = {
            "one_session": submissions_per_second(sandbox, options.submissions, one_session=True),
            "session_each": submissions_per_second(sandbox, options.submissions, one_session=False),
        }
    if options.json:
        print(json.dumps({"machine": machine(), **found}))
        return
    print(f"{machine_line()}\n\nOne job of a second, medians of {options.repeat}")
    head = ["mode", "requests", "of them polls", "job s", "until it ran s", "after its end s", "overhead s"]
    keys = ("requests", "polls", "job_s", "before_s", "after_s", "overhead_s")
    rows = [[mode, *(shown(found[mode][key], 2 if key.endswith("_s") else 0) for key in keys)] for mode in MODES]
    print(table(head, rows))
    rates = found["submissions_per_s"]
    print(
        f"\n{options.submissions} submissions: {rates['one_session']:.0f} per second with one session, "
        f"{rates['session_each']:.0f} with a session each"
    )


if __name__ == "__main__":
    main()
