"""`python -m airflow_provider_theeye.sandbox`: serves a local TheEye."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from .definitions import DefinitionError, read
from .schema import build
from .world import World


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_theeye.sandbox",
        description="A local fake of TheEye's REST API, with agents that run the tasks' scripts.",
    )
    parser.add_argument("definitions", nargs="?", type=Path, help="organizations, tasks and workflows, JSON or YAML")
    parser.add_argument("--port", type=int, default=8600, help="0 takes any free one (default: 8600)")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: 127.0.0.1); whoever reaches it can use it: tokens are no secret",
    )
    parser.add_argument("--no-runner", action="store_true", help="run no scripts; agents of your own may ask for work")
    parser.add_argument("--scripts", type=int, default=16, metavar="N", help="scripts at a time (default: 16)")
    parser.add_argument("--seed-file", type=Path, help="where to write ids, secrets and tokens as JSON")
    parser.add_argument("--db", type=Path, help="SQLite file that keeps jobs over a restart")
    parser.add_argument("--exit-with-parent", action="store_true", help="end when the parent process ends")
    parser.add_argument("--agent-grace", type=float, default=60.0, metavar="SECONDS",
                        help="after a task's limit a silent agent is given up (default: 60)")  # fmt: skip
    parser.add_argument("--default-limit", type=float, default=600.0, metavar="SECONDS",
                        help="the limit of tasks without one (default: 600)")  # fmt: skip
    parser.add_argument("--host-lost-after", type=float, default=180.0, metavar="SECONDS",
                        help="a host without a sign of life is lost (default: 180)")  # fmt: skip
    parser.add_argument("--step-delay", type=float, default=0.05, metavar="SECONDS",
                        help="pause between two steps of a workflow (default: 0.05)")  # fmt: skip
    _add_import(parser)
    return parser


def _add_import(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("copying an account", "write definitions and serve nothing")
    group.add_argument(
        "--import-from",
        metavar="CONNECTION",
        help="the account: an Airflow connection's name in the environment (AIRFLOW_CONN_…), its URI or its JSON",
    )
    group.add_argument("-o", "--output", metavar="FILE", help="where to write it; - is stdout (default: -)")
    group.add_argument("--with-scripts", action="store_true",
                       help="copy scripts as well; the sandbox then runs them on this machine")  # fmt: skip
    group.add_argument("--with-fixed-values", action="store_true", help="copy the values of fixed arguments as well")


def main() -> int:
    """Serves until it is told to stop. Returns 2 if it could not begin."""
    parser = _arguments()
    given = parser.parse_args()
    if given.scripts < 1:
        parser.error("--scripts must be at least 1")
    if given.import_from is not None:
        return _import(parser, given)
    if given.output is not None or given.with_scripts or given.with_fixed_values:
        parser.error("-o, --with-scripts and --with-fixed-values belong to --import-from")
    try:
        world = build(read(given.definitions))
    except DefinitionError as error:
        print(error, file=sys.stderr)
        return 2
    if given.seed_file is not None and not given.seed_file.parent.is_dir():
        print(f"{given.seed_file}: there is no such folder", file=sys.stderr)
        return 2
    return _serve(world, given)


def _import(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    from .importing import command

    if given.definitions is not None:
        parser.error("definitions are served, --import-from writes some: not both")
    options = command.Options(
        given.import_from, given.output or command.STDOUT, given.with_scripts, given.with_fixed_values
    )
    return command.run(options, os.environ)


def _serve(world: World, given: argparse.Namespace) -> int:
    from .engine import Settings
    from .server import Options, PortTaken, Process
    from .store import BadStore

    settings = Settings(given.step_delay, given.agent_grace, given.default_limit, given.host_lost_after)
    parent = os.getppid() if given.exit_with_parent else None
    options = Options(
        given.host, given.port, not given.no_runner, given.scripts, given.seed_file, given.db, parent, settings
    )
    try:
        process = Process(world, options)
    except (PortTaken, BadStore) as error:
        print(error, file=sys.stderr)
        return 2
    process.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
