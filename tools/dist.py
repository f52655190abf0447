"""`make dist`: the wheel and the source distribution, byte for byte the same from the same source.

python -m tools.dist [FOLDER]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.releases import ROOT
from tools.uv import uv

KINDS = ("wheel", "sdist")
# The first moment that a ZIP file can express; without Git there is no better one.
EARLIEST = "315532800"


def source_date() -> str:
    """The moment that the files in the archives bear: that of the last commit, unless somebody says otherwise."""
    said = os.environ.get("SOURCE_DATE_EPOCH")
    if said:
        return said
    asked = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False)
    return asked.stdout.strip() or EARLIEST


def build(target: Path, kinds: Sequence[str] = KINDS, source: Path = ROOT) -> list[Path]:
    """Build into a folder, which is emptied first; returns the files in the order of ``kinds``."""
    shutil.rmtree(target, ignore_errors=True)
    files = []
    for kind in kinds:
        folder = target / kind
        command = uv("build", "--quiet", "--no-create-gitignore", f"--{kind}", "--out-dir", str(folder), str(source))
        subprocess.run(command, check=True, env={**os.environ, "SOURCE_DATE_EPOCH": source_date()})
        (built,) = folder.iterdir()
        files.append(built.rename(target / built.name))
        folder.rmdir()
    return files


def main() -> None:
    """Command line."""
    for built in build(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist"):
        print(f"{built}  {built.stat().st_size} bytes")


if __name__ == "__main__":
    main()
