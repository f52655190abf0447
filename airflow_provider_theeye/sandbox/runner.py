"""Plays the agent of every host: takes work as soon as there is some, runs it, reports."""

from __future__ import annotations

import asyncio
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from . import agents, documents, lastline
from .attachments import unpacked
from .engine import Engine
from .faults import Stall
from .job import UPDATE_JOB, Job
from .jsontext import stringify
from .script import Script, Watchdog
from .world import Task

SIGN_OF_LIFE_EVERY = 0.25  # seconds; often, as hosts may be said at any time to be lost after a second


class Runner:
    """At most `scripts` scripts at a time over all hosts; each host gets its jobs in the server's order.

    A cancelled job's script runs on, as the agent is not told. Its report is ignored, unless the job has been started
    again meanwhile: then it counts. What a script leaves behind at its end runs on, too.
    """

    def __init__(self, engine: Engine, scripts: int, stall: Stall) -> None:
        self._engine = engine
        self._stall = stall
        self._free = scripts
        self._pool = ThreadPoolExecutor(scripts, thread_name_prefix="script")
        self._work = asyncio.Event()
        self._running: dict[Script, Job] = {}
        self._left_behind: list[tuple[str, Script]] = []
        self._folder = Path(tempfile.mkdtemp(prefix="theeye-sandbox-"))
        self._watchdog = Watchdog(self._folder)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begins to look for work."""
        self._engine.on_ready = self._work.set
        self._work.set()
        self._keep(self._take_work())
        self._keep(self._show_life())

    def _keep(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- what the sandbox's own routes ask

    def log(self, job_id: str) -> bytes | None:
        """What a running job has written so far."""
        return next((bytes(script.log) for script, job in reversed(self._running.items()) if job.id == job_id), None)

    def kill_scripts(self, host: str | None = None) -> None:
        """Kills every script, or those of a host, and what they have started."""
        scripts = [(job.host, script) for script, job in self._running.items()]
        scripts += [(name, script) for name, script in self._left_behind if script.alive()]
        for name, script in scripts:
            if host in (None, name):
                script.kill()

    # -- the agents

    async def _show_life(self) -> None:
        while True:
            for host in self._engine.world.hosts:
                agents.sign_of_life(self._engine, host)
            self._forget_the_gone()
            await asyncio.sleep(min(SIGN_OF_LIFE_EVERY, max(0.02, self._engine.settings.host_lost_after / 4)))

    def _forget_the_gone(self) -> None:
        """Of what scripts have left behind keeps what is still alive, to be killed with the sandbox."""
        for left in [left for left in self._left_behind if not left[1].alive()]:
            self._left_behind.remove(left)
            left[1].released(self._watchdog)

    async def _take_work(self) -> None:
        while True:
            await self._work.wait()
            await self._stall.over()
            self._work.clear()
            found = True
            while found and self._free > 0:
                found = False
                for host in self._engine.world.hosts:
                    if self._free > 0 and host not in self._engine.dead_hosts and self._take(host):
                        found = True

    def _take(self, host: str) -> bool:
        job = agents.next_job(self._engine, host)
        if job is None:
            return False
        if job.type == UPDATE_JOB:  # there is no configuration to be read
            agents.report(self._engine, job, {"state": "success"}, self._engine.world.agents[host])
            return True
        self._free -= 1
        self._keep(self._run(job, self._engine.world.task_by_id[job.task_id or ""]))
        return True

    async def _run(self, job: Job, task: Task) -> None:
        host = job.host or ""
        script = self._script(job, task)
        self._running[script] = job
        try:
            said = await asyncio.get_running_loop().run_in_executor(self._pool, self._outcome, job, script)
        finally:
            self._free += 1
            self._work.set()
            del self._running[script]
            self._left_behind.append((host, script))
            self._forget_the_gone()
        await self._stall.over()
        lost = script.unwanted or host in self._engine.dead_hosts or self._engine.jobs.get(job.id) is not job
        if not lost:
            agents.report(self._engine, job, said, self._engine.world.agents[host])

    def _script(self, job: Job, task: Task) -> Script:
        file = self._folder / f"{task.fingerprint[:12]}-{task.filename}"
        if not file.exists():
            file.write_text(task.script, encoding="utf-8")
        return Script(file, documents.env(self._engine, job), agents.limit(self._engine, task))

    def _outcome(self, job: Job, script: Script) -> dict[str, Any]:
        values = [value if isinstance(value, str) else stringify(value) for value in job.values]
        try:
            with unpacked(values, self._folder) as arguments:
                script.run(arguments, self._watchdog)
        except OSError as error:
            return lastline.could_not_start(error.strerror or str(error))
        except ValueError as error:
            return lastline.could_not_start(str(error))
        log = script.log.decode("utf-8", "replace")
        return lastline.report(log, script.code, script.signal, script.killed, script.seconds)
