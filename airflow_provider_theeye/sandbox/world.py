"""What a server holds before anybody asks it anything: organizations, people, hosts, tasks, workflows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from .ids import derived_id, derived_secret, derived_token

ROLES = ("viewer", "user", "agent", "manager", "admin", "integration", "owner", "root")
PAGE_WORDS = ("jobs", "tasks", "workflow-pages")  # with these the paths of web pages begin, and no path of the API
TAKEN_WORDS = ("job", "task", "workflows", "_sandbox", *PAGE_WORDS)  # no names for organizations


@dataclass(frozen=True)
class User:
    """A person, an integration token, or the agent of a host."""

    key: str
    organization: str
    role: str

    @property
    def id(self) -> str:
        """24 hex digits."""
        return derived_id(self.organization, "user", self.key)

    @property
    def token(self) -> str:
        """What it shows to be let in."""
        return derived_token(self.organization, "user", self.key)

    @property
    def username(self) -> str:
        """Its name in documents."""
        return self.key.replace(":", "-")

    @property
    def email(self) -> str:
        """Its address; access lists hold these."""
        return f"{self.username}@{self.organization.replace(' ', '-')}.example.org"

    def shown(self) -> dict[str, str]:
        """As documents name it."""
        return {"id": self.id, "username": self.username, "email": self.email}

    def below(self, role: str) -> bool:
        """Whether this role is lower than another one."""
        return ROLES.index(self.role) < ROLES.index(role)


@dataclass(frozen=True)
class Organization:
    """What URLs call a customer."""

    name: str

    @property
    def id(self) -> str:
        """24 hex digits."""
        return derived_id(self.name, "organization", self.name)


@dataclass(frozen=True)
class Host:
    """A machine whose agent runs scripts."""

    name: str
    organization: str

    @property
    def id(self) -> str:
        """24 hex digits."""
        return derived_id(self.organization, "host", self.name)


@dataclass(frozen=True)
class Argument:
    """One argument of a task."""

    order: int
    label: str
    type: str = "input"
    value: Any = None
    options: tuple[Any, ...] = ()
    required: bool = True


NOTIFICATION_ARGUMENTS = tuple(
    Argument(order, label, required=False) for order, label in enumerate(("subject", "body", "recipients"))
)


@dataclass
class Task:
    """A template of jobs. `timeout` is in seconds; `autoremove` is how many jobs are kept, None for all.

    Without an `id` it has one that depends on its key; workflows and webhooks likewise.
    """

    key: str
    organization: str
    name: str
    type: str = "script"
    host: Host | None = None
    script: str = "echo success"
    arguments: tuple[Argument, ...] = ()
    arguments_type: str = "legacy"
    timeout: float | None = None
    default_state_evaluation: str | None = None
    multitasking: bool = True
    user_inputs: bool = False
    autoremove: int | None = 5
    approvers: tuple[User, ...] = ()
    acl: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    workflow_id: str | None = None
    changed: float = field(default=0.0)
    id: str = ""

    def __post_init__(self) -> None:
        kind = "step" if self.workflow_id else "task"
        self.id = self.id or derived_id(self.organization, kind, self.key)
        self.secret = derived_secret(self.organization, kind, self.key)
        self.script_id = derived_id(self.organization, "script", self.key)

    @property
    def job_type(self) -> str:
        """`ScriptJob`, `ApprovalJob` …"""
        return f"{self.type.capitalize()}Job"

    @property
    def filename(self) -> str:
        """The script's name on the host."""
        return "".join(c if c.isalnum() else "_" for c in self.key) + ".sh"

    @property
    def fingerprint(self) -> str:
        """Changes when the script does."""
        return hashlib.sha1(self.script.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Edge:
    """The way from one step to the next: taken when the first one ends with the event `on`."""

    source: str
    target: str
    on: str = "success"


@dataclass
class Workflow:
    """A template of runs. `steps` are its tasks by key; edges name tasks by their ids."""

    key: str
    organization: str
    name: str
    version: int
    multitasking: bool
    autoremove: int | None
    steps: dict[str, Task]
    start: Task
    edges: tuple[Edge, ...]
    acl: tuple[str, ...]
    tags: tuple[str, ...] = ()
    id: str = ""

    @staticmethod
    def derive_id(organization: str, key: str) -> str:
        """The id of the workflow with that key; its steps name it before it exists."""
        return derived_id(organization, "workflow", key)

    def __post_init__(self) -> None:
        self.id = self.id or self.derive_id(self.organization, self.key)
        self.secret = derived_secret(self.organization, "workflow", self.key)

    def next_steps(self, task_id: str, event: str | None) -> list[Task]:
        """The steps that follow when a step ends with an event."""
        wanted = [edge.target for edge in self.edges if edge.source == task_id and edge.on == event]
        by_id = {task.id: task for task in self.steps.values()}
        return [by_id[target] for target in wanted]


@dataclass
class Webhook:
    """An address that sets off tasks and workflows."""

    key: str
    organization: str
    name: str
    triggers: tuple[Task | Workflow, ...]
    id: str = ""

    def __post_init__(self) -> None:
        self.id = self.id or derived_id(self.organization, "webhook", self.key)
        self.secret = derived_secret(self.organization, "webhook", self.key)


@dataclass
class World:
    """Everything that the definitions hold, ready to be looked up."""

    organizations: dict[str, Organization] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    hosts: dict[str, Host] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    workflows: dict[str, Workflow] = field(default_factory=dict)
    webhooks: dict[str, Webhook] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.index()

    def index(self) -> None:
        """Builds the look-ups by token and id."""
        self.agents = {name: User(f"agent:{name}", host.organization, "agent") for name, host in self.hosts.items()}
        everybody = [*self.users.values(), *self.agents.values()]
        self.by_token = {user.token: user for user in everybody}
        steps = [task for workflow in self.workflows.values() for task in workflow.steps.values()]
        self.task_by_id = {task.id: task for task in (*self.tasks.values(), *steps)}
        self.workflow_by_id = {workflow.id: workflow for workflow in self.workflows.values()}
        self.webhook_by_id = {webhook.id: webhook for webhook in self.webhooks.values()}

    def secrets(self, organization: str) -> dict[str, str]:
        """The secret keys of all that an organization can start by one, by its id."""
        startable: tuple[Task | Workflow | Webhook, ...]
        startable = (*self.tasks.values(), *self.workflows.values(), *self.webhooks.values())
        return {one.id: one.secret for one in startable if one.organization == organization}

    def seed(self, base_url: str) -> dict[str, Any]:
        """How this server calls everything, in the format of the conformance kit."""
        return {
            "base_url": base_url,
            "organizations": {name: organization.id for name, organization in self.organizations.items()},
            "users": {key: user.id for key, user in self.users.items()},
            "hosts": {name: host.id for name, host in self.hosts.items()},
            "tokens": {
                **{key: user.token for key, user in self.users.items()},
                **{agent.key: agent.token for agent in self.agents.values()},
            },
            "tasks": {key: {"id": task.id, "secret": task.secret} for key, task in self.tasks.items()},
            "workflows": {
                key: {
                    "id": workflow.id,
                    "secret": workflow.secret,
                    "steps": {step: task.id for step, task in workflow.steps.items()},
                }
                for key, workflow in self.workflows.items()
            },
            "webhooks": {key: {"id": webhook.id, "secret": webhook.secret} for key, webhook in self.webhooks.items()},
            "secrets": {name: self.secrets(name) for name in self.organizations},
        }
