"""Which page answers which path."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote

from ..call import Answer
from ..control import Logs
from ..engine import Engine
from ..errors import Refused
from ..world import PAGE_WORDS
from . import actions, guard, job_views, rows, views

ASSETS = "/_sandbox/ui/"
FOLDER = Path(__file__).parent.parent / "static"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Visit:
    """A request for a page. `client` is the other end's address."""

    method: str
    path: str
    raw_query: str
    headers: Mapping[str, str]
    body: bytes
    client: str | None

    @property
    def query(self) -> dict[str, str]:
        """The query string; of a name that is there twice the last one counts."""
        return dict(parse_qsl(self.raw_query, keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))


class NotFound(Exception):
    """There is no such page; says what is missing."""


class Site:
    """All pages. `everyone` lets in whoever reaches the socket, for a sandbox that was told to listen to others."""

    def __init__(self, engine: Engine, logs: Logs | None, *, everyone: bool) -> None:
        self._engine = engine
        self._logs = logs
        self._everyone = everyone

    @staticmethod
    def owns(path: str) -> bool:
        """Whether a path belongs to the pages."""
        return path == "/" or path.startswith(ASSETS) or path.split("/")[1] in PAGE_WORDS

    def answer(self, visit: Visit) -> Answer:
        """The page, or a page that says what is wrong."""
        objection = guard.objection(visit.method, visit.headers, visit.client, everyone=self._everyone)
        if objection is not None:
            return self._problem(403, "Not from here", objection)
        try:
            if visit.path.startswith(ASSETS):
                return _asset(visit.path.removeprefix(ASSETS), visit.headers)
            return self._page(visit)
        except NotFound as missing:
            return self._problem(404, "Nothing here", str(missing))

    def _page(self, visit: Visit) -> Answer:
        words = visit.path.split("/")[1:]
        if words == [""]:
            return self._home(visit)
        if len(words) > 1:
            if words[0] == "jobs":
                return self._job(visit, words[1], words[2:])
            if words[0] == "tasks":
                return self._task(visit, words[1], words[2:])
            return self._workflow(visit, words[1], words[2:])
        raise NotFound("There is no such page.")

    # -- pages

    def _home(self, visit: Visit) -> Answer:
        names = list(self._engine.world.organizations)
        organization = visit.query.get("organization", names[0])
        if organization not in names:
            raise NotFound(f"There is no organization called {organization}.")
        page = f"/?organization={quote(organization)}"
        if visit.method == "POST":
            host = self._engine.world.hosts.get(visit.form.get("host", ""))
            if host is None or host.organization != organization or visit.form.get("do") not in ("start", "stop"):
                raise NotFound("There is no such host.")
            note = actions.set_host(self._engine, self._logs, host, alive=visit.form["do"] == "start")
            return _see_other(f"{page}&note={note}")
        values = views.home(self._engine, organization)
        values["page"] = page
        return self._show(visit, "home", organization, values)

    def _job(self, visit: Visit, job_id: str, rest: list[str]) -> Answer:
        job = self._engine.job(job_id)
        if job is None:
            raise NotFound(
                f"There is no job {job_id}. TheEye keeps the newest jobs of a task and forgets the others, so it may "
                "have been there once."
            )
        if rest == ["log"]:
            text = job_views.log(job, self._logs).encode("utf-8", "replace")
            return Answer(200, text, dict(HEADERS), "text/plain; charset=utf-8")
        refusal = None
        if rest:
            action = _among(actions.OF_A_JOB, rest)
            refusal = self._act(visit, rows.job_page(job.id), lambda: action(self._engine, job, visit.form))
        if isinstance(refusal, Answer):
            return refusal
        return self._show(visit, "job", job.customer_name, job_views.job(self._engine, job, self._logs), refusal)

    def _task(self, visit: Visit, task_id: str, rest: list[str]) -> Answer:
        task = self._engine.world.task_by_id.get(task_id.lower())
        if task is None:
            raise NotFound(f"There is no task {task_id}.")
        refusal = None
        if rest:
            action = _among({} if task.workflow_id else {"run": actions.run_task}, rest)
            refusal = self._act(visit, rows.task_page(task.id), lambda: action(self._engine, task, visit.form))
        if isinstance(refusal, Answer):
            return refusal
        return self._show(visit, "task", task.organization, views.task(self._engine, task, visit.form), refusal)

    def _workflow(self, visit: Visit, workflow_id: str, rest: list[str]) -> Answer:
        workflow = self._engine.world.workflow_by_id.get(workflow_id.lower())
        if workflow is None:
            raise NotFound(f"There is no workflow {workflow_id}.")
        refusal = None
        if rest:
            action = _among({"run": actions.run_workflow}, rest)
            page = rows.workflow_page(workflow.id)
            refusal = self._act(visit, page, lambda: action(self._engine, workflow, visit.form))
        if isinstance(refusal, Answer):
            return refusal
        values = views.workflow(self._engine, workflow, visit.form)
        return self._show(visit, "workflow", workflow.organization, values, refusal)

    # -- answers

    def _act(self, visit: Visit, page: str, act: Callable[[], actions.Done]) -> Answer | Refused:
        """Does what a form asks for and leads on, so that a reload does not do it again. A mere visit does nothing."""
        if visit.method != "POST":
            return _see_other(page)
        try:
            done = act()
        except Refused as refusal:
            return refusal
        note = f"?note={done.note}" if done.note else ""
        return _see_other(rows.job_page(done.job.id) + note)

    def _show(
        self,
        visit: Visit,
        template: str,
        organization: str | None,
        values: Mapping[str, Any],
        refusal: Refused | None = None,
    ) -> Answer:
        """A page, or the part of it that changes."""
        user = actions.acting_user(self._engine.world, organization)
        frame = {
            "organization": organization,
            "organizations": list(self._engine.world.organizations),
            "user": user.key if user else None,
            "note": actions.NOTES.get(visit.query.get("note", "")),
            "refusal": (refusal.status, actions.said(refusal)) if refusal else None,
        }
        name = f"{template}_live.html" if "fragment" in visit.query else f"{template}.html"
        return _html(name, {**frame, **values}, refusal.status if refusal else 200)

    def _problem(self, status: int, title: str, words: str) -> Answer:
        frame: dict[str, Any] = {"organization": None, "organizations": [], "user": None, "note": None, "refusal": None}
        return _html("problem.html", {**frame, "title": title, "words": words}, status)


Action = TypeVar("Action")


def _among(known: Mapping[str, Action], rest: list[str]) -> Action:
    """The action that the end of a path names."""
    if len(rest) != 1 or rest[0] not in known:
        raise NotFound("There is no such page.")
    return known[rest[0]]


def _html(template: str, values: Mapping[str, Any], status: int) -> Answer:
    from .render import render  # only now: whoever looks at no page shall not wait for Jinja

    return Answer(status, render(template, values), dict(HEADERS), "text/html; charset=utf-8")


def _see_other(page: str) -> Answer:
    return Answer(303, b"", {**HEADERS, "Location": page}, "text/plain; charset=utf-8")


def _asset(name: str, headers: Mapping[str, str]) -> Answer:
    """A file that comes with the pages."""
    file = FOLDER / name
    if file.parent != FOLDER or file.suffix not in TYPES or not file.is_file():
        raise NotFound("There is no such file.")
    content = file.read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    shown = {**HEADERS, "Cache-Control": "no-cache", "ETag": tag}
    if headers.get("if-none-match") == tag:
        return Answer(304, None, shown)
    return Answer(200, content, shown, f"{TYPES[file.suffix]}; charset=utf-8")
