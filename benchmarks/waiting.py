"""What N waiting jobs cost on one event loop, beside the ways in which others wait.

    python benchmarks/waiting.py [--jobs N ...] [--all] [--seconds S] [--share P] [--json]
    python benchmarks/waiting.py --jobs 1000 --profile

Each variant runs in a fresh process of its own, one after the other, against the same sandbox, with the same poll
interval of 2 seconds:

* ours: ``TheEyeJobTrigger``.
* one_client: one GET per job and interval, through one shared ``aiohttp.ClientSession``.
* client_each: the same with a session for each trigger.
* floor: triggers that sleep, and never ask.

All jobs are running. The triggers start and settle; then comes the window of which requests and CPU are told, in which
no job ends; then twenty seconds in which another process ends some of them (``--share``). How late the loop is, is told
of both. With ``--json`` one document is printed for each number of jobs, on a line of its own. ``--profile`` measures
nothing but shows what our CPU time goes into.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psutil

from airflow_provider_theeye.sandbox import Sandbox
from benchmarks.libraries import python_path
from benchmarks.report import machine, machine_line, percentile, shown, table
from benchmarks.theeye import DEFINITIONS, SANDBOX_OPTIONS, Plan, RunningJobs

ROOT = Path(__file__).resolve().parent.parent
VARIANTS = ("ours", "one_client", "client_each", "floor")
SIZES = (10, 100, 1000)
ALL_SIZES = (*SIZES, 10_000)
POLL_INTERVAL = 2.0
CONNECTION = "benchmark"
#: Seconds of the phase in which jobs end; the last one so early that even a slow variant can see it in time.
ENDING = 20.0
LAST_END = 0.8
FEWEST_ENDS = 5
#: Seconds in which a variant's process starts, up to the first look.
START_WITHIN = 60.0
#: What an overloaded loop may take, after its window, to notice that it is over; then its process is ended.
GRACE = 120.0

COLUMNS = (
    ("variant", ""),
    ("requests/s", "requests_per_s"),
    ("CPU s", "cpu_s"),
    ("CPU ms per end", "cpu_ms_per_end"),
    ("peak MiB", "peak_mib"),
    ("MiB more", "grown_mib"),
    ("lag p50 ms", "loop_lag_p50_ms"),
    ("lag p99 ms", "loop_lag_p99_ms"),
    ("end to event p50 s", "end_to_event_p50_s"),
    ("p99 s", "end_to_event_p99_s"),
    ("ends seen", "seen"),
)


def plan(ids: list[str], share: float, seconds: float = ENDING) -> Plan:
    """Ends spread evenly over the time, up to a rest in which they can be noticed."""
    count = min(len(ids), max(FEWEST_ENDS, round(len(ids) * share)))
    return [(seconds * LAST_END * number / count, ids[number * len(ids) // count]) for number in range(count)]


def environment(sandbox: Sandbox, home: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    return {
        **inherited,
        "PYTHONPATH": python_path(),
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        f"AIRFLOW_CONN_{CONNECTION.upper()}": json.dumps(sandbox.airflow_connection()),
    }


@dataclass(frozen=True)
class Bench:
    """The sandbox and its jobs, for all variants and sizes."""

    sandbox: Sandbox
    jobs: RunningJobs
    environment: dict[str, str]

    def run(self, variant: str, count: int, seconds: float, share: float, *, profile: bool = False) -> dict[str, Any]:
        """One variant's numbers."""
        ids = self.jobs.ids(count)
        ender = self.jobs.end_later(plan(ids, share) if variant != "floor" else [])
        order = {
            "variant": variant,
            "conn_id": CONNECTION,
            "poll_interval": POLL_INTERVAL,
            "seconds": seconds,
            "ending": ENDING,
            "profile": profile,
        }
        with self._process() as process:
            say(process, json.dumps({**order, "ids": ids}))
            if hear(process, START_WITHIN) != "ready":
                raise SystemExit(f"the process of {variant} did not start")
            say(process, "go")
            hear(process, GRACE)
            self.jobs.reset()
            began = time.time()
            hear(process, seconds + GRACE)
            polls, reads = self.jobs.requests()
            ender.start()
            last = hear(process, ENDING + GRACE)
            said = json.loads(last) if last else _seen_from_outside(process.pid, began)
        return summary(said, polls, reads, ender.ends())

    @contextlib.contextmanager
    def _process(self) -> Any:
        command = [sys.executable, "-m", "benchmarks.measured"]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=self.environment, cwd=ROOT
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def say(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str], seconds: float) -> str:
    """The process's next line; empty if it does not come to say one."""
    assert process.stdout is not None
    in_time = bool(select.select([process.stdout], [], [], seconds)[0])
    return process.stdout.readline().rstrip() if in_time else ""


def _seen_from_outside(pid: int, began: float) -> dict[str, Any]:
    """What can be told of a process that does not come to say it itself."""
    process, now = psutil.Process(pid), time.time()
    memory = process.memory_info().rss / 2**20
    return {
        "events": {},
        "lags": [],
        "cpu_s": sum(process.cpu_times()[:2]),
        "wall_s": now - began,
        "ended_at": now,
        "peak_mib": memory,
        "before_mib": memory,
        "failed_requests": None,
    }


