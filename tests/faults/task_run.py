"""One task instance, driven as Airflow drives it: tries, deferral, retries, Clear, and processes that die."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from tests.faults.points import Line
from tests.faults.scene import Scene
from tests.faults.tries import MOVED, STOPPED, Job, live

#: Longest life of one child in seconds.
_PATIENCE = 75.0


class Then(Enum):
    """What happens to a process at a point."""

    GO_ON = "go on"
    DIE = "SIGKILL"
    CLEARED = "SIGKILL, and the user clears the task"
    STOP = "SIGTERM: the user kills the task"
    MOVE = "SIGUSR1: the trigger is cancelled here and goes on elsewhere"


Reaction = Callable[[Scene], Then]


@dataclass(frozen=True)
class Plan:
    """How a task instance is to be run and disturbed.

    :param at: what happens when a point is reached for the first, second … time, in whichever process.
    :param after_failed_try: called after a try that ended with an exception.
    """

    at: Mapping[str, Sequence[Reaction]]
    retries: int
    deferrable: bool
    clear_after_success: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    connection: Mapping[str, Any] = field(default_factory=dict)
    refusal_seconds: float | None = None
    orphan_seconds: int | None = None
    after_failed_try: Callable[[Scene], None] | None = None


@dataclass(frozen=True)
class Outcome:
    """How the task instance ended: ``success``, ``stopped``, or the name of what was raised."""

    word: str
    message: str
    tries: int
    crashes: int
    xcoms: dict[str, Any]
    unused: tuple[str, ...]


class TaskRun:
    """Runs every try, every trigger and every resumption in a process of its own."""

    def __init__(self, scene: Scene, plan: Plan) -> None:
        self._scene = scene
        self._plan = plan
        self._left = {point: list(reactions) for point, reactions in plan.at.items()}
        self._try_number = 1
        self._max_tries = plan.retries
        self._tries = 0
        self._crashes = 0
        self._cleared = False
        self._xcoms = scene.folder / "xcoms.json"

    def to_its_end(self) -> Outcome:
        pending_clear = self._plan.clear_after_success
        while True:
            self._tries += 1
            with contextlib.suppress(FileNotFoundError):  # Airflow deletes a task's XComs before each try
                self._xcoms.unlink()
            said = self._one_try()
            if said.get("stopped"):
                return self._outcome("stopped", "")
            if said.get("returned") and not pending_clear:
                return self._outcome("success", "")
            if self._cleared or said.get("returned"):
                pending_clear = self._cleared = False
                # What Clear does: one more set of tries.
                self._max_tries = self._try_number + self._plan.retries
            elif said.get("final") or self._try_number > self._max_tries:
                return self._outcome(said.get("error", "crash"), said.get("message", ""))
            elif self._plan.after_failed_try is not None and "error" in said:
                self._plan.after_failed_try(self._scene)
            self._try_number += 1

    def _one_try(self) -> dict[str, Any]:
        said = self._process("execute", {})
        while "deferred" in said:
            deferred = said["deferred"]
            heard = self._process("trigger", deferred)
            while (heard.get("crashed") or heard.get("moved")) and not self._cleared:
                heard = self._process("trigger", deferred)
            if "event" not in heard:
                return heard
            said = self._process("resume", {**deferred, "event": heard["event"]})
        return said

    # -- processes

    def _process(self, role: str, given: dict[str, Any]) -> dict[str, Any]:
        ours, theirs = socket.socketpair()
        with ours:
            pid = os.fork()
            if not pid:
                ours.close()
                self._become_child(role, given, theirs)
            theirs.close()
            return self._attend(pid, Line(ours))

    def _become_child(self, role: str, given: dict[str, Any], theirs: socket.socket) -> None:
        with (self._scene.folder / "log").open("ab", buffering=0) as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        os.environ.update(self._scene.connection(**self._plan.connection))
        job = Job(
            folder=self._scene.folder,
            kind=self._scene.kind,
            theeye_id=self._scene.theeye_id,
            gate=self._scene.gate,
            deferrable=self._plan.deferrable,
            try_number=self._try_number,
            max_tries=self._max_tries,
            wanted=frozenset(self._left),
            options=dict(self._plan.options),
            refusal_seconds=self._plan.refusal_seconds,
            orphan_seconds=self._plan.orphan_seconds,
        )
        live(job, role, given, Line(theirs))

    def _attend(self, pid: int, line: Line) -> dict[str, Any]:
        """Answer a child until it is dead, and say how it ended."""
        ended: dict[str, Any] = {}
        until = time.monotonic() + _PATIENCE
        try:
            while True:
                self._scene.tick()
                if time.monotonic() > until:
                    raise TimeoutError(f"a process of this case did not end within {_PATIENCE:g} s")
                if not select.select([line.socket], [], [], 0.1)[0]:
                    continue
                message = line.receive()
                if message is None:
                    break
                if "end" in message:
                    ended = message["end"]
                elif not self._react(message["point"], pid, line):
                    break
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            raise
        finally:
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return self._judge(status, ended)

    def _react(self, point: str, pid: int, line: Line) -> bool:
        """Whether the child lives on."""
        reactions = self._left[point]
        then = reactions.pop(0)(self._scene) if reactions else Then.GO_ON
        if then in (Then.DIE, Then.CLEARED):
            self._cleared = then is Then.CLEARED
            os.kill(pid, signal.SIGKILL)
            return False
        if then in (Then.STOP, Then.MOVE):
            os.kill(pid, signal.SIGTERM if then is Then.STOP else signal.SIGUSR1)
        with contextlib.suppress(BrokenPipeError):  # it may be dead by now
            line.send({"environment": self._scene.connection(**self._plan.connection)})
        return True

    def _judge(self, status: int, ended: dict[str, Any]) -> dict[str, Any]:
        if status == -signal.SIGKILL:
            self._crashes += 1
            return {"crashed": True}
        if status == STOPPED:
            return {"stopped": True}
        if status == MOVED:
            return {"moved": True}
        if status or not ended:
            raise RuntimeError(f"a process of this case ended with status {status}")
        return ended

    def _outcome(self, word: str, message: str) -> Outcome:
        xcoms = json.loads(self._xcoms.read_text()) if self._xcoms.exists() else {}
        unused = tuple(point for point, left in self._left.items() if left)
        return Outcome(word, message, self._tries, self._crashes, xcoms, unused)
