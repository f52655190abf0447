"""`make conformance`: ask the sandbox what was asked of the real server, and compare.

The kit plays the hosts' agents itself, so the sandbox runs no scripts. The last line says how many scenarios agree.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import requests

from tools.airflow_env import ROOT, last_lines
from tools.processes import clean_up_when_told_to_stop, running

KIT = ROOT / "tests" / "conformance" / "kit"
START_TIMEOUT = 30.0
LOOK_EVERY = 0.1


class SandboxFailed(RuntimeError):
    """The sandbox did not start."""


def wait_for_server(seed: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the seed is written and the server that it names answers, whatever it says."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            requests.get(json.loads(seed.read_text())["base_url"], timeout=5)
            return
        except (FileNotFoundError, json.JSONDecodeError, requests.RequestException):
            time.sleep(LOOK_EVERY)
    raise SandboxFailed(f"the sandbox did not start:\n{last_lines(log)}")


def compare(folder: Path) -> int:
    """Run the kit against a sandbox of its own; returns the kit's exit status."""
    seed, log = folder / "seed.json", folder / "sandbox.log"
    sandbox = [sys.executable, "-m", "airflow_provider_theeye.sandbox", str(KIT / "world.json"), "--no-runner"]
    with running([*sandbox, "--port", "0", "--seed-file", str(seed)], environment=os.environ, log=log) as process:
        wait_for_server(seed, process, log)
        kit = [sys.executable, str(KIT / "run.py"), "--seed", str(seed), "--slow", *sys.argv[1:]]
        return subprocess.run(kit, check=False).returncode


def main() -> int:
    """Command line: further arguments go to the kit."""
    clean_up_when_told_to_stop()
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        try:
            return compare(Path(folder))
        except SandboxFailed as error:
            print(error, file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main())
