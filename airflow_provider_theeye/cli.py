"""Look-ups for people: ``python -m airflow_provider_theeye``, and ``airflow theeye`` where providers may add commands.

Both have the same commands. Nothing that takes long to import is imported before a command runs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_theeye.options import CONN_ID

if TYPE_CHECKING:
    import logging

    from airflow.cli.cli_config import GroupCommand

    from airflow_provider_theeye.api.models import Edge, Job, Task
    from airflow_provider_theeye.hooks.theeye import TheEyeHook
    from airflow_provider_theeye.jobs.reading import Ended

__all__ = ["get_cli_commands", "main"]

DESCRIPTION = "Look at TheEye's tasks, workflows and jobs, and start them, with the settings of an Airflow connection."
#: Rows of a workflow's jobs to ask for: those of its steps come among them.
_MOST_ROWS = 1000
Option = tuple[tuple[str, ...], dict[str, Any]]


class CommandFailed(Exception):
    """Ends the command with one line on stderr and status 1."""


@dataclass(frozen=True)
class Command:
    """One subcommand: its function prints and returns nothing."""

    name: str
    help: str
    function: Callable[[TheEyeHook, argparse.Namespace], None]
    options: tuple[Option, ...]


def tasks(hook: TheEyeHook, given: argparse.Namespace) -> None:
    from airflow_provider_theeye.tables import task_row

    found = hook.list_tasks(given.name, given.host)
    _print_rows([task_row(task) for task in sorted(found, key=lambda task: task.name)], given, "no task found")


def workflows(hook: TheEyeHook, given: argparse.Namespace) -> None:
    from airflow_provider_theeye.tables import workflow_row

    found = sorted(hook.list_workflows(given.name), key=lambda workflow: workflow.name)
    by_id = {task.id: task for task in hook.list_tasks()} if found else {}
    rows = [workflow_row(workflow, by_id.get(workflow.start_task_id or "")) for workflow in found]
    _print_rows(rows, given, "no workflow found")


def jobs(hook: TheEyeHook, given: argparse.Namespace) -> None:
    from airflow_provider_theeye.api import calls
    from airflow_provider_theeye.tables import job_row

    if given.workflow is not None and given.task is not None:
        raise CommandFailed("give --task or --workflow, not both")
    if given.workflow is not None:
        found = hook.run(calls.find_jobs(workflow_id=given.workflow, limit=max(_MOST_ROWS, given.limit)))
        found = [job for job in found if job.is_workflow]
    elif given.task is not None:
        found = hook.run(calls.find_jobs(task_id=given.task, limit=given.limit))
    else:
        found = hook.run(calls.find_jobs(created_since="1970-01-01T00:00:00Z", limit=given.limit))
    _print_rows([job_row(job) for job in found[: given.limit]], given, "no job found")


def job(hook: TheEyeHook, given: argparse.Namespace) -> None:
    from airflow_provider_theeye.jobs.procedures import drive
    from airflow_provider_theeye.jobs.reading import read_whole

    ended = drive(read_whole(given.id), hook.run)
    _print_job(hook, ended, given, judged=ended is not None and ended.job.is_over)


def run(hook: TheEyeHook, given: argparse.Namespace) -> None:
    from airflow_provider_theeye.jobs.reading import Ended

    started = (hook.start_workflow if given.workflow else hook.start_task)(given.id, given.arguments)
    if not given.wait:
        _print_job(hook, Ended(started), given, judged=started.is_over, fail=True)
        return
    print(f"job {started.id} ({started.name}) started, waiting for its end", file=sys.stderr)  # noqa: T201
    _print_job(hook, _wait(hook, started), given, judged=True, fail=True)


def _wait(hook: TheEyeHook, started: Job) -> Ended | None:
    from airflow_provider_theeye.hooks.wait import wait
    from airflow_provider_theeye.jobs.reading import Ended
    from airflow_provider_theeye.jobs.waiting import End, JobWatch, WaitRules

    watch = JobWatch(started.id, WaitRules(), is_workflow=started.is_workflow)
    job_secret = None
    if hook.settings.server.token is None:
        job_secret = started.secret
        if job_secret is None and started.is_over:
            return Ended(started)
        if job_secret is None:
            raise CommandFailed(
                f"job {started.id} was started, and nobody can wait for it without an integration token: this TheEye "
                "server is an older one, which gave it no secret of its own"
            )
    elif started.is_workflow and started.workflow_id:
        watch.ends_itself = hook.get_workflow(started.workflow_id).version == 2
    end, ended = wait(hook, watch, job_secret)
    if end in (End.GONE, End.OVER):
        return ended
    raise CommandFailed(f"lost touch with TheEye while waiting for job {started.id}: {watch.error}")


def _print_job(
    hook: TheEyeHook, ended: Ended | None, given: argparse.Namespace, *, judged: bool, fail: bool = False
) -> None:
    """Print a job and, if it is over and so ``judged``, how it ended. ``fail`` if that was badly."""
    from airflow_provider_theeye.jobs.result import decoded_output, job_url, step_rows
    from airflow_provider_theeye.jobs.verdict import Strictness, judge_whole, last_step
    from airflow_provider_theeye.tables import argument_values, job_row, sheet, table

    if ended is None:
        raise CommandFailed("TheEye has no record of that job: there never was one, or it was deleted")
    found = ended.job
    verdict = judge_whole(ended, Strictness(), partial(_edges_of, hook)).verdict if judged else None
    speaker = last_step(ended.steps) if found.is_workflow else found
    steps = step_rows(ended.steps)
    value = {
        **job_row(found),
        "outcome": str(verdict.outcome) if verdict else None,
        "reason": verdict.reason if verdict and not verdict.good else None,
        "exit_code": speaker.result.code if speaker and speaker.result else None,
        "task_arguments": argument_values(found, _task_of(hook, found)),
        "output": decoded_output(speaker.output) if speaker else [],
        "url": job_url(found, hook.settings.web_url),
    }
    log = speaker.result.log.splitlines() if speaker and speaker.result else []
    if given.json:
        _print_json({**value, "log": log, "steps": steps})
    else:
        shown = ("name", "job_id", "lifecycle", "state", "outcome", "exit_code", "seconds")
        rows = [{name: step[name] for name in shown} for step in steps]
        parts = [sheet(value), table(rows, ""), "\n".join(log)]
        print("\n\n".join(part for part in parts if part))  # noqa: T201
    if fail and verdict is not None and not verdict.good:
        raise CommandFailed(f"job {found.id} {str(verdict.outcome).replace('_', ' ')}: {verdict.reason}")


def _edges_of(hook: TheEyeHook, workflow_id: str) -> Sequence[Edge] | None:
    from airflow_provider_theeye.api.errors import TheEyeError

    try:
        return hook.edges_of(workflow_id)
    except TheEyeError:
        return None


def _task_of(hook: TheEyeHook, job: Job) -> Task | None:
    """The definition of a job's task, if there is one and it may be seen."""
    from airflow_provider_theeye.api.errors import TheEyeError
    from airflow_provider_theeye.exceptions import TheEyeSettingsError

    try:
        return hook.get_task(job.task_id) if job.task_id else None
    except (TheEyeError, TheEyeSettingsError):
        return None


