"""One script as a process: started in a group of its own, read until it ends, killed at its limit."""

from __future__ import annotations

import contextlib
import os
import select
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
MERCY = 2.0  # seconds between SIGTERM and SIGKILL
LINGER = 0.3  # seconds that a script's own children may still write after its end
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

    def __init__(self, file: Path, arguments: Sequence[str], environment: Mapping[str, str], limit: float) -> None:
        self._command = ["/bin/bash", "-c", GATE, str(file), *arguments]
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        self._environment = {**kept, **environment}
        self._folder = file.parent
        self._limit = limit
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self.unwanted = False
        self.log = bytearray()
        self.code: int | None = None
        self.signal: str | None = None
        self.killed = False
        self.seconds = 0.0

    def run(self, watchdog: Watchdog) -> None:
        """Runs the script to its end; blocks. Raises OSError or ValueError if it cannot be started."""
        began = time.monotonic()
        with self._lock:
            if self.unwanted:
                return
            process = self._process = subprocess.Popen(  # noqa: S603 - running scripts is what it is for
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env=self._environment,
                start_new_session=True,
            )
        watchdog.tell(f"+{process.pid}")
        try:
            with contextlib.suppress(BrokenPipeError), cast(IO[bytes], process.stdin) as gate:
                gate.write(b"go\n")
            self._read(process, began + self._limit)
        finally:
            self._kill(signal.SIGKILL)
            code = process.wait()
            watchdog.tell(f"-{process.pid}")
            cast(IO[bytes], process.stdout).close()
        self.seconds = time.monotonic() - began
        self._trim()
        self._ended(code)

    def _ended(self, code: int) -> None:
        if self.killed:
            self.signal = "SIGTERM"
        elif code < 0:
            known = {number.value: number.name for number in signal.Signals}
            self.signal = known.get(-code, f"SIG{-code}")
        else:
            self.code = code

    def _read(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        """Collects the output until the script has ended and its output too, or has been killed."""
        output = cast(IO[bytes], process.stdout).fileno()
        open_output, end = True, None
        with _exit_watch(process.pid) as exited:
            poller = select.poll()
            for number in filter(None, (output, exited)):
                poller.register(number, select.POLLIN)
            while open_output or end is None:
                until = end if end is not None else deadline
                wait = max(0.0, until - time.monotonic())
                ready = {number for number, _ in poller.poll((wait if exited else min(wait, 0.05)) * 1000)}
                if output in ready and open_output:
                    open_output = self._collect(output)
                    if not open_output:
                        poller.unregister(output)
                if end is None and _has_exited(process.pid):
                    end = time.monotonic() + LINGER
                    if exited:
                        poller.unregister(exited)
                now = time.monotonic()
                if end is not None and now >= end:
                    return
                if end is None and now >= deadline:
                    self._stop()
                    deadline = now + MERCY

    def _collect(self, output: int) -> bool:
        chunk = os.read(output, CHUNK)
        self.log += chunk
        if len(self.log) > 2 * LOG_KEPT:
            self._trim()
        return bool(chunk)

    def _trim(self) -> None:
        """Forgets the beginning of an endless log; TheEye would keep it, but this process has to live on."""
        del self.log[:-LOG_KEPT]

    def _stop(self) -> None:
        """First politely, the next time by force."""
        self._kill(signal.SIGKILL if self.killed else signal.SIGTERM)
        self.killed = True

    def kill(self) -> None:
        """Ends it from outside, or before it has begun."""
        with self._lock:
            self.unwanted = True
        self._kill(signal.SIGKILL)

    def _kill(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)


def _has_exited(pid: int) -> bool:
    """Whether a child has ended. It is left unreaped, so that its group's number is not given to others."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


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
