"""A sandbox as a child process, for tests, demos and notebooks."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from .connection import airflow_connection

__all__ = ["Sandbox", "SandboxError"]

START_WITHIN = 30.0  # seconds
STOP_WITHIN = 5.0
#: Without the proxies of the environment: the sandbox is on this machine.
_DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class SandboxError(RuntimeError):
    """The sandbox did not start, or refused something."""


def _environment() -> dict[str, str]:
    """The child must find this package wherever the parent found it."""
    root = str(Path(__file__).resolve().parents[2])
    known = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{known}{os.pathsep}{root}" if known else root}


class Sandbox:
    """`with Sandbox() as sandbox:` runs a sandbox as long as the block lasts.

    `definitions` is the path of a file, or the definitions themselves; without it the default world is served.
    `runner` False: nothing plays the hosts' agents. `db` is a SQLite file that keeps jobs over `restart`.
    `extra_args` are further options of the command line. `port` 0 takes a free one; `restart` keeps it.
    """

    def __init__(
        self,
        definitions: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        *,
        runner: bool = True,
        port: int = 0,
        db: str | os.PathLike[str] | None = None,
        extra_args: Sequence[str] = (),
    ) -> None:
        self._definitions = definitions
        self._runner = runner
        self._port = port
        self._db = db
        self._extra_args = tuple(extra_args)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[str] | None = None
        self.url = ""
        self.seed: dict[str, Any] = {}

    def __enter__(self) -> Sandbox:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- the process

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._running().pid

    def start(self) -> None:
        """Starts the process and waits until it answers. Raises SandboxError with its own words if it does not."""
        if self._process is not None:
            raise SandboxError("the sandbox is running already")
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="theeye-sandbox-seed-")
        folder = Path(self._folder.name)
        seed, errors = folder / "seed.json", folder / "stderr"
        with errors.open("w") as stderr:
            self._process = subprocess.Popen(  # noqa: S603 - this package's own program
                self._command(folder, seed), stdout=subprocess.PIPE, stderr=stderr, text=True, env=_environment()
            )
        if " ready at " not in self._first_line():
            self._end(kill=True)
            raise SandboxError(f"the sandbox did not start: {errors.read_text().strip() or 'no answer'}")
        self.seed = json.loads(seed.read_text(encoding="utf-8"))
        self.url = self.seed["base_url"]
        self._port = int(self.url.rpartition(":")[2])
        self._read_to_the_end()

    def _command(self, folder: Path, seed: Path) -> list[str]:
        command = [sys.executable, "-m", "airflow_provider_theeye.sandbox", "--port", str(self._port)]
        if isinstance(self._definitions, Mapping):
            written = folder / "definitions.json"
            written.write_text(json.dumps(self._definitions), encoding="utf-8")
            command.append(str(written))
        elif self._definitions is not None:
            command.append(os.fspath(self._definitions))
        if not self._runner:
            command.append("--no-runner")
        if self._db is not None:
            command += ["--db", os.fspath(self._db)]
        return [*command, "--exit-with-parent", "--seed-file", str(seed), *self._extra_args]

    def _first_line(self) -> str:
        stdout = self._running().stdout
        if stdout is None or not select.select([stdout], [], [], START_WITHIN)[0]:
            return ""
        return stdout.readline()

    def _read_to_the_end(self) -> None:
        """The connection is printed next, and with many secret keys it is longer than what a pipe holds unread."""
        for line in self._running().stdout or ():
            if line.startswith("export "):
                return

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise SandboxError("the sandbox is not running")
        return self._process

    def _end(self, *, kill: bool) -> None:
        process = self._running()
        if kill:
            process.kill()
        else:
            process.terminate()
        try:
            process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
        self._process = None

    def stop(self) -> None:
        """Ends the sandbox and its scripts. Nothing happens if it is not running."""
        if self._process is not None:
            self._end(kill=False)
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def kill(self) -> None:
        """Ends it by SIGKILL, as a crash would. `start` or `restart` brings it back."""
        self._end(kill=True)

    def restart(self) -> None:
        """Ends it, if it runs, and starts it again on the same port."""
        if self._process is not None:
            self._end(kill=False)
        self.start()

    # -- what it counts and how it fails

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """One of the sandbox's own routes, e.g. `/_sandbox/journal`. Raises SandboxError with its refusal."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)  # noqa: S310 - always our own URL
        try:
            with _DIRECTLY.open(request, timeout=10) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")
            with contextlib.suppress(ValueError, TypeError, KeyError):
                said = json.loads(said)["message"]
            raise SandboxError(said) from None
        try:
            return json.loads(text) if text else None
        except ValueError:
            return text.decode()

    def reset(self) -> None:
        """Makes it as it was when it started: no jobs, no counts, no faults, all hosts alive, all tokens known."""
        self.request("POST", "/_sandbox/reset")

    def journal(self) -> dict[str, Any]:
        """`{"requests": {route: n}, "jobs": {id: {created, released, started, cancelled, …}}, "totals": {…}}`."""
        found: dict[str, Any] = self.request("GET", "/_sandbox/journal")
        return found

    def reset_journal(self) -> None:
        """Counts from zero again."""
        self.request("DELETE", "/_sandbox/journal")

    def set_faults(self, rules: Sequence[Mapping[str, Any]]) -> None:
        """Lets requests go wrong, e.g. `[{"method": "POST", "path": "/job", "times": 1, "do": "close"}]`."""
        self.request("PUT", "/_sandbox/faults", [dict(rule) for rule in rules])

    def clear_faults(self) -> None:
        """Lets everything go right again."""
        self.request("DELETE", "/_sandbox/faults")

    def faults(self) -> list[dict[str, Any]]:
        """The rules in force, with `seen` and `fired`."""
        found: list[dict[str, Any]] = self.request("GET", "/_sandbox/faults")
        return found

    def set_host(self, host: str, *, alive: bool, scripts: Literal["die", "run"] = "die") -> None:
        """Lets a host stop (nothing is heard of it, its scripts are killed or run on unheard) or come back."""
        self.request("PUT", f"/_sandbox/hosts/{host}", {"alive": alive, "scripts": scripts})

    def set_times(self, **seconds: float) -> None:
        """Changes how long it waits: `host_lost_after`, `agent_grace`, `default_limit`, `step_delay`; until `reset`."""
        self.request("PUT", "/_sandbox/settings", seconds)

    def revoke_token(self, user: str, *, revoked: bool = True) -> None:
        """Makes a user's token unknown to the server, or known again."""
        self.request("PUT", f"/_sandbox/tokens/{user}", {"revoked": revoked})

    def forget_job(self, job_id: str) -> None:
        """Makes a job's record vanish, as retention does."""
        self.request("DELETE", f"/_sandbox/jobs/{job_id}")

    def wait(self, test: Any, seconds: float = 10.0, every: float = 0.02) -> Any:
        """Calls `test` until it returns something true, and returns that. Raises SandboxError when time is up."""
        end = time.monotonic() + seconds
        while True:
            found = test()
            if found:
                return found
            if time.monotonic() > end:
                raise SandboxError(f"not so within {seconds} s")
            time.sleep(every)

    # -- names

    @property
    def organization(self) -> str:
        """The first organization's name."""
        return str(next(iter(self.seed["organizations"])))

    def token(self, user: str = "integration") -> str:
        """A user's token."""
        return str(self.seed["tokens"][user])

    def task_id(self, key: str) -> str:
        """The id of a task."""
        return str(self.seed["tasks"][key]["id"])

    def task_secret(self, key: str) -> str:
        """The secret key of a task."""
        return str(self.seed["tasks"][key]["secret"])

    def workflow_id(self, key: str) -> str:
        """The id of a workflow."""
        return str(self.seed["workflows"][key]["id"])

    def workflow_secret(self, key: str) -> str:
        """The secret key of a workflow."""
        return str(self.seed["workflows"][key]["secret"])

    def webhook_id(self, key: str) -> str:
        """The id of a webhook."""
        return str(self.seed["webhooks"][key]["id"])

    def webhook_secret(self, key: str) -> str:
        """The secret of a webhook."""
        return str(self.seed["webhooks"][key]["secret"])

    def airflow_connection(self, user: str = "integration", **extra: Any) -> dict[str, Any]:
        """An Airflow connection to this sandbox, as the JSON of `AIRFLOW_CONN_…` has it. Links lead to its pages.

        It holds the user's token and all secret keys of the first organization; `extra` adds to it, or replaces.
        """
        secrets = self.seed["secrets"][self.organization]
        return airflow_connection(self.url, self.organization, self.token(user), secrets, extra)
