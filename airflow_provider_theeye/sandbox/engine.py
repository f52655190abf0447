"""The server's memory: which jobs there are, in which order they wait, who is told when one changes.

Everything that changes a job goes through `Engine.change`. The rules are in the modules beside this one; each
takes the engine as its first argument. There is no HTTP, no thread and no waiting here: one event loop owns an
engine, and `timers` are turned by whoever runs it.
"""

from __future__ import annotations

import bisect
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .ids import IdFactory
from .job import UPDATE_JOB, Job
from .journal import Journal
from .lifecycle import Outcome
from .store import NoStore, Store
from .timers import Timers
from .world import World

Listener = Callable[[Job], None]


def _nothing(*_: object) -> None:
    """Until somebody wants to be told."""


@dataclass(frozen=True)
class Settings:
    """Durations in seconds.

    `step_delay` is the moment between the end of a step and the making of the next one, about 50 ms on the real
    server: all children are over and the run still says started. `agent_grace` is what the server adds to a
    task's limit before it gives its agent up; `default_limit` is the limit of a task that has none;
    `host_lost_after` is how long a host may give no sign of life.
    """

    step_delay: float = 0.05
    agent_grace: float = 60.0
    default_limit: float = 600.0
    host_lost_after: float = 180.0


def _place_in_queue(job: Job) -> tuple[int, str]:
    """An agent's own update goes before everything else, then the oldest job."""
    return (0 if job.type == UPDATE_JOB else job.sequence, job.id)


