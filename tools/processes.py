"""Starting programs so that none of them outlives us."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psutil

GRACE_SECONDS = 10.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def session_members(leader: int) -> list[psutil.Process]:
    """All live processes of the session that `leader` was started as, and their descendants.

    A session keeps its members when a process in between dies; the descendants add those that made a session of
    their own.
    """
    members: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == leader:
                members[process.pid] = process
                members.update({child.pid: child for child in process.children(recursive=True)})
    return list(members.values())


def end_session(started: subprocess.Popen[bytes], grace: float = GRACE_SECONDS) -> None:
    """End a program started with `start_new_session=True` and everything it started: politely, then by force."""
    members = session_members(started.pid)
    for process in members:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, stubborn = psutil.wait_procs(members, timeout=grace)
    # Looked up again: while it was going down a member may have started others.
    for process in {*stubborn, *session_members(started.pid)}:
        with contextlib.suppress(psutil.Error):
            process.kill()
    started.wait()


@contextlib.contextmanager
def running(
    command: Sequence[str], *, environment: Mapping[str, str], log: Path, cwd: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program in a session of its own, its output appended to `log`, ended with all its children at the end."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        started = subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield started
    finally:
        end_session(started)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    # Cleaning up takes seconds; an impatient second Ctrl-C must not break it off halfway.
    for heard in STOP_SIGNALS:
        signal.signal(heard, signal.SIG_IGN)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


def clean_up_when_told_to_stop() -> None:
    """Make SIGTERM and SIGHUP unwind the program like Ctrl-C does, so that what it started is ended too."""
    for heard in STOP_SIGNALS:
        signal.signal(heard, _leave)
