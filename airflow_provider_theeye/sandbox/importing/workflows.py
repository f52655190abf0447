"""A workflow's document, and those of its steps' tasks, as the file of definitions says them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_theeye.api.models import Edge, Task, Workflow

from .keys import Keys
from .rows import members, reference, text
from .tasks import Copying, common_fields, named, task_fields
from .writing import Compact

Row = dict[str, Any]


@dataclass(frozen=True)
class Graph:
    """Steps by the ids of their tasks, in the document's order, and edges between them."""

    steps: list[str]
    edges: list[Edge]

    @classmethod
    def of(cls, row: Row, workflow: Workflow) -> Graph:
        """Graphs of older servers have the events as nodes between the tasks: they become the words on edges."""
        graph = row.get("graph")
        nodes = members(graph.get("nodes")) if isinstance(graph, dict) else []
        events: dict[str, str] = {}
        steps: dict[str, None] = {}
        for node in nodes:
            value = node.get("value") if isinstance(node, dict) else None
            ident = reference(node.get("v")) or reference(value) if isinstance(node, dict) else ""
            if isinstance(value, dict) and text(value.get("_type")).endswith("Event"):
                events[ident] = text(value.get("name")) or "success"
            elif ident:
                steps[ident] = None
        return cls(list(steps), list(dict.fromkeys(_direct(workflow.edges, events))))


def _direct(edges: tuple[Edge, ...], events: Mapping[str, str]) -> list[Edge]:
    found = []
    for edge in edges:
        if edge.target in events:
            after = (other.target for other in edges if other.source == edge.target)
            found += [Edge(edge.source, target, events[edge.target]) for target in after]
        elif edge.source not in events:
            found.append(edge)
    return found


def workflow_fields(row: Row, workflow: Workflow, tasks: Mapping[str, Row], copying: Copying) -> dict[str, Any] | None:
    """None, with a reason in the report, if nothing is left of it.

    :param tasks: the documents of all tasks by their ids.
    """
    name = named(row.get("name"), workflow.id)
    graph = Graph.of(row, workflow)
    known = [ident for ident in graph.steps if ident in tasks]
    if not known:
        copying.report.add("workflows are left out if the token sees none of their steps", name)
        return None
    if len(known) < len(graph.steps):
        copying.report.add("steps that the token does not see are missing from workflows", name)
    edges = [edge for edge in graph.edges if edge.source in known and edge.target in known]
    keys = Keys("step")
    by_id = {ident: keys.take(_short(text(tasks[ident].get("name")), name)) for ident in known}
    steps = {by_id[ident]: _step(ident, tasks, edges, copying) for ident in known}
    fields: dict[str, Any] = {"name": name, **copying.identity(workflow.id, name)}
    fields.update(_common_host(steps))
    fields.update(_behaviour(workflow, name, copying))
    fields.update(common_fields(row, copying))
    for key, step in steps.items():
        if step["name"] == f"{name} / {key}":
            del step["name"]
    fields["steps"] = steps
    start = _start(workflow, known, edges, name, copying)
    if start != known[0]:
        fields["start"] = by_id[start]
    if edges:
        fields["edges"] = [Compact(_edge(edge, by_id)) for edge in edges]
    return fields


def _behaviour(workflow: Workflow, name: str, copying: Copying) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if workflow.version != 2:
        fields["version"] = 1
        copying.report.add("workflows of a version other than 2 have runs that never end", name)
    if not workflow.multitasking:
        fields["multitasking"] = False
    return fields


def _short(step: str, workflow: str) -> str:
    return step.removeprefix(f"{workflow} / ")


def _edge(edge: Edge, keys: Mapping[str, str]) -> dict[str, str]:
    ends = {"from": keys[edge.source], "to": keys[edge.target]}
    event = text(edge.event)
    return ends if event in ("", "success") else {**ends, "on": event}


def _start(workflow: Workflow, known: list[str], edges: list[Edge], name: str, copying: Copying) -> str:
    if workflow.start_task_id in known:
        return str(workflow.start_task_id)
    copying.report.add("workflows without a visible start begin at a step that no edge leads to", name)
    targets = {edge.target for edge in edges}
    return next((ident for ident in known if ident not in targets), known[0])


def _step(ident: str, tasks: Mapping[str, Row], edges: list[Edge], copying: Copying) -> dict[str, Any]:
    copying.steps.add(ident)
    following = (tasks[edge.target] for edge in edges if edge.source == ident and edge.event == "success")
    outputs = max((_wanted(row) for row in following), key=len, default=[])
    return task_fields(tasks[ident], Task.parse(tasks[ident]), copying, outputs)


def _wanted(row: Row) -> list[str]:
    """What a step must be given, by place: places count fixed arguments and gaps as well."""
    arguments = Task.parse(row).arguments
    if all(one.is_fixed for one in arguments):
        return []
    labels = {one.order: one.label for one in arguments if one.order >= 0}
    return [labels.get(place, "") for place in range(min(max(labels, default=-1) + 1, 100))]


def _common_host(steps: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    """The host, if all scripts have the same one; then it is taken out of the steps."""
    hosts = {step["host"] for step in steps.values() if "host" in step}
    if len(hosts) != 1:
        return {}
    for step in steps.values():
        step.pop("host", None)
    return {"host": hosts.pop()}
