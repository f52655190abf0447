"""PostgreSQL and Redis, each with a folder of its own, on free ports of the loopback interface."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.airflow_env import free_ports, last_lines
from tools.processes import end_session

#: The Debian packages, and the program by which each is recognized.
PACKAGES = {"postgresql": "postgres", "redis-server": "redis-server"}
START_WITHIN = 120.0
LOOK_EVERY = 0.2


class ServiceFailed(RuntimeError):
    """A program is missing, or did not start."""


def find_program(name: str) -> Path:
    """Debian keeps PostgreSQL's programs outside of the PATH, one folder for each version."""
    newest_first = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: -int(folder.parent.name))
    found = shutil.which(name, path=os.pathsep.join([*map(str, newest_first), os.environ.get("PATH", os.defpath)]))
    if found is None:
        raise ServiceFailed(f"{name} is not installed")
    return Path(found)


def install_missing(log: Path) -> None:
    """Install what is missing if we may, else say what to install."""
    missing = [package for package, program in PACKAGES.items() if not _is_installed(program)]
    if not missing:
        return
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *missing]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ServiceFailed(f"needs {' and '.join(missing)}: {' '.join(['sudo', *command])}")
    # Without this the packages' scripts would start the services, on their usual ports.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    with log.open("ab") as output:
        for step in (["apt-get", "update"], command):
            print(f"{' '.join(step)} ...", flush=True)
            if subprocess.run(step, env=environment, stdout=output, stderr=output, check=False).returncode:
                raise ServiceFailed(f"{' '.join(step)} failed:\n{last_lines(log)}")


def _is_installed(program: str) -> bool:
    try:
        find_program(program)
    except ServiceFailed:
        return False
    return True


class Service:
    """A program that is started in a session of its own, answers on a port, and can be stopped and started again."""

    name = ""
    stop_signal = signal.SIGTERM

    def __init__(self, folder: Path, logs: Path) -> None:
        self.folder = folder
        self.log = logs / f"{self.name}.log"
        self.port = free_ports(1)[0]
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str]:
        raise NotImplementedError

    def account(self) -> str | None:
        """Whose rights it gets; None for our own."""
        return None

    def answers(self) -> bool:
        with socket.socket() as one:
            one.settimeout(2)
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def start(self) -> None:
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self.folder,
                **_rights(self.account()),
            )
        deadline = time.monotonic() + START_WITHIN
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise ServiceFailed(f"{self.name} did not start:\n{last_lines(self.log)}")
            time.sleep(LOOK_EVERY)

    def stop(self) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(self.stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(30)
        end_session(self._process)
        self._process = None


class Postgres(Service):
    """Airflow's database, and where Celery keeps results. It refuses to run as root."""

    name = "postgres"
    # Ends the sessions of its clients; by SIGTERM it would wait for them.
    stop_signal = signal.SIGINT
    database = "airflow"

    def __init__(self, folder: Path, logs: Path) -> None:
        super().__init__(folder, logs)
        self._password = secrets.token_hex(16)

    def account(self) -> str | None:
        return "postgres" if os.geteuid() == 0 else None

    def create(self) -> None:
        """Make the cluster and an empty database."""
        self.folder.mkdir(mode=0o700)
        password_file = self.folder / "password"
        password_file.write_text(self._password)
        account = self.account()
        if account is not None:
            for path in (self.folder, password_file):
                shutil.chown(path, account, pwd.getpwnam(account).pw_gid)
        with self.log.open("ab") as output:
            subprocess.run(
                [
                    *(find_program("initdb"), "--pgdata", self.folder / "data", "--username", self.database),
                    *("--auth", "scram-sha-256", "--pwfile", password_file, "--encoding", "UTF8", "--locale", "C"),
                    "--no-sync",
                ],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                check=True,
                **_rights(account),
            )
        self.start()
        where = ("--host", "127.0.0.1", "--port", str(self.port), "--username", self.database)
        environment = {**os.environ, "PGPASSWORD": self._password}
        subprocess.run([str(find_program("createdb")), *where, self.database], env=environment, check=True)

    def command(self) -> Sequence[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.folder,
            "max_connections": 300,
            "shared_buffers": "128MB",
            # What a power failure would do to it is not asked here.
            "fsync": "off",
            "synchronous_commit": "off",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(find_program("postgres")), "-D", str(self.folder / "data"), *options]

    def answers(self) -> bool:
        asked = [str(find_program("pg_isready")), "--quiet", "--host", "127.0.0.1", "--port", str(self.port)]
        return subprocess.run(asked, check=False).returncode == 0

    def url(self, scheme: str = "postgresql+psycopg2") -> str:
        return f"{scheme}://{self.database}:{self._password}@127.0.0.1:{self.port}/{self.database}"


class Redis(Service):
    """Celery's broker."""

    name = "redis"

    def create(self) -> None:
        self.folder.mkdir()
        self.start()

    def command(self) -> Sequence[str]:
        settings = {"bind": "127.0.0.1", "port": self.port, "dir": self.folder, "save": "", "appendonly": "no"}
        return [
            str(find_program("redis-server")),
            *(word for name, value in settings.items() for word in (f"--{name}", str(value))),
        ]

    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


def _rights(account: str | None) -> dict[str, Any]:
    if account is None:
        return {}
    return {"user": account, "group": pwd.getpwnam(account).pw_gid, "extra_groups": []}
