"""An agent in a process of its own, for cases in which the server dies and the hosts live on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.agent import Agent as Serving

_HOST = "host-a"


class Agent:
    """Forked, as the rest of a case is; runs one script after the other."""

    def __init__(self, url: str, token: str, folder: Path) -> None:
        self._pid = os.fork()
        if not self._pid:
            try:
                Serving(url, token, _HOST, folder).serve()
            finally:
                os._exit(1)

    def end(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
