"""A run and the jobs of its steps: which of them count, which are from before a restart, which failed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

from .. import agents
from ..engine import Engine
from ..job import Job
from ..world import Edge, Workflow
from . import attempts
from .look import Look, of_job, past

SUCCESSES = ("success", "normal")


@dataclass(frozen=True)
class Run:
    """A run with the jobs of its steps, oldest first.

    If its workflow does one run at a time there are `others`, and not every job that is ready `may_be_taken`.
    """

    job: Job
    children: Sequence[Job]
    workflow: Workflow | None
    others: Sequence[Run] = ()
    may_be_taken: Callable[[Job], bool] = lambda job: True

    @classmethod
    def of(cls, engine: Engine, job: Job) -> Run:
        """As the engine knows it."""
        workflow = engine.world.workflow_by_id.get(job.workflow_id or "")
        children = engine.children(job)
        if workflow is None or workflow.multitasking or all(child.over for child in children):
            return cls(job, children, workflow)
        runs = engine.by_workflow.get(workflow.id, {}).values()
        others = [cls(one, engine.children(one), workflow) for one in runs if one is not job]
        return cls(job, children, workflow, others, partial(agents.may_be_taken, engine))

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