def _print_rows(rows: Sequence[dict[str, Any]], given: argparse.Namespace, none: str) -> None:
    from airflow_provider_theeye.tables import table

    if given.json:
        _print_json(rows)
    else:
        print(table(rows, none))  # noqa: T201


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))  # noqa: T201


# -- command lines -----------------------------------------------------------------------------------------------------


def _limit(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


COMMON: tuple[Option, ...] = (
    (("--conn-id",), {"default": CONN_ID, "help": f"the Airflow connection (default: {CONN_ID})"}),
    (("--json",), {"action": "store_true", "help": "print JSON instead of a table"}),
)
COMMANDS = (
    Command(
        "tasks",
        "list tasks with their ids, hosts, time limits and arguments",
        tasks,
        (
            (("--name",), {"help": "only tasks with exactly this name"}),
            (("--host",), {"help": "only tasks on the host with this name"}),
        ),
    ),
    Command(
        "workflows",
        "list workflows with their ids and arguments",
        workflows,
        ((("--name",), {"help": "only workflows with exactly this name"}),),
    ),
    Command(
        "jobs",
        "list the newest jobs",
        jobs,
        (
            (("--task",), {"metavar": "ID", "help": "only jobs of this task"}),
            (("--workflow",), {"metavar": "ID", "help": "only workflow jobs of this workflow"}),
            (("--limit",), {"type": _limit, "default": 20, "metavar": "N", "help": "how many at most (default: 20)"}),
        ),
    ),
    Command("job", "show one job with its output and log", job, ((("id",), {"metavar": "ID", "help": "of the job"}),)),
    Command(
        "run",
        "start a task or workflow once; options go before the id or after the arguments",
        run,
        (
            (("id",), {"metavar": "ID", "help": "of the task, or of the workflow with --workflow"}),
            (("arguments",), {"nargs": "*", "metavar": "ARGUMENT", "help": "one for each argument, in their order"}),
            (("--workflow",), {"action": "store_true", "help": "the id is a workflow's"}),
            (("--wait",), {"action": "store_true", "help": "wait for the end; the exit status tells how it ended"}),
        ),
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m airflow_provider_theeye``. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_theeye", description=DESCRIPTION)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        subparser = subparsers.add_parser(command.name, help=command.help, description=command.help)
        for flags, settings in (*command.options, *COMMON):
            subparser.add_argument(*flags, **settings)
        subparser.set_defaults(function=command.function)
    given = parser.parse_args(argv)
    return _carry_out(given.function, given)


def get_cli_commands() -> list[GroupCommand]:
    """What Airflow adds to its own command line."""
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand

    def action(command: Command) -> ActionCommand:
        def function(given: argparse.Namespace) -> None:
            sys.exit(_carry_out(command.function, given))

        options = (*command.options, *COMMON)
        arguments = [Arg(flags, **settings) for flags, settings in options]  # type: ignore[no-untyped-call]
        return ActionCommand(command.name, command.help, function, arguments)

    return [GroupCommand("theeye", "TheEye's tasks, workflows and jobs", [action(command) for command in COMMANDS])]


def _carry_out(function: Callable[[TheEyeHook, argparse.Namespace], None], given: argparse.Namespace) -> int:
    """Run a command. Whatever goes wrong is one line on stderr."""
    try:
        with _notes_alone() as notes:
            hook = _hook(given.conn_id, notes)
            try:
                function(hook, given)
                sys.stdout.flush()
            finally:
                hook.close()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read the output has seen enough; Python must not complain about it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        print(f"error: {' '.join(str(error).split()) or type(error).__name__}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


@contextlib.contextmanager
def _notes_alone() -> Iterator[logging.Logger]:
    """Yields a logger for what the reader should know, on stderr. All others are silent as long as this lasts.

    Standard output is for the answer alone; what goes wrong is told once, at the end. Afterwards everything is as it
    was: a command may be called in a process that goes on.
    """
    import importlib
    import logging
    import warnings

    # Airflow 3.2 lets alembic greet when it is imported.
    levels = {"alembic": logging.WARNING, "airflow": logging.CRITICAL}
    notes = logging.Logger("theeye", logging.INFO)  # its own, which no other can see
    notes.addHandler(logging.StreamHandler(sys.stderr))
    options = list(sys.warnoptions)
    before = {name: logging.getLogger(name).level for name in levels}
    with warnings.catch_warnings():
        try:
            if not options:
                # As python -W ignore: Airflow's hints to those who develop with it are none of the reader's business.
                sys.warnoptions.append("ignore")
                warnings.simplefilter("ignore")
            # Importing Airflow sets levels, too.
            logging.getLogger("alembic").setLevel(levels["alembic"])
            importlib.import_module("airflow.models.connection")
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
            yield notes
        finally:
            sys.warnoptions[:] = options
            for name, level in before.items():
                logging.getLogger(name).setLevel(level)


def _hook(conn_id: str, notes: logging.Logger) -> TheEyeHook:
    """A hook that finds connections as Airflow's own commands do, in its database too."""
    from airflow.models.connection import Connection

    from airflow_provider_theeye.hooks.theeye import TheEyeHook

    class CommandLineHook(TheEyeHook):
        log = notes  # type: ignore[assignment]

        @classmethod
        def get_connection(cls, conn_id: str) -> Any:
            return Connection.get_connection_from_secrets(conn_id)

    return CommandLineHook(conn_id)
