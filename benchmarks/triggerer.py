"""What waiting jobs cost in a real triggerer: Airflow's scheduler, API server and triggerer on loopback.

    python benchmarks/triggerer.py [--jobs N] [--seconds S] [--variants NAME ...] [--json]

For each variant (see ``waiting``) a DAG run has one mapped task for each job, all of them deferred. The tasks start in
the triggerer without a worker before, so that two cores are enough for a thousand of them; what then waits is the same.
CPU and memory are those of the process in whose loop the triggers run, a fresh one for each variant, as /proc tells
them; requests as the sandbox counted them. The connection is in Airflow's database.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psutil

from airflow_provider_theeye.sandbox import Sandbox
from benchmarks.libraries import python_path
from benchmarks.mapped import EVENTS, LAGS
from benchmarks.measured import Clock
from benchmarks.report import machine, machine_line, shown, table
from benchmarks.theeye import DEFINITIONS, SANDBOX_OPTIONS, RunningJobs
from benchmarks.waiting import ENDING, POLL_INTERVAL, columns, plan, summary
from tools.airflow_env import PrivateAirflow
from tools.standalone import Standalone

ROOT = Path(__file__).resolve().parent.parent
VARIANTS = ("ours", "one_client", "floor")
CONNECTION = "benchmark"
START_WITHIN = 300.0
#: Seconds for the triggers' first, more frequent looks to be over.
SETTLING = 10.0
DAG_FILE = """\
from airflow.sdk import DAG, BaseOperator
from airflow.triggers.base import StartTriggerArgs


class Wait(BaseOperator):
    start_from_trigger = True

    def __init__(self, number, **kwargs):
        super().__init__(**kwargs)
        self.number = number

    def execute_complete(self, context, event):
        return None


for variant in {variants!r}:
    arguments = StartTriggerArgs(
        trigger_cls="benchmarks.mapped.MappedTrigger",
        next_method="execute_complete",
        trigger_kwargs={{
            "variant": variant,
            "conn_id": {connection!r},
            "poll_interval": {interval},
            "folder": {folder!r} + "/" + variant,
        }},
    )
    # Airflow takes them from the class alone.
    operator = type("Wait_" + variant, (Wait,), {{"start_trigger_args": arguments}})
    with DAG("waiting_" + variant, schedule=None, max_active_tasks={jobs}):
        operator.partial(task_id="wait").expand(number=list(range({jobs})))