class Engine:
    """All jobs of all organizations, and the order in which hosts are handed them."""

    def __init__(
        self,
        world: World,
        *,
        store: Store | None = None,
        settings: Settings | None = None,
        base_url: str = "http://127.0.0.1:8600",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.world = world
        self.store = store or NoStore()
        self.settings = self._settings_at_start = settings or Settings()
        self.base_url = base_url
        self._clock = clock
        self.started = self.clock()
        self.timers = Timers(time.monotonic)
        self.journal = Journal()
        self.new_id = IdFactory()
        self.jobs: dict[str, Job] = {}
        self.by_task: defaultdict[str, dict[str, Job]] = defaultdict(dict)
        self.by_run: defaultdict[str, dict[str, Job]] = defaultdict(dict)
        self.by_workflow: defaultdict[str, dict[str, Job]] = defaultdict(dict)
        self.ready: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        self.assigned: dict[str, Job] = {}
        self.last_sign: dict[str, float] = {}
        self.dead_hosts: set[str] = set()
        self.revoked_tokens: set[str] = set()
        self.on_ready: Callable[[], None] = _nothing
        self.on_over: Listener = _nothing
        self._listeners: defaultdict[str, list[Listener]] = defaultdict(list)
        self._sequence = 0
        self._tasks = world.tasks
        self._fields_of_tasks = [(task, dict(vars(task))) for task in world.task_by_id.values()]
        for job in self.store.load():
            self._sequence = max(self._sequence, job.sequence)
            if self._has_its_place(job):
                self._index(job)

    def clock(self) -> float:
        """Now. Rounded to milliseconds: documents show no more, and filters compare with what they show."""
        return round(self._clock(), 3)

    def _has_its_place(self, job: Job) -> bool:
        """Whether the definitions still hold what a stored job belongs to; if not it is not shown."""
        world = self.world
        known_host = job.host is None or job.host in world.hosts
        known_task = job.over or job.task_id is None or job.task_id in world.task_by_id
        return known_host and known_task and (job.customer_name is None or job.customer_name in world.organizations)

    # -- looking up

    def job(self, job_id: str) -> Job | None:
        """The job with that id, of whichever organization."""
        return self.jobs.get(job_id.lower())

    def run_of(self, job: Job) -> Job | None:
        """The run of which a job is a step, if it is one and the run is still there."""
        return self.jobs.get(job.workflow_job_id or "")

    def children(self, run: Job) -> list[Job]:
        """The jobs of a run's steps, oldest first."""
        return list(self.by_run.get(run.id, {}).values())

    def jobs_of(self, organization: str) -> Iterator[Job]:
        """The jobs booked under an organization, oldest first."""
        return (job for job in self.jobs.values() if job.customer_name == organization)

    # -- changing

    def add(self, job: Job) -> Job:
        """Keeps a new job."""
        self._sequence += 1
        job.sequence = self._sequence
        job.history.append(job.moment(job.created))
        self._index(job)
        self.store.put(job)
        self.journal.job(job, "created")
        if job.lifecycle == "ready" and job.host:
            self.on_ready()
        return job

    def change(self, job: Job, **values: Any) -> None:
        """Sets some of a job's fields, keeps it, and tells whoever waits for it."""
        was_over = job.over
        self._unqueue(job)
        for key, value in values.items():
            setattr(job, key, value)
        job.updated = self.clock()
        job.row = None
        last = job.history[-1]
        if (last.lifecycle, last.state) != (job.lifecycle, job.state):
            job.history.append(job.moment(job.updated))
        self._queue(job)
        self.store.put(job)
        if job.over and not was_over:
            for listener in self._listeners.pop(job.id, []):
                listener(job)
            self.on_over(job)
        # Any change may open the way for another job of the same task, host or workflow.
        self.on_ready()

    def end(self, job: Job, outcome: Outcome, **more: Any) -> None:
        """Ends a job."""
        self.change(
            job,
            lifecycle=outcome.lifecycle,
            state=outcome.state,
            trigger_name=outcome.trigger_name,
            output=job.output if outcome.output is None else outcome.output,
            result=outcome.result,
            **more,
        )

    def remove(self, job: Job) -> None:
        """Deletes a job's record; whoever waits for it waits on."""
        self._unqueue(job)
        self.jobs.pop(job.id, None)
        for index, key in (
            (self.by_task, job.task_id),
            (self.by_run, job.workflow_job_id),
            (self.by_workflow, job.workflow_id if job.is_run else None),
        ):
            if key is not None and key in index:
                index[key].pop(job.id, None)
        self.store.delete(job.id)

    def reset(self) -> None:
        """No job, no count, all hosts alive, all tokens known, all tasks and settings as they were at the start."""
        self.timers.clear()
        for job in list(self.jobs.values()):
            self.remove(job)
        for host in self.dead_hosts:
            self.last_sign[host] = self.clock()
        self.dead_hosts.clear()
        self.revoked_tokens.clear()
        self.settings = self._settings_at_start
        for task, fields in self._fields_of_tasks:
            vars(task).update(fields)
        self.world.tasks = self._tasks
        self.world.index()
        self.journal.reset()

    # -- waiting

    def listen(self, job_id: str, listener: Listener) -> Callable[[], None]:
        """Calls the listener once when the job ends. Returns how to stop listening."""
        self._listeners[job_id].append(listener)

        def stop() -> None:
            listeners = self._listeners.get(job_id)
            if listeners and listener in listeners:
                listeners.remove(listener)
                if not listeners:
                    del self._listeners[job_id]

        return stop

    # -- indexes

    def _index(self, job: Job) -> None:
        self.jobs[job.id] = job
        if job.task_id:
            self.by_task[job.task_id][job.id] = job
        if job.workflow_job_id:
            self.by_run[job.workflow_job_id][job.id] = job
        if job.is_run and job.workflow_id:
            self.by_workflow[job.workflow_id][job.id] = job
        self._queue(job)

    def _queue(self, job: Job) -> None:
        if job.host and job.lifecycle == "ready":
            bisect.insort(self.ready[job.host], _place_in_queue(job))
        elif job.lifecycle == "assigned":
            self.assigned[job.id] = job

    def _unqueue(self, job: Job) -> None:
        self.assigned.pop(job.id, None)
        queue = self.ready.get(job.host or "", [])
        place = bisect.bisect_left(queue, _place_in_queue(job))
        if place < len(queue) and queue[place][1] == job.id:
            del queue[place]
