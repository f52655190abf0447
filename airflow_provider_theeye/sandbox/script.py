"""One script as a process, in a group of its own, run and read as TheEye's agent does it.

The agent has a shell run the script, and at the limit it kills that shell, not the script. It reports when the shell
is gone and nobody holds the output open any more.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, cast

# The script waits for a line before it begins, so that the watchdog knows its group before it does anything.
GATE = 'read -r go || exit 125; exec </dev/null; exec /bin/bash "$0" "$@"'
CHUNK = 1 << 16  # bytes
LOG_KEPT = 1 << 25  # bytes; more of a log is not kept
LONGEST_COMMAND = 128 * 1024  # bytes; Linux starts no shell with a longer one
LOOK_EVERY = 1.0  # seconds between looks at what nobody tells: a limit, a kill
UNSPOKEN = (signal.SIGINT, signal.SIGPIPE)  # a shell does not say that its child died of these
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "USER", "TMPDIR")


class Watchdog:
    """The sandbox's end of the process in watchdog.py."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own file
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("watchdog.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._lock = threading.Lock()
        self.tell(f"={folder}")

    def tell(self, line: str) -> None:
        """`+GROUP`, `-GROUP` or `=FOLDER`."""
        stdin = cast(IO[bytes], self._process.stdin)
        with self._lock:
            stdin.write(line.encode() + b"\n")
            stdin.flush()


class Script:
    """A running script. `log` grows while it runs; after `run` the other fields tell how it ended."""

    def __init__(self, file: Path, environment: Mapping[str, str], limit: float) -> None:
        self._file = file
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        self._environment = {**kept, **environment}
        self._limit = limit
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self.unwanted = False
        self.log = bytearray()
        self.code: int | None = None
        self.signal: str | None = None
        self.killed = False
        self.seconds = 0.0

    def run(self, arguments: Sequence[str], watchdog: Watchdog) -> None:
        """Runs the script until the agent would report; blocks. Raises OSError or ValueError if it cannot start."""
        began = time.monotonic()
        with self._lock:
            if self.unwanted:
                return
            process = self._process = self._start(arguments)
        watchdog.tell(f"+{process.pid}")
        with cast(IO[bytes], process.stdout):
            with contextlib.suppress(BrokenPipeError), cast(IO[bytes], process.stdin) as gate:
                gate.write(b"go\n")
            self._read(process, began + self._limit)
        self.seconds = time.monotonic() - began
        self._trim()

    def _start(self, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        command = [str(self._file), *arguments]
        if len(f"/bin/bash {shlex.join(command)}".encode()) >= LONGEST_COMMAND:
            raise OSError(errno.E2BIG, "spawn E2BIG")
        return subprocess.Popen(  # noqa: S603 - running scripts is what it is for
            ["/bin/bash", "-c", GATE, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self._file.parent,
            env=self._environment,
            start_new_session=True,
        )

    def _read(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        """Collects the output until all have closed it and the shell is gone: it ends with the script, or is killed."""
        output = cast(IO[bytes], process.stdout).fileno()
        open_output, ended = True, False
        with _exit_watch(process.pid) as exited:
            poller = select.poll()
            for number in filter(None, (output, exited)):
                poller.register(number, select.POLLIN)
            while open_output or not (ended or self.killed):
                left = LOOK_EVERY if self.killed or ended else max(0.0, deadline - time.monotonic())
                wait = min(left, LOOK_EVERY if exited or ended else 0.05)
                ready = {number for number, _ in poller.poll(wait * 1000)}
                if output in ready and not (open_output := self._collect(output)):
                    poller.unregister(output)
                late = time.monotonic() >= deadline
                how = None if ended else _exit(process.pid)
                # What it wrote before its end is read first.
                if how is not None and (late or self.unwanted or output not in ready):
                    ended = True
                    if exited:
                        poller.unregister(exited)
                    self._ended(how)
                elif how is None and not ended and late:
                    self.killed, self.signal = True, "SIGTERM"
                if ended and self.unwanted:
                    return

    def _collect(self, output: int) -> bool:
        chunk = os.read(output, CHUNK)
        self.log += chunk
        if len(self.log) > 2 * LOG_KEPT:
            self._trim()
        return bool(chunk)

    def _trim(self) -> None:
        """Forgets the beginning of an endless log; TheEye would keep it, but this process has to live on."""
        del self.log[:-LOG_KEPT]

    def _ended(self, how: os.waitid_result) -> None:
        """The script has ended, of which its shell tells: if a signal killed it in words and by a code over 128."""
        if self.killed:
            return
        if how.si_code == os.CLD_EXITED:
            self.code = how.si_status
            return
        self.code = 128 + how.si_status
        if how.si_status not in UNSPOKEN:
            dumped = " (core dumped)" if how.si_code == os.CLD_DUMPED else ""
            self.log += f"{signal.strsignal(how.si_status)}{dumped}\n".encode()

    def alive(self) -> bool:
        """Whether the script or anything that it started is still there; unless it made a session of its own."""
        if self._process is None:
            return False
        self._process.poll()  # a group may be asked for as long as it has members: nobody else gets its number
        try:
            os.killpg(self._process.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # it has become another user
            return True
        return True

    def released(self, watchdog: Watchdog) -> None:
        """Nothing of it is left to be killed by the watchdog."""
        if self._process is not None:
            watchdog.tell(f"-{self._process.pid}")

    def kill(self) -> None:
        """Ends it and what it started from outside, or before it has begun."""
        with self._lock:
            self.unwanted = True
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _exit(pid: int) -> os.waitid_result | None:
    """How a child has ended, if it has. It is left unreaped, so that its group's number is not given to others."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)


@contextlib.contextmanager
def _exit_watch(pid: int) -> Iterator[int | None]:
    """A file that becomes readable when a child ends; None where the system has no such thing."""
    if not hasattr(os, "pidfd_open"):
        yield None
        return
    number = os.pidfd_open(pid)
    try:
        yield number
    finally:
        os.close(number)
