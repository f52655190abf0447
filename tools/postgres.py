"""A PostgreSQL of one's own for an Airflow in tests: its own folder, its own port, on loopback only.

with PostgreSQL(folder) as database:
    PrivateAirflow(home=..., settings=database.settings())
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType

from tools.airflow_env import free_ports

# Debian keeps the server's programs outside the PATH.
DEBIAN = Path("/usr/lib/postgresql")
# The server refuses to run as root.
ACCOUNT = "postgres"


def missing() -> str:
    """What is not installed, empty if nothing is."""
    if _program("initdb") is None:
        return "PostgreSQL's server (Debian: postgresql)"
    wanted = [name for name in ("psycopg2", "asyncpg") if importlib.util.find_spec(name) is None]
    return ", ".join(wanted)


class PostgreSQL:
    """A running server with an empty database for Airflow. Its data need not survive a crash of the machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_ports(1)[0]

    def settings(self) -> dict[str, str]:
        """For Airflow's environment."""
        return {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://airflow@127.0.0.1:{self.port}/postgres"}

    def __enter__(self) -> PostgreSQL:
        self.folder.mkdir(parents=True)
        if os.geteuid() == 0:
            shutil.chown(self.folder, ACCOUNT)
            for parent in self.folder.parents:  # the account must be able to reach it
                if parent.stat().st_uid == 0 and parent.stat().st_mode & 0o011 == 0:
                    parent.chmod(parent.stat().st_mode | 0o011)
        self._run("initdb", "--pgdata", "data", "--username", "airflow", "--auth", "trust", "--no-sync")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        self._run("pg_ctl", "start", "--pgdata", "data", "--wait", "--log", "server.log", "--options", options)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run("pg_ctl", "stop", "--pgdata", "data", "--mode", "immediate")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(_program(program)), *arguments],
            cwd=self.folder,
            user=ACCOUNT if os.geteuid() == 0 else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=True,
        )


def _program(name: str) -> Path | None:
    found = shutil.which(name)
    if found is not None:
        return Path(found)
    return max(DEBIAN.glob(f"*/bin/{name}"), default=None)
