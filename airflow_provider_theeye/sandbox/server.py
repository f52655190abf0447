"""The process: a socket, an event loop, the clock that turns the engine's timers, and a quick death."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from . import agents, workflows
from .app import App
from .control import Control
from .engine import Engine, Settings
from .faults import Faults
from .pages.guard import is_local
from .pages.site import Site
from .pages.views import export_line
from .runner import Runner
from .store import NoStore, Store
from .world import World

KEEP_ALIVE = 5  # seconds until an idle connection is closed, as on the real server
WATCH_EVERY = 0.5  # seconds between looks at silent agents and lost hosts


@dataclass
class Options:
    """How to serve a world. With `parent`, the number of the parent process, it ends when that one does."""

    host: str = "127.0.0.1"
    port: int = 8600
    runner: bool = True
    scripts: int = 16
    seed_file: Path | None = None
    db: Path | None = None
    parent: int | None = None
    settings: Settings = field(default_factory=Settings)


class PortTaken(Exception):
    """The address cannot be listened on."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio sets TCP_NODELAY on these alone
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise PortTaken(f"cannot listen on {host}:{port}: {reason}") from None
    return listener


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling, which waits for open connections."""

    def __init__(self, config: uvicorn.Config, ready: asyncio.Event) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leaves the signals to the process."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready.set()


class Process:
    """One sandbox, from its socket to its end."""

    def __init__(self, world: World, options: Options) -> None:
        self._options = options
        self._socket = listen(options.host, options.port)
        shown = f"[{options.host}]" if ":" in options.host else options.host
        self.url = f"http://{shown}:{self._socket.getsockname()[1]}"
        self._store = Store(options.db) if options.db else NoStore()
        self.engine = Engine(world, store=self._store, settings=options.settings, base_url=self.url)
        faults = Faults()
        self._runner = Runner(self.engine, options.scripts, faults.stall) if options.runner else None
        everyone = not is_local(options.host)
        site = Site(self.engine, self._runner, everyone=everyone)
        self.app = App(self.engine, Control(self.engine, faults, self._runner), faults, site, everyone=everyone)

    def run(self) -> None:
        """Serves until SIGTERM or SIGINT. Does not return."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._die)
        workflows.watch(self.engine)
        if self._runner is not None:
            agents.give_up_assigned(self.engine)
            await self._runner.start()
        ready = asyncio.Event()
        config = uvicorn.Config(
            self.app,
            log_level="error",
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_keep_alive=KEEP_ALIVE,
            h11_max_incomplete_event_size=1024 * 1024,
            server_header=False,
            proxy_headers=False,
        )
        server = _Server(config, ready)
        serving = asyncio.ensure_future(server.serve([self._socket]))
        turning = [asyncio.ensure_future(self._turn_timers()), asyncio.ensure_future(self._watch())]
        await ready.wait()
        self._announce()
        await asyncio.gather(serving, *turning)

    def _announce(self) -> None:
        world = self.engine.world
        if self._options.seed_file is not None:
            written = self._options.seed_file.with_suffix(".part")
            written.write_text(json.dumps(world.seed(self.url), indent=1) + "\n", encoding="utf-8")
            written.replace(self._options.seed_file)
        name = next(iter(world.organizations))
        tokens = [user.token for user in world.users.values() if user.organization == name]
        token = tokens[0] if tokens else "none"
        print(f"TheEye sandbox ready at {self.url} (organization {name}, token {token})")
        print(f"Airflow's connection to it:\n{export_line(self.engine, name)}", flush=True)

    def _die(self) -> None:
        """Ends at once: scripts are killed, open requests are cut off."""
        if self._runner is not None:
            self._runner.kill_scripts()
        self._store.close()
        sys.stdout.flush()
        os._exit(0)

    async def _turn_timers(self) -> None:
        timers = self.engine.timers
        new = asyncio.Event()
        timers.on_new = new.set
        while True:
            new.clear()
            left = timers.run_due()
            try:
                await asyncio.wait_for(new.wait(), left)
            except asyncio.TimeoutError:
                continue

    async def _watch(self) -> None:
        while True:
            agents.watch(self.engine)
            if self._options.parent not in (None, os.getppid()):
                self._die()
            await asyncio.sleep(WATCH_EVERY)
