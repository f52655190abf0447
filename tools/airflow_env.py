"""A private Airflow: a home folder of its own and every setting said outright.

The demo, `make ui` and the tests all run Airflow through this one description, so that none of them reads or
changes an Airflow that the machine may have already.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_theeye.sandbox import Sandbox

ROOT = Path(__file__).resolve().parent.parent
RUN_FOLDER = ROOT / ".run"
EXAMPLE_DAGS = ROOT / "example_dags"
PROGRESS_PLUGINS = ROOT / "tools" / "airflow_plugins"
PROGRESS_FILE_VARIABLE = "THEEYE_PROGRESS_FILE"
CONNECTION_ID = "theeye_default"
MIGRATION_STAMP = "migrated"


class AirflowCommandFailed(RuntimeError):
    """An `airflow ...` command ended badly; its output is in the log that the message names."""


def airflow_version() -> str:
    """The installed Airflow, found without the seconds that importing it takes."""
    return version("apache-airflow")


def home_for(purpose: str, folder: Path = RUN_FOLDER) -> Path:
    """A home in a folder. Purposes do not share one: a scheduler would take over the runs of `dag.test()`.

    Another Airflow version gets another one, since databases do not go back.
    """
    return folder / f"{purpose}-airflow-{airflow_version()}"


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on. All are held until all are found, so they differ."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def is_free(port: int) -> bool:
    """Whether a server could listen on a port of 127.0.0.1."""
    with socket.socket() as one:
        # As servers do: a port whose last connections are still fading away counts as free.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@dataclass(frozen=True)
class Ports:
    """Where the parts of a running Airflow listen."""

    api: int
    worker_logs: int
    triggerer_logs: int

    @classmethod
    def free(cls, preferred_api: int | None = None) -> Ports:
        """Three that are free now; the API server's is the preferred one if nobody has it."""
        ports = cls(*free_ports(3))
        return replace(ports, api=preferred_api) if preferred_api and is_free(preferred_api) else ports

    def settings(self) -> dict[str, str]:
        """Airflow's settings for them."""
        return {
            "AIRFLOW__API__PORT": str(self.api),
            "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{self.api}",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{self.api}/execution/",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(self.worker_logs),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(self.triggerer_logs),
        }


@dataclass(frozen=True)
class PrivateAirflow:
    """One Airflow home and the environment in which commands use it.

    `settings` are further environment variables, which win over the ones made here.
    """

    home: Path
    dags_folder: Path = EXAMPLE_DAGS
    settings: Mapping[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """The environment for `airflow` and for Python programs that import it."""
        # Settings of another Airflow, exported in the caller's shell, must not leak into this one.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        commands = Path(sys.executable).parent
        local_addresses = "127.0.0.1,localhost"
        return {
            **inherited,
            "PATH": f"{commands}{os.pathsep}{inherited.get('PATH', os.defpath)}",
            "NO_PROXY": f"{local_addresses},{inherited.get('NO_PROXY', '')}".rstrip(","),
            "no_proxy": f"{local_addresses},{inherited.get('no_proxy', '')}".rstrip(","),
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__API__HOST": "127.0.0.1",
            # Airflow 3.0 starts four, and on a busy machine kills those that are slow to say that they are well.
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags_folder),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            # Enough for the examples; each worker is a process.
            "AIRFLOW__CORE__PARALLELISM": "8",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            **self.settings,
        }

    def migrate(self, log: Path) -> bool:
        """Make the database unless it is there; true if there was something to do.

        A home whose migration was broken off is thrown away and made anew.
        """
        stamp = self.home / MIGRATION_STAMP
        if stamp.is_file() and stamp.read_text() == airflow_version():
            return False
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        self.command("db", "migrate", log=log)
        stamp.write_text(airflow_version())
        return True

    def command(self, *arguments: str, log: Path) -> None:
        """Run `airflow ARGUMENTS`, its output appended to `log`."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            ended = subprocess.run(
                ["airflow", *arguments],
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if ended.returncode != 0:
            raise AirflowCommandFailed(f"airflow {' '.join(arguments)} ended with status {ended.returncode}, see {log}")

    def python(self, *arguments: str, log: Path, timeout: float) -> None:
        """Run `python ARGUMENTS` in the checkout, its output appended to `log`; the caller sees what came of it.

        :param timeout: seconds; `subprocess.TimeoutExpired` is raised after that.
        """
        with log.open("ab") as output:
            subprocess.run(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=self.environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=timeout,
                check=False,
            )


def connection_settings(connection: Mapping[str, Any], conn_id: str = CONNECTION_ID) -> dict[str, str]:
    """The environment variable that makes `connection` known to Airflow without its database."""
    return {f"AIRFLOW_CONN_{conn_id.upper()}": json.dumps(dict(connection))}


def last_lines(log: Path, count: int = 25, width: int = 240) -> str:
    """The end of a log, for showing what went wrong. Airflow's lines can be very long; they are cut."""
    if not log.is_file():
        return "(no log was written)"
    return "\n".join(line[:width] for line in log.read_text(errors="replace").splitlines()[-count:])


def sandbox_connection(sandbox: Sandbox) -> dict[str, Any]:
    """The connection that the example DAGs need: the sandbox's token, and the secret keys of all that it holds."""
    return sandbox.airflow_connection()
