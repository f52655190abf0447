"""A process of its own that outlives the sandbox by a moment and kills what the sandbox left running.

It reads `+GROUP` and `-GROUP` (process groups) and `=FOLDER` (to be deleted) from its standard input. When that
ends, the sandbox is gone, even by SIGKILL. It imports nothing of the package, to start fast.
"""

import contextlib
import os
import shutil
import signal
import sys


def main() -> None:
    """Waits for the sandbox's end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    folders: set[str] = set()
    for line in sys.stdin:
        what, value = line[0], line[1:].rstrip("\n")
        if what == "+":
            groups.add(int(value))
        elif what == "-":
            groups.discard(int(value))
        elif what == "=":
            folders.add(value)
    for group in groups:
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
