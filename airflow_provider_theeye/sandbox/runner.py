"""Plays the agent of every host: takes work as soon as there is some, runs it, reports."""

from __future__ import annotations

import asyncio
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from . import agents, documents, lastline
from .engine import Engine
from .job import UPDATE_JOB, Job
from .jsontext import stringify
from .script import Script, Watchdog
from .world import Task

SIGN_OF_LIFE_EVERY = 5.0  # seconds


class Runner:
    """At most `scripts` scripts at a time over all hosts; each host gets its jobs in the server's order.

    A cancelled job's script runs on, as the agent is not told, and its report is ignored.
    """

    def __init__(self, engine: Engine, scripts: int) -> None:
        self._engine = engine
        self._free = scripts
        self._pool = ThreadPoolExecutor(scripts, thread_name_prefix="script")
        self._work = asyncio.Event()
        self._running: dict[str, tuple[Job, Script]] = {}
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
        found = self._running.get(job_id)
        return bytes(found[1].log) if found else None

    def host_changed(self, host: str) -> None:
        """When a host dies its scripts die with it."""
        if host in self._engine.dead_hosts:
            for job, script in self._running.values():
                if job.host == host:
                    script.kill()

    def kill_all(self) -> None:
        """Kills every script."""
        for _, script in self._running.values():
            script.kill()

    # -- the agents

    async def _show_life(self) -> None:
        while True:
            for host in self._engine.world.hosts:
                agents.sign_of_life(self._engine, host)
            await asyncio.sleep(min(SIGN_OF_LIFE_EVERY, self._engine.settings.host_lost_after / 4))

    async def _take_work(self) -> None:
        while True:
            await self._work.wait()
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
        assigned_at = job.assigned_at
        host = job.host or ""
        script = self._script(job, task)
        self._running[job.id] = (job, script)
        try:
            said = await asyncio.get_running_loop().run_in_executor(self._pool, self._outcome, script)
        finally:
            self._free += 1
            self._work.set()
            if self._running.get(job.id, (None, None))[1] is script:
                del self._running[job.id]
        # Not if the job has been handed out anew meanwhile, or if the host, which would report, is dead.
        if job.assigned_at == assigned_at and not script.unwanted:
            agents.report(self._engine, job, said, self._engine.world.agents[host])

    def _script(self, job: Job, task: Task) -> Script:
        file = self._folder / f"{task.fingerprint[:12]}-{task.filename}"
        if not file.exists():
            file.write_text(task.script, encoding="utf-8")
        values = [value if isinstance(value, str) else stringify(value) for value in job.values]
        environment = documents.env(self._engine, job)
        return Script(file, values, environment, agents.limit(self._engine, task))

    def _outcome(self, script: Script) -> dict[str, Any]:
        try:
            script.run(self._watchdog)
        except (OSError, ValueError) as error:
            return lastline.could_not_start(str(error))
        log = script.log.decode("utf-8", "replace")
        return lastline.report(log, script.code, script.signal, script.killed, script.seconds)
