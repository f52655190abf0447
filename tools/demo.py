"""`make demo`: run the example DAGs through real Airflow against the sandbox, and say what happened.

Airflow's own log goes to .run/demo.log; on the screen is only what a person wants to follow. The sandbox and Airflow
are ended with this program, however it ends.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_theeye.sandbox import Sandbox
from tools.airflow_env import (
    EXAMPLE_DAGS,
    PROGRESS_FILE_VARIABLE,
    PROGRESS_PLUGINS,
    ROOT,
    RUN_FOLDER,
    AirflowCommandFailed,
    PrivateAirflow,
    airflow_version,
    connection_settings,
    home_for,
    last_lines,
    sandbox_connection,
)
from tools.processes import clean_up_when_told_to_stop, running

DAGS = {
    "example_theeye_sync": "each task holds its worker until the job is over",
    "example_theeye_deferrable": "a task whose job takes longer hands the wait to the triggerer and frees its worker",
}
LOOK_EVERY = 0.2
OUTPUT_WIDTH = 60
NEXT_STEPS = """\
Where to go next
  make ui        the same DAGs in Airflow's web pages, with this sandbox, until Ctrl-C
  make test      the tests
  example_dags/  the DAGs that just ran

Your own account needs three fields of an Airflow connection of type TheEye, with the id theeye_default:
  Server             https://supervisor.theeye.io, or your own server
  Organization       its name
  Integration token  an admin makes one in the web UI: Settings > Credentials > Integration Tokens
"""


def say(text: str = "") -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True)


def shown_path(path: Path) -> str:
    """A path as someone in the checkout would type it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def new_lines(file: Path, position: int) -> tuple[list[dict[str, Any]], int]:
    """The JSON lines that were added to `file` after `position`, and the new position."""
    if not file.is_file():
        return [], position
    with file.open("rb") as stream:
        stream.seek(position)
        text = stream.read()
    complete = text[: text.rfind(b"\n") + 1]
    return [json.loads(line) for line in complete.splitlines()], position + len(complete)


@dataclass(frozen=True)
class Files:
    """Where a demonstration keeps what it writes."""

    folder: Path

    @property
    def log(self) -> Path:
        """Airflow's own log."""
        return self.folder / "demo.log"

    @property
    def progress(self) -> Path:
        """Airflow's notes about task instances, see tools/airflow_plugins/progress.py."""
        return self.folder / "demo-progress.jsonl"

    @property
    def results(self) -> Path:
        """The results of the runs, see tools/run_dags.py."""
        return self.folder / "demo-results.jsonl"

    @property
    def home(self) -> Path:
        """Airflow's home."""
        return home_for("demo", self.folder)

    def remove_old(self) -> None:
        """Make room for new ones; the home stays, since preparing it takes a while."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for file in (self.log, self.progress, self.results):
            file.unlink(missing_ok=True)


class Progress:
    """Turns Airflow's notes about task instances into lines for a person."""

    def __init__(self) -> None:
        self.started: dict[tuple[str, str, int, int], float] = {}
        self.dag_id = ""

    def lines(self, note: dict[str, Any]) -> Iterator[str]:
        """What to print about one note."""
        if note["dag_id"] != self.dag_id:
            self.dag_id = note["dag_id"]
            yield f"\n{self.dag_id}: {DAGS[self.dag_id]}"
        key = (note["dag_id"], note["task_id"], note["map_index"], note["try_number"])
        task = task_label(note)
        if note["event"] == "running":
            # Airflow says "running" again when a deferred task comes back.
            resumed = key in self.started
            self.started.setdefault(key, note["at"])
            yield f"  {'back' if resumed else 'start':8}{task}{'  (its trigger saw the end)' if resumed else ''}"
        else:
            yield f"  {note['event']:8}{task}  {note['at'] - self.started.get(key, note['at']):.1f} s"
            if note["error"]:
                yield f"          {note['error']}"


def task_label(task: dict[str, Any]) -> str:
    """A task's id, with its place for mapped ones."""
    return str(task["task_id"]) if task["map_index"] < 0 else f"{task['task_id']}[{task['map_index']}]"


