"""`make demo` cleans up after itself, also when it is interrupted."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tools.airflow_env import ROOT

START_TIMEOUT = 120
STOP_TIMEOUT = 60


def test_an_interrupted_demo_leaves_nothing_running(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "tools.demo", "--folder", str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        seen = read_until(demo, "  start ")
        children = psutil.Process(demo.pid).children(recursive=True)
        assert len(children) >= 2, f"expected the sandbox and Airflow, got {children}"
        demo.send_signal(signal.SIGINT)
        rest, _ = demo.communicate(timeout=STOP_TIMEOUT)
    finally:
        with contextlib.suppress(ProcessLookupError):
            demo.kill()
    assert demo.returncode == 130, seen + rest
    assert "nothing is left running" in rest
    _, alive = psutil.wait_procs(children, timeout=5)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Read what a program prints until a line begins with `text`; returns all of it."""
    assert process.stdout is not None
    deadline = time.monotonic() + START_TIMEOUT
    seen = ""
    for line in process.stdout:
        seen += line
        if line.startswith(text):
            return seen
        assert time.monotonic() < deadline, f"no {text!r} in time:\n{seen}"
    raise AssertionError(f"ended without {text!r}:\n{seen}")
