"""What is going on in a run: which of its jobs count, whether it is over, and whether it will ever be.

The run's own words do not tell: they are those of its end before while a step that was started again waits for its
host, and they say `started` for ever when nothing is left that could go on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ..engine import Engine
from ..job import Job
from ..workflows import ENDLESS_VERSION
from ..world import Edge, Workflow
from . import attempts
from .look import Look, look, of_job, past

STUCK = Look("stuck", "failure")
SUCCESSES = ("success", "normal")


@dataclass(frozen=True)
class Run:
    """A run with the jobs of its steps, oldest first."""

    job: Job
    children: Sequence[Job]
    workflow: Workflow | None

    @classmethod
    def of(cls, engine: Engine, job: Job) -> Run:
        """As the engine knows it."""
        workflow = engine.world.workflow_by_id.get(job.workflow_id or "")
        return cls(job, engine.children(job), workflow)

    def name(self, job: Job) -> str:
        """What a step is called within the workflow."""
        return self._keys.get(job.task_id or "") or job.name or job.id

    @cached_property
    def _keys(self) -> dict[str, str]:
        return {task.id: key for key, task in self.workflow.steps.items()} if self.workflow else {}

    @cached_property
    def made(self) -> dict[str, list[Job]]:
        """The jobs by their tasks, oldest first."""
        made: defaultdict[str, list[Job]] = defaultdict(list)
        for child in self.children:
            made[child.task_id or child.id].append(child)
        return dict(made)

    def counting(self, task_id: str) -> list[Job]:
        """Of a task's jobs those that count: the newest, or as many as there are steps that have led to it."""
        leading = 0
        for edge in self._edges_to.get(task_id, ()):
            before = self.made.get(edge.source, ())
            leading += any(job.over and job.trigger_name == edge.on for job in before[-1:])
        return self.made[task_id][-max(1, leading) :]

    @cached_property
    def _edges_to(self) -> dict[str, list[Edge]]:
        edges: defaultdict[str, list[Edge]] = defaultdict(list)
        for edge in self.workflow.edges if self.workflow else ():
            edges[edge.target].append(edge)
        return edges

    def shown(self, task_id: str) -> Job:
        """The job that a step is drawn as: the newest that is no success, if several count."""
        counting = self.counting(task_id)[::-1]
        return next((job for job in counting if of_job(job).tone != "success"), counting[0])

    @cached_property
    def newest(self) -> list[Job]:
        """All jobs that count."""
        return [job for task_id in self.made for job in self.counting(task_id)]

    def counts(self, job: Job) -> bool:
        """Whether a job counts; else it is superseded by a newer one of the same step."""
        return any(one is job for one in self.newest)

    def mark(self, task_id: str) -> str:
        """How many jobs of a step count, or how often it has been tried; nothing for the usual one."""
        counting = len(self.counting(task_id))
        tries = sum(1 + attempts.restarts(job) for job in self.made[task_id])
        if counting > 1:
            return f"{counting} jobs"
        return f"try {tries}" if tries > 1 else ""

    def step_look(self, task_id: str) -> Look:
        """How a step looks. What is from before a restart is shown, but no longer as a success."""
        now = of_job(self.shown(task_id))
        return past(now, "earlier") if task_id in self.outdated else now

    @property
    def live(self) -> list[Job]:
        """The jobs that are not over."""
        return [child for child in self.children if not child.over]

    @property
    def goes_on(self) -> bool:
        """Whether it lives although it says that it is over."""
        return self.job.over and bool(self.live)

    @property
    def between_steps(self) -> bool:
        """Whether the next step is about to be made: an end has not been noticed yet."""
        return any(child.over and child.state != "error" and not child.counted for child in self.children)

    @property
    def unbuildable(self) -> list[Job]:
        """The steps that could not be built: the run waits for each of them for ever."""
        return [child for child in self.newest if child.state == "error"]

    @cached_property
    def outdated(self) -> set[str]:
        """The tasks of which all jobs are from before a step that leads to them ran again."""
        began = {task: attempts.began(jobs[-1]) for task, jobs in self.made.items()}
        again = [task for task, jobs in self.made.items() if len(jobs) > 1 or attempts.restarts(jobs[-1])]
        return {
            later
            for task in again
            for later in self._later(task) & began.keys()
            if began[later] < began[task] and task not in self._later(later)  # in a circle each is before the other
        }

    def _later(self, task_id: str) -> set[str]:
        """The tasks that a step leads to, over whichever ways."""
        found: set[str] = set()
        at_hand = [task_id]
        while at_hand:
            targets = set(self._following.get(at_hand.pop(), ())) - found
            found |= targets
            at_hand += targets
        return found

    @cached_property
    def _following(self) -> dict[str, list[str]]:
        following: defaultdict[str, list[str]] = defaultdict(list)
        for edge in self.workflow.edges if self.workflow else ():
            following[edge.source].append(edge.target)
        return following

    @property
    def failed(self) -> list[Job]:
        """The steps that fail Airflow's task although TheEye calls the run a success."""
        if not self.job.over or self.job.state != "success":
            return []
        return [child for child in self.newest if child.over and _fails(child) and not self._is_handled(child)]

    def _is_handled(self, child: Job) -> bool:
        """Whether the graph leads on from this very failure. After an exit code it leads on from a success."""
        if self.workflow is None or child.trigger_name in SUCCESSES:
            return False
        return bool(self.workflow.next_steps(child.task_id or "", child.trigger_name))


