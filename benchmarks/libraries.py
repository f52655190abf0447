"""What only the benchmarks need: aiohttp, with which the providers that we compare with send their requests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".run" / "benchmark-libraries"
PACKAGES = ("aiohttp",)


def python_path() -> str:
    """The value of ``PYTHONPATH`` with which ``benchmarks`` and the other clients can be imported."""
    stamp = FOLDER / "installed"
    if not stamp.is_file():
        command = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--upgrade"]
        subprocess.run([*command, "--target", str(FOLDER), *PACKAGES], check=True)
        stamp.touch()
    # Behind what is installed already: only what is missing there shall come from here.
    installed = next(path for path in sys.path if path.endswith("site-packages"))
    return ":".join([str(ROOT), installed, str(FOLDER)])
