"""`make conformance`: ask the sandbox what was asked of the real server, and compare.

The kit plays the hosts' agents itself, so the sandbox runs no scripts. Each of its two parts wants a world of its own,
so each has a sandbox of its own. The last line says how many scenarios of both agree, and how long that took.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import requests

from tools.airflow_env import ROOT, last_lines
from tools.processes import clean_up_when_told_to_stop, running

KIT = ROOT / "tests" / "conformance" / "kit"
PARTS = ((KIT, "world.json"), (KIT / "part-2", "world-2.json"))  # folder of scenarios/ and golden/, world
START_TIMEOUT = 30.0
LOOK_EVERY = 0.1
TOTAL = re.compile(r"conformance: (?P<agree>\d+) of (?P<of>\d+) scenarios agree")


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


def compare(part: Path, world: str, folder: Path) -> tuple[int, int]:
    """Run a part of the kit against a sandbox of its own. Returns how many scenarios agree, and how many were run."""
    seed, log = folder / "seed.json", folder / "sandbox.log"
    sandbox = [sys.executable, "-m", "airflow_provider_theeye.sandbox", str(part / world), "--no-runner"]
    with running([*sandbox, "--port", "0", "--seed-file", str(seed)], environment=os.environ, log=log) as process:
        wait_for_server(seed, process, log)
        kit = [sys.executable, str(KIT / "run.py"), "--seed", str(seed), "--scenarios", str(part / "scenarios")]
        with subprocess.Popen([*kit, "--slow", *sys.argv[1:]], stdout=subprocess.PIPE, text=True) as asked:
            assert asked.stdout is not None
            for line in asked.stdout:
                if found := TOTAL.fullmatch(line.strip()):
                    return int(found["agree"]), int(found["of"])
                print(line, end="", flush=True)
    raise SandboxFailed(f"the kit broke off at its part {part.name}; the sandbox said:\n{last_lines(log)}")


def main() -> int:
    """Command line: further arguments go to the kit, for instance `--only 'repair-*'`."""
    clean_up_when_told_to_stop()
    began, agree, of = time.monotonic(), 0, 0
    for part, world in PARTS:
        with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
            try:
                counts = compare(part, world, Path(folder))
            except SandboxFailed as error:
                print(error, file=sys.stderr)
                return 1
        agree, of = agree + counts[0], of + counts[1]
    print(f"conformance: {agree} of {of} scenarios agree ({time.monotonic() - began:.0f} s)")
    return 0 if agree == of and of else 1


if __name__ == "__main__":
    sys.exit(main())