def _fails(job: Job) -> bool:
    return job.state not in SUCCESSES or bool(job.exit_code)


def run_look(run: Run) -> Look:
    """How a run looks, whatever it says itself."""
    if run.goes_on:
        waits = all(child.lifecycle != "assigned" for child in run.live)
        return Look("waits again", "waiting") if waits else Look("goes on", "running")
    if why_stuck(run):
        return STUCK
    if run.failed:
        return Look("failed step", "failure")
    return look(run.job.lifecycle, run.job.state)


def run_meaning(run: Run) -> str:
    """What is going on, in a sentence or two."""
    if run.goes_on:
        return _goes_on(run)
    stuck = why_stuck(run)
    if stuck:
        return f"Stuck, it will never end: {stuck}"
    if run.job.over:
        return _ended(run)
    waiting = {
        "syncing": "Held: its first step is not handed out until it is released.",
        "onhold": "On hold.",
        "ready": "Waits until its first step is taken.",
    }
    if run.job.lifecycle == "onhold" and all(child.lifecycle != "onhold" for child in run.live):
        return "Waits until the run before it is over."
    return waiting.get(run.job.lifecycle) or _under_way(run)


def _names(run: Run, children: Sequence[Job]) -> str:
    return ", ".join(dict.fromkeys(run.name(child) for child in children))


def _goes_on(run: Run) -> str:
    again = [child for child in run.live if attempts.restarts(child)]
    said = f"Not over, although TheEye says {run.job.lifecycle} ({run.job.state})"
    if not again:
        return f"{said}. Still live: {_names(run, run.live)}."
    return f"{said} until a host takes what has been started again: {_names(run, again)}."


def _under_way(run: Run) -> str:
    if not run.live:
        return "Between two steps."
    dead = run.unbuildable
    end = f" It cannot end after that: {_names(run, dead)} could not be built." if dead else ""
    return f"Now: {_names(run, run.live)}.{end}"


def _ended(run: Run) -> str:
    if run.job.state == "canceled":
        user = ((run.job.result or {}).get("user") or {}).get("username")
        return f"Cancelled by {user}." if user else "Cancelled."
    if not run.failed:
        return f"Ended like the last step of its last path, with {run.job.state}."
    failed = ", ".join(f"{run.name(child)} ({of_job(child).word})" for child in run.failed)
    return (
        "TheEye calls it a success, since that is how the last step of its last path ended. Airflow's task fails: "
        f"{failed}."
    )


def why_stuck(run: Run) -> str:
    """Why a run will never end, and what can be done about it; nothing if it may end."""
    if run.job.over:
        return ""
    if not run.children:
        return "it has no job of any step, so that nothing can go on. Cancel it."
    if run.live or run.between_steps:
        return ""
    dead = run.unbuildable
    if dead:
        return f"{_names(run, dead)} could not be built. Restart that step with enough arguments, and the run goes on."
    if run.workflow is not None and run.workflow.version == ENDLESS_VERSION:
        return "its steps are over, but runs of workflows of version 1 never end."
    if run.job.active_paths < 0:
        return "two of its steps were started again at the same time, and the end of the first was taken for all."
    return "nothing of it is left that could go on."


def restart_warning(run: Run, *, another_run_started: bool) -> str:
    """What goes wrong if a step of a run is started again now; nothing if nothing does."""
    if run.live:
        return (
            "Another step of this run is live. If this one is started again now, TheEye ends the run too early or "
            "never. Wait until the run is over."
        )
    if another_run_started and run.workflow is not None and not run.workflow.multitasking:
        return (
            "Another run of this workflow has started, and TheEye does one at a time. If this step is started again "
            "now, both runs may wait for each other for ever."
        )
    return ""