def summary(said: dict[str, Any], polls: int, reads: int, ends: dict[str, float]) -> dict[str, Any]:
    """An end that was not seen counts as seen when the window closed: as early as it can have been."""
    events: dict[str, float] = said["events"]
    delays = sorted(max(0.0, events.get(one, said["ended_at"]) - end) for one, end in ends.items())
    wall = said["wall_s"]
    milliseconds = [1000 * lag for lag in said["lags"]]
    return {
        "requests_per_s": (polls + reads) / wall,
        "polls_per_s": polls / wall,
        "reads_per_s": reads / wall,
        "cpu_s": said["cpu_s"],
        "starting_cpu_s": said.get("starting_cpu_s"),
        "cpu_ms_per_end": _cpu_ms_per_end(said, len(ends)),
        "peak_mib": said["peak_mib"],
        "grown_mib": said["peak_mib"] - said["before_mib"],
        "loop_lag_p50_ms": percentile(milliseconds, 0.5),
        "loop_lag_p99_ms": percentile(milliseconds, 0.99),
        "loop_lag_max_ms": percentile(milliseconds, 1.0),
        "end_to_event_p50_s": percentile(delays, 0.5),
        "end_to_event_p99_s": percentile(delays, 0.99),
        "ends": len(ends),
        "seen": sum(one in events for one in ends),
        "failed_requests": said["failed_requests"],
        "wall_s": wall,
    }


def _cpu_ms_per_end(said: dict[str, Any], ends: int) -> float | None:
    """What the phase in which jobs end costs more than as much time of waiting alone."""
    if not ends or said.get("ending_cpu_s") is None:
        return None
    waiting = said["cpu_s"] * said["ending_wall_s"] / said["wall_s"]
    return float(1000 * max(0.0, said["ending_cpu_s"] - waiting) / ends)


def ratios(found: dict[str, Any]) -> dict[str, float | None]:
    ours, one_client, floor = found["ours"], found["one_client"], found["floor"]
    wanted = found["jobs"] / POLL_INTERVAL
    return {
        "requests_ours_to_one_client": ours["requests_per_s"] / one_client["requests_per_s"],
        # What one GET per job and interval comes to, if client, loop and server can keep up with it.
        "requests_ours_to_wanted": ours["requests_per_s"] / wanted,
        "cpu_ours_to_floor": ours["cpu_s"] / floor["cpu_s"],
        "cpu_ours_to_one_client": ours["cpu_s"] / one_client["cpu_s"],
        "cpu_ms_per_job_and_minute": ours["cpu_s"] * 60_000 / ours["wall_s"] / found["jobs"],
    }


def columns(found: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table, one row for each variant that was measured."""
    rows = []
    for variant in (one for one in VARIANTS if one in found):
        row = found[variant]
        cells = [shown(row[key], 1 if key.endswith(("ms", "mib")) else 2) for _, key in COLUMNS[1:-1]]
        rows.append([variant, *cells, f"{row['seen']} of {row['ends']}" if row["ends"] else "-"])
    return [head for head, _ in COLUMNS], rows


def text(found: dict[str, Any]) -> str:
    of = found["ratios"]
    wanted = f"{found['jobs'] / POLL_INTERVAL:,.0f}"
    return "\n".join(
        [
            f"{found['jobs']:,} jobs for {found['seconds']:g} s, every {POLL_INTERVAL:g} s",
            table(*columns(found)),
            f"requests, ours to one client: 1/{1 / of['requests_ours_to_one_client']:.0f} "
            f"as measured, 1/{1 / of['requests_ours_to_wanted']:.0f} to the {wanted} per second that it should send",
            f"CPU, ours to the floor: {of['cpu_ours_to_floor']:.2f}; "
            f"to one client: {of['cpu_ours_to_one_client']:.3f}; "
            f"for each job and minute: {of['cpu_ms_per_job_and_minute']:.2f} ms",
        ]
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, nargs="+", action="extend", metavar="N", help="default: 10 100 1000")
    parser.add_argument("--all", action="store_true", help="10,000 jobs too")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S", help="of one variant (default: 60)")
    parser.add_argument("--share", type=float, default=0.05, metavar="P", help="of the jobs that end")
    parser.add_argument("--profile", action="store_true", help="ours alone, with cProfile")
    parser.add_argument("--json", action="store_true", help="one document for each number of jobs")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    sizes = options.jobs or (ALL_SIZES if options.all else SIZES)
    if not options.json:
        print(machine_line(), flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-airflow-") as home,
        Sandbox(DEFINITIONS, runner=False, extra_args=SANDBOX_OPTIONS) as sandbox,
    ):
        bench = Bench(sandbox, RunningJobs(sandbox), environment(sandbox, home))
        for count in sizes:
            if options.profile:
                bench.run("ours", count, options.seconds, options.share, profile=True)
                continue
            found: dict[str, Any] = {"jobs": count, "seconds": options.seconds, "machine": machine()}
            for variant in VARIANTS:
                began = time.monotonic()
                found[variant] = bench.run(variant, count, options.seconds, options.share)
                print(f"{count} jobs, {variant}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
            found["ratios"] = ratios(found)
            print(json.dumps(found) if options.json else f"\n{text(found)}", flush=True)


if __name__ == "__main__":
    main()
