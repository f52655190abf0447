"""Examples may run side by side: none uses a task of TheEye whose jobs another one's would push out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from airflow_provider_theeye.sandbox.definitions import read
from airflow_provider_theeye.sandbox.schema import build
from airflow_provider_theeye.sandbox.world import Task, Workflow
from tools.airflow_env import ROOT

SOURCES = {path.stem: path.read_text() for path in sorted((ROOT / "example_dags").glob("*.py"))}
WORLD = build(read(None))
#: How many jobs of a task TheEye keeps if nothing else is said.
KEPT = 5


def used(source: str) -> Iterator[Task | Workflow]:
    """The tasks and workflows that an example names, or whose ids it has, or that its webhook starts."""
    texts = set(re.findall(r'"([^"\n]+)"', source))
    started = [target for webhook in WORLD.webhooks.values() if webhook.id in texts for target in webhook.triggers]
    for one in (*WORLD.tasks.values(), *WORLD.workflows.values()):
        steps = one.steps.values() if isinstance(one, Workflow) else ()
        if texts & {one.name, one.id, *(step.id for step in steps)} or one in started:
            yield one


def test_no_two_examples_share_a_task() -> None:
    users: dict[str, list[str]] = {}
    for name, source in SOURCES.items():
        for one in used(source):
            users.setdefault(one.name, []).append(name)
    assert {task: names for task, names in users.items() if len(names) > 1} == {}
    assert len(users) > 20


def test_what_two_dags_or_mapped_instances_use_keeps_its_jobs() -> None:
    for name in ("example_theeye", "example_theeye_migration"):
        for one in used(SOURCES[name]):
            assert one.autoremove is None or one.autoremove > KEPT, one.name
    mapped = [name for source in SOURCES.values() for name in re.findall(r'partial\([^)]*_name="([^"]+)"', source)]
    assert mapped == ["Greet", "Welcome"]
    for one in WORLD.tasks.values():
        assert one.name not in mapped or one.autoremove is None or one.autoremove > KEPT
