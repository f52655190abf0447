"""A job: one execution of a task, or one run of a workflow (then its steps' jobs are its children)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from .lifecycle import IN_PROGRESS, OVER

WORKFLOW_JOB = "WorkflowJob"
UPDATE_JOB = "AgentUpdateJob"


@dataclass
class Moment:
    """A step of a job's life: from `at` (seconds since 1970) on it was so.

    A restart drops the result, so that the exit code of an earlier end is known from here alone.
    """

    at: float
    lifecycle: str
    state: str
    exit_code: int | None = None


@dataclass
class Job:
    """What the server keeps of a job. Times are seconds since 1970; what may be absent from documents is None.

    `output` is a list of strings, the JSON text of a reason if the job was born dead, or None after a restart.
    `start_task_id` is the step at which a workflow job began, `active_paths` its count of unfinished paths;
    `counted` tells that the workflow has taken notice of this step's end. `restarted_by` is the user who restarted
    the job last.
    """

    id: str
    type: str
    secret: str
    created: float
    updated: float
    sequence: int
    origin: str | None
    lifecycle: str = "ready"
    state: str = IN_PROGRESS
    trigger_name: str | None = None
    name: str | None = None
    customer_name: str | None = None
    task_id: str | None = None
    host: str | None = None
    workflow_id: str | None = None
    workflow_job_id: str | None = None
    start_task_id: str | None = None
    user: dict[str, str] | None = None
    acl: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    output: Any = field(default_factory=list)
    result: dict[str, Any] | None = None
    active_paths: int = 0
    counted: bool = False
    assigned_at: float | None = None
    restarted_by: dict[str, str] | None = None
    history: list[Moment] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.row: bytes | None = None  # its place in lists, kept because lists are asked for again and again

    @property
    def is_run(self) -> bool:
        """Whether it is a workflow's run."""
        return self.type == WORKFLOW_JOB

    @property
    def over(self) -> bool:
        """Whether it has ended (it may still be restarted)."""
        return self.lifecycle in OVER

    @property
    def exit_code(self) -> int | None:
        """With what its script ended; None if it did not, was killed by a signal, or runs again."""
        code = (self.result or {}).get("code")
        return code if isinstance(code, int) else None

    def moment(self, at: float) -> Moment:
        """How it is, for its history."""
        return Moment(at, self.lifecycle, self.state, self.exit_code if self.over else None)

    def dump(self) -> dict[str, Any]:
        """Plain values for the database."""
        return asdict(self)

    @classmethod
    def load(cls, values: dict[str, Any]) -> Job:
        """The opposite of dump."""
        history = [Moment(**moment) for moment in values.pop("history")]
        return cls(**values, history=history)
