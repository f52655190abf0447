"""Hosts of the copy, by name."""

from __future__ import annotations

from typing import Any

from airflow_provider_theeye.api.models import Task

from .report import Report
from .rows import reference, text

Row = dict[str, Any]

GONE = "deleted-host"


class Hosts:
    """All names of hosts, of those that are listed and of those that tasks name."""

    def __init__(self, rows: list[Row], report: Report) -> None:
        self._report = report
        self._by_id: dict[str, str] = {}
        self._names: dict[str, None] = {}
        for row in rows:
            name = text(row.get("hostname")) or text(row.get("name"))
            # The route may show monitors as well, if the server does not know the filter.
            if name and row.get("type", "host") == "host":
                self._names[name] = None
                ident = reference(row.get("host_id")) or reference(row.get("host"))
                self._by_id.setdefault(ident, name)

    def of(self, task: Task) -> str:
        """The host of a script; a stand-in if it has none any more."""
        name = text(task.hostname) or self._by_id.get(task.host_id or "", "")
        if not name:
            self._report.add(f"tasks whose host was deleted run on the host {GONE}", task.name or task.id)
            name = GONE
        self._names[name] = None
        return name

    def names(self) -> list[str]:
        """Sorted."""
        return sorted(self._names)