def shortened(value: Any) -> str:
    """A value as JSON on one line of bearable length."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= OUTPUT_WIDTH else f"{text[: OUTPUT_WIDTH - 3]}..."


def result_rows(run: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """The table of a run: task, job id, how it ended, output. Tasks that are not TheEye's are left out."""
    yield "TASK", "THEEYE JOB", "ENDED", "OUTPUT"
    for task in run["tasks"]:
        job_id = task["xcoms"].get("job_id")
        if job_id is None and task["state"] == "success":
            continue
        result = task["xcoms"].get("return_value")
        yield task_label(task), str(job_id or "-"), *ending_and_output(result, task["state"])
        for step in (result or {}).get("steps", ()):
            yield f"  {step['name']}", step["job_id"], *ending_and_output(step, "")


def ending_and_output(result: dict[str, Any] | None, airflow_state: str) -> tuple[str, str]:
    """How a job ended and what it put out, as far as the task handed it on."""
    if result is None:
        return f"Airflow: {airflow_state}", ""
    if result["outcome"] is None:
        return f"not waited for ({result['lifecycle']})", ""
    exit_code = result["exit_code"]
    ended = str(result["outcome"]) + ("" if exit_code is None else f", exit code {exit_code}")
    return ended, shortened(result["output"])


def show_results(runs: list[dict[str, Any]]) -> None:
    """Print the table of each run."""
    for run in runs:
        say(f"\n{run['dag_id']}: {run['state']}")
        rows = list(result_rows(run))
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        for row in rows:
            say("  " + "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]))


def journal_totals(journal: dict[str, Any]) -> str:
    """The sums of the sandbox's own counts, as a part of a sentence."""
    totals = dict(journal["totals"])
    requests = totals.pop("requests")
    return f"{requests} requests; jobs {', '.join(f'{event} {count}' for event, count in totals.items())}"


def run_example_dags(airflow: PrivateAirflow, files: Files) -> int:
    """Run them in an Airflow process, telling what goes on; returns its exit status."""
    command = [sys.executable, "-m", "tools.run_dags", "--results", str(files.results), *DAGS]
    progress = Progress()
    position = 0
    with running(command, environment=airflow.environment(), log=files.log) as airflow_process:
        ended = False
        while not ended:
            # Asked before reading: whatever was noted before the end is then still read.
            ended = airflow_process.poll() is not None
            notes, position = new_lines(files.progress, position)
            for note in notes:
                for line in progress.lines(note):
                    say(line)
            if not ended:
                time.sleep(LOOK_EVERY)
        return airflow_process.wait()


def demo(files: Files) -> int:
    """The whole demonstration; returns the exit status."""
    files.remove_old()
    with Sandbox() as sandbox:
        say(f"Sandbox   {sandbox.url}  (a TheEye server on this machine, which runs its scripts here)")
        say(f"Airflow   {airflow_version()}, its log is in {shown_path(files.log)}")
        airflow = PrivateAirflow(
            home=files.home,
            dags_folder=EXAMPLE_DAGS,
            settings={
                **connection_settings(sandbox_connection(sandbox)),
                "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROGRESS_PLUGINS),
                PROGRESS_FILE_VARIABLE: str(files.progress),
            },
        )
        say(f"Preparing Airflow in {shown_path(files.home)} ...")
        airflow.migrate(files.log)
        say("Starting Airflow ...")
        status = run_example_dags(airflow, files)
        show_results(new_lines(files.results, 0)[0])
        say(f"\nThe sandbox counted {journal_totals(sandbox.journal())}.")
    if status != 0:
        say(f"\nA DAG failed. The end of {shown_path(files.log)}:\n{last_lines(files.log)}")
        return 1
    say(f"\n{NEXT_STEPS}")
    return 0


def main() -> int:
    """Run the demo and turn what can go wrong into a sentence."""
    parser = argparse.ArgumentParser(description="Run the example DAGs against the sandbox.")
    parser.add_argument("--folder", type=Path, default=RUN_FOLDER, help="where to keep logs and database")
    files = Files(parser.parse_args().folder.resolve())
    clean_up_when_told_to_stop()
    try:
        return demo(files)
    except KeyboardInterrupt:
        say("\nStopped; nothing is left running.")
        return 130
    except (AirflowCommandFailed, OSError) as error:
        say(f"\nThe demo failed: {error}\n{last_lines(files.log)}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
