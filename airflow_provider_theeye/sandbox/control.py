"""The sandbox's own routes below `/_sandbox`: journal, faults, hosts, settings, tokens, vanishing jobs, live logs.

They answer on loopback only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, Protocol

from . import agents
from .call import Answer
from .engine import Engine
from .errors import Refused, message
from .faults import BadRule, Faults, parse_rules
from .query import parse

PREFIX = "/_sandbox/"
LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")


class Logs(Protocol):
    """Where the text of running and ended scripts is found."""

    def log(self, job_id: str) -> bytes | None:
        """All a job has written so far; None if it never ran here."""
        ...

    def kill_scripts(self, host: str | None = None) -> None:
        """Ends all running scripts, or those of a host."""
        ...


class Control:
    """Answers requests about the sandbox itself."""

    def __init__(self, engine: Engine, faults: Faults, logs: Logs | None) -> None:
        self._engine = engine
        self._faults = faults
        self._logs = logs

    def answer(self, method: str, path: str, raw_query: str, body: bytes) -> Answer:
        """The answer to a request below /_sandbox."""
        parts = path.removeprefix(PREFIX).split("/")
        routes: dict[tuple[str, str, int], Callable[[], Answer]] = {
            ("POST", "reset", 1): self._reset,
            ("GET", "journal", 1): lambda: Answer.of(self._engine.journal.shown()),
            ("DELETE", "journal", 1): self._reset_journal,
            ("GET", "faults", 1): self._show_faults,
            ("PUT", "faults", 1): lambda: self._set_faults(body),
            ("DELETE", "faults", 1): lambda: self._set_faults(b"[]"),
            ("GET", "hosts", 1): self._show_hosts,
            ("PUT", "hosts", 2): lambda: self._set_host(parts[1], body),
            ("GET", "settings", 1): lambda: Answer.of(asdict(self._engine.settings)),
            ("PUT", "settings", 1): lambda: self._change_settings(body),
            ("PUT", "tokens", 2): lambda: self._revoke_token(parts[1], body),
            ("DELETE", "jobs", 2): lambda: self._vanish(parts[1]),
            ("GET", "jobs", 2): lambda: self._history(parts[1]),
            ("GET", "jobs", 3): lambda: self._log(parts[1], parts[2], raw_query),
        }
        handler = routes.get((method, parts[0], len(parts)))
        try:
            if handler is None:
                raise message(404, f"{method} {path} does not exist")
            return handler()
        except Refused as refusal:
            return Answer.refused(refusal)

    def _reset(self) -> Answer:
        self._faults.reset()
        if self._logs is not None:
            self._logs.kill_scripts()
        self._engine.reset()
        return Answer(204)

    def _reset_journal(self) -> Answer:
        self._engine.journal.reset()
        return Answer(204)

    def _show_faults(self) -> Answer:
        return Answer.of([rule.shown() for rule in self._faults.rules])

    def _set_faults(self, body: bytes) -> Answer:
        try:
            self._faults.rules = parse_rules(_read(body))
        except BadRule as error:
            raise message(400, str(error)) from None
        return self._show_faults()

    def _show_hosts(self) -> Answer:
        return Answer.of({name: self._host(name) for name in self._engine.world.hosts})

    def _host(self, name: str) -> dict[str, Any]:
        state = agents.resource_state(self._engine, name)
        return {"alive": name not in self._engine.dead_hosts, "state": state}

    def _set_host(self, host: str, body: bytes) -> Answer:
        known = self._engine.world.hosts
        if host not in known:
            raise message(404, f"no host is called {host}; known are {', '.join(known)}")
        given = _read(body)
        if not isinstance(given, dict) or not isinstance(given.get("alive"), bool):
            raise message(400, "alive must be true or false")
        scripts = given.get("scripts", "die")
        if scripts not in ("die", "run"):
            raise message(400, "scripts must be die or run")
        agents.set_host_alive(self._engine, host, given["alive"])
        if self._logs is not None and not given["alive"] and scripts == "die":
            self._logs.kill_scripts(host)
        return Answer.of(self._host(host))

    def _change_settings(self, body: bytes) -> Answer:
        given = _read(body)
        known = asdict(self._engine.settings)
        if not isinstance(given, dict) or not given.keys() <= known.keys():
            raise message(400, f"settings are an object; known are {', '.join(known)}")
        for name, seconds in given.items():
            if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
                raise message(400, f"{name} must be a number of seconds")
        self._engine.settings = replace(self._engine.settings, **given)
        return Answer.of(asdict(self._engine.settings))

    def _revoke_token(self, key: str, body: bytes) -> Answer:
        user = self._engine.world.users.get(key)
        if user is None:
            raise message(404, f"no user is called {key}; known are {', '.join(self._engine.world.users)}")
        given = _read(body)
        if not isinstance(given, dict) or not isinstance(given.get("revoked"), bool):
            raise message(400, "revoked must be true or false")
        change = self._engine.revoked_tokens.add if given["revoked"] else self._engine.revoked_tokens.discard
        change(user.token)
        return Answer.of({"revoked": given["revoked"]})

    def _vanish(self, job_id: str) -> Answer:
        job = self._engine.job(job_id)
        if job is None:
            raise message(404, "job not found")
        self._engine.remove(job)
        return Answer(204)

    def _history(self, job_id: str) -> Answer:
        job = self._engine.job(job_id)
        if job is None:
            raise message(404, "job not found")
        return Answer.of({"id": job.id, "name": job.name, "history": [vars(moment) for moment in job.history]})

    def _log(self, job_id: str, what: str, raw_query: str) -> Answer:
        log = self._logs.log(job_id) if self._logs is not None and what == "log" else None
        if log is None:
            job = self._engine.job(job_id)
            if job is None or what != "log":
                raise message(404, "log not found")
            written = (job.result or {}).get("log")
            log = written.encode() if isinstance(written, str) else b""
        offset = parse(raw_query).get("offset", "0")
        start = int(offset) if isinstance(offset, str) and offset.isdecimal() else 0
        return Answer(200, log[start:], {"X-Log-Size": str(len(log))}, "text/plain; charset=utf-8")


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise message(400, f"not JSON: {error}") from None