"""


def settings(jobs: int) -> dict[str, str]:
    return {
        "PYTHONPATH": python_path(),
        "AIRFLOW__CORE__MAX_MAP_LENGTH": str(jobs + 1),
        "AIRFLOW__TRIGGERER__CAPACITY": str(jobs + 10),
        "AIRFLOW__SCHEDULER__MAX_TIS_PER_QUERY": "0",
    }


def until(test: Callable[[], bool], what: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not test():
        if time.monotonic() > end:
            raise SystemExit(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.5)


@dataclass(frozen=True)
class Bench:
    """A running Airflow, a sandbox with running jobs, and the folder where the triggers write."""

    airflow: Standalone
    jobs: RunningJobs
    folder: Path

    def run(self, variant: str, count: int, seconds: float, share: float) -> dict[str, Any]:
        folder = self.folder / variant
        ids = self.jobs.ids(count)
        (folder / "ids.json").write_text(json.dumps(ids))
        ender = self.jobs.end_later(plan(ids, share) if variant != "floor" else [])
        runner = psutil.Process(self.airflow.trigger_runner_pid())
        before = runner.memory_info().rss / 2**20
        began = time.monotonic()
        run_id = self.airflow.api.trigger(f"waiting_{variant}")
        begun = folder / "begun"
        until(lambda: begun.exists() and begun.stat().st_size >= count, f"{count} triggers to begin", START_WITHIN)
        print(f"{variant}: {count} triggers began in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        time.sleep(SETTLING)
        self.jobs.reset()
        began, clock = time.time(), Clock(lambda: sum(runner.cpu_times()[:2]))
        time.sleep(seconds)
        said = dict(zip(("cpu_s", "wall_s"), clock.read(), strict=True))
        polls, reads = self.jobs.requests()
        ender.start()
        time.sleep(ENDING)
        said |= dict(zip(("ending_cpu_s", "ending_wall_s"), clock.read(), strict=True))
        said |= {**_written(folder, began), "peak_mib": _peak_mib(runner.pid), "failed_requests": None}
        self.airflow.api.set_run_state(f"waiting_{variant}", run_id, "failed")
        return summary({**said, "before_mib": before}, polls, reads, ender.ends())

    def fresh_triggerer(self) -> None:
        """End the triggerer and start another one, whose memory has not grown yet."""
        old = psutil.Process(self.airflow.component_pid("triggerer"))
        children = old.children(recursive=True)
        for process in (old, *children):
            process.kill()
        psutil.wait_procs([old, *children], timeout=10)
        self.airflow.start_component("triggerer")

        def started() -> bool:
            try:
                return self.airflow.trigger_runner_pid() > 0
            except (ProcessLookupError, psutil.Error):
                return False

        until(started, "a new triggerer", START_WITHIN)
        time.sleep(SETTLING)


def _written(folder: Path, began: float) -> dict[str, Any]:
    """What the triggers wrote down since then."""
    lags = [tuple(map(float, line.split())) for line in (folder / LAGS).read_text().splitlines()]
    events = folder / EVENTS
    lines = [line.split() for line in events.read_text().splitlines()] if events.exists() else []
    return {
        "events": {job_id: float(at) for job_id, at in lines},
        "lags": sorted(late for at, late in lags if began <= at),
        "ended_at": time.time(),
    }


def _peak_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def measure(variants: list[str], jobs: int, seconds: float, share: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="benchmark-triggerer-") as name:
        folder = Path(name)
        dags = folder / "dags"
        dags.mkdir()
        text = DAG_FILE.format(
            variants=variants, jobs=jobs, connection=CONNECTION, interval=POLL_INTERVAL, folder=str(folder)
        )
        (dags / "waiting.py").write_text(text)
        for variant in variants:
            (folder / variant).mkdir()
        airflow = PrivateAirflow(home=folder / "home", dags_folder=dags, settings=settings(jobs))
        with (
            Sandbox(DEFINITIONS, runner=False, extra_args=SANDBOX_OPTIONS) as sandbox,
            Standalone(airflow) as standalone,
        ):
            standalone.api.put_connection(CONNECTION, sandbox.airflow_connection())
            bench = Bench(standalone, RunningJobs(sandbox), folder)
            found: dict[str, Any] = {}
            for variant in variants:
                standalone.api.wait_for_dag(f"waiting_{variant}")
                if found:
                    bench.fresh_triggerer()
                began = time.monotonic()
                found[variant] = bench.run(variant, jobs, seconds, share)
                print(f"{variant}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
            return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1000, metavar="N")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S")
    parser.add_argument("--share", type=float, default=0.05, metavar="P", help="of the jobs that end")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="NAME")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.chdir(ROOT)
    of = machine()
    found = measure(options.variants, options.jobs, options.seconds, options.share)
    if options.json:
        print(json.dumps({"jobs": options.jobs, "seconds": options.seconds, "machine": of, **found}))
        return
    print(machine_line(of))
    print(f"\n{options.jobs:,} deferred tasks for {options.seconds:g} s, every {POLL_INTERVAL:g} s")
    print(table(*columns(found)))
    if {"ours", "floor"} <= set(found):
        print(f"CPU, ours to the floor: {shown(found['ours']['cpu_s'] / found['floor']['cpu_s'])}")
    if {"ours", "one_client"} <= set(found):
        ratio = found["one_client"]["requests_per_s"] / found["ours"]["requests_per_s"]
        print(f"requests, ours to one client: 1/{ratio:.0f}")


if __name__ == "__main__":
    main()
