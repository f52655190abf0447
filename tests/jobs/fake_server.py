"""A model of TheEye's jobs in memory, small enough to be read, whose answers can be lost at any moment.

It knows what submitting, cancelling and reading need: held jobs, workflows whose step starts the next ones, refusals
in TheEye's own words, and how often a script was started.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_theeye.api.calls import Call
from airflow_provider_theeye.api.errors import InvalidRequest, NoAnswer, NotFound, RouteNotFound, TheEyeError
from airflow_provider_theeye.api.models import OVER, Job
from airflow_provider_theeye.jobs.procedures import Pause, Procedure
from airflow_provider_theeye.jobs.submission import Order, submit

from .documents import ident

TASK, WORKFLOW, USER = ident(500), ident(900), ident(700)
EPOCH = datetime(2026, 1, 1)
#: How often the real client sends a call that may be sent again.
ATTEMPTS = 3


class Late(Exception):
    """Raised by a fault for a release or a hold: the server has checked it and writes only after some seconds.

    :param then: what the client gets at once.
    """

    def __init__(self, seconds: float, then: BaseException) -> None:
        super().__init__()
        self.seconds, self.then = seconds, then


class FakeServer:
    """One organization, any task, and workflows that are chains or forks.

    :param knows_holding: ``False`` for a server that ignores ``lifecycle`` in a creation.
    :param missing: templates of routes that it does not have.
    :param following: of a workflow: the tasks that follow each task.
    """

    def __init__(self, *, knows_holding: bool = True, missing: frozenset[str] = frozenset()) -> None:
        self.knows_holding = knows_holding
        self.missing = missing
        self.following: Mapping[str, tuple[str, ...]] = {}
        self.user = USER
        self.rows: dict[str, dict[str, Any]] = {}
        self.starts: dict[str, int] = {}
        self.asked: list[str] = []
        self.seconds = 0.0
        self._made = 0
        self._under_way: list[tuple[float, Callable[[], None]]] = []
        #: Called before each request with its name; may raise, or return what is to be raised after the effect.
        self.fault: Callable[[str], BaseException | None] = lambda name: None

    # -- being asked

    def ask(self, call: Call[Any]) -> Any:
        """Send a call as the real client does: again if its answer was lost and that does no harm."""
        for attempt in range(ATTEMPTS if call.repeatable else 1):
            try:
                return self.once(call)
            except TheEyeError as error:
                if not error.transient or attempt == ATTEMPTS - 1 or not call.repeatable:
                    raise
        raise AssertionError("not reached")

    def once(self, call: Call[Any]) -> Any:
        name = f"{call.method} {call.template}"
        self.asked.append(name)
        self.pass_time(0.01)
        try:
            after = self.fault(name)
        except Late as late:
            self._take_in(call, late.seconds)
            raise late.then from None
        if call.template in self.missing:
            raise RouteNotFound("/x does not exist", status=404)
        answer = call.parse(self._answer(call))
        if after is not None:
            raise after
        return answer

    def carry_out(self, procedure: Procedure[Any]) -> Any:
        """Drive a procedure. Its pauses pass on the model's clock."""
        try:
            action = next(procedure)
            while True:
                if isinstance(action, Pause):
                    self.pass_time(action.seconds)
                    action = next(procedure)
                    continue
                try:
                    value = self.ask(action)
                except TheEyeError as error:
                    action = procedure.throw(error)
                else:
                    action = procedure.send(value)
        except StopIteration as end:
            return end.value
        finally:
            procedure.close()

    def pass_time(self, seconds: float) -> None:
        self.seconds += seconds
        due = [write for moment, write in self._under_way if moment <= self.seconds]
        self._under_way = [one for one in self._under_way if one[0] > self.seconds]
        for write in due:
            write()

    def _take_in(self, call: Call[Any], seconds: float) -> None:
        """A release or hold is two steps on the real server: what it checked now it writes later, whatever became of
        the job meanwhile."""
        target = {"synced": "ready", "hold": "onhold"}.get(call.template.rpartition("/")[2])
        row = self.rows.get(call.ids.get("id", ""))
        if target is None or row is None or (target == "ready" and row["lifecycle"] != "syncing"):
            return
        self._under_way.append((self.seconds + seconds, lambda: row.update(lifecycle=target, state="in_progress")))

    def _answer(self, call: Call[Any]) -> Any:
        ids = {**call.ids}
        if call.method == "POST":
            return self._create(call)
        if call.method == "GET" and call.template == "/{customer}/job":
            return list(self._found(call.query))
        if call.template.startswith("/workflows/") and call.template.endswith("/jobs"):
            return self.steps(self._row(ids["id"])["id"])
        row = self._row(ids["id"])
        if call.method == "GET":
            return row
        action = call.template.rpartition("/")[2]
        return {"synced": self._release, "hold": self._hold, "cancel": self._cancel}[action](row)

    # -- jobs

    def create(self, lifecycle: str = "ready", **fields: Any) -> dict[str, Any]:
        self._made += 1
        moment = (EPOCH + timedelta(seconds=self.seconds)).isoformat(timespec="milliseconds") + "Z"
        row = {
            "_type": "ScriptJob",
            "id": ident(self._made),
            "name": f"job {self._made}",
            "lifecycle": lifecycle,
            "state": "in_progress",
            "task_id": TASK,
            "user_id": self.user,
            "origin": "user",
            "creation_date": moment,
            "last_update": moment,
            **fields,
        }
        self.rows[row["id"]] = row
        return row

    def _create(self, call: Call[Any]) -> dict[str, Any]:
        body = call.body or {}
        held = body.get("lifecycle") if self.knows_holding else None
        origin = "secret" if call.keys else "user"
        lifecycle = held or "ready"
        values = body["task_arguments"]
        if "workflow" not in call.ids:
            task = body["task"]
            return self.create(lifecycle, task_id=task, task_arguments_values=values, origin=origin)
        workflow = {"workflow_id": call.ids["workflow"], "origin": origin}
        run = self.create(lifecycle, _type="WorkflowJob", task_id=None, task_arguments_values=values, **workflow)
        self.create(lifecycle, **workflow, workflow_job_id=run["id"])
        return run

    def _row(self, job_id: str) -> dict[str, Any]:
        if job_id not in self.rows:
            raise NotFound("job not found", status=404)
        return self.rows[job_id]

    def _release(self, row: dict[str, Any]) -> None:
        if row["lifecycle"] != "syncing":
            raise InvalidRequest(f"job lifecycle must be syncing. {row['lifecycle']} is set", status=400)
        row["lifecycle"] = "ready"

    def _hold(self, row: dict[str, Any]) -> None:
        row["lifecycle"] = "onhold"

    def _cancel(self, row: dict[str, Any]) -> None:
        target = {"ready": "canceled", "onhold": "canceled", "assigned": "terminated"}.get(row["lifecycle"])
        if target is not None:
            self.end(row, target, "canceled", result={"user": {"email": "bot@example.org"}})

    def end(self, row: dict[str, Any], lifecycle: str = "finished", state: str = "success", **fields: Any) -> None:
        self.seconds += 0.01
        moment = (EPOCH + timedelta(seconds=self.seconds)).isoformat(timespec="milliseconds") + "Z"
        ended = {"lifecycle": lifecycle, "state": state, "last_update": moment}
        row.update(ended, **fields)
        run = self.rows.get(row.get("workflow_job_id") or "")
        if run is None:
            return
        if state == "success":
            for task in self.following.get(row["task_id"], ()):
                self.create("ready", task_id=task, workflow_id=run["workflow_id"], workflow_job_id=run["id"])
        if all(step["lifecycle"] in OVER for step in self.steps(run["id"])):
            run.update(ended)

    def steps(self, run_id: str) -> list[dict[str, Any]]:
        return [row for row in self.rows.values() if row.get("workflow_job_id") == run_id]

    def _found(self, query: Any) -> Iterator[dict[str, Any]]:
        limit = int(dict(query).get("limit", "1000"))
        wanted = [(key, value) for key, value in query if key.startswith("where")]
        many = {key for key, _ in wanted if key.endswith("[$in][]")}
        newest = sorted(self.rows.values(), key=lambda row: (row["creation_date"], row["id"]), reverse=True)
        fitting = (
            row
            for row in newest
            if all(_fits(row, key, value) for key, value in wanted if key not in many)
            and all(any(_fits(row, key, value) for k, value in wanted if k == key) for key in many)
        )
        for row, _ in zip(fitting, range(limit), strict=False):
            yield {key: value for key, value in row.items() if key not in ("result", "output", "task_arguments_values")}

    # -- the hosts

    def take(self) -> None:
        """Hosts take all jobs that are ready; their scripts start."""
        for row in [*self.rows.values()]:
            if row["lifecycle"] == "ready" and row["_type"] != "WorkflowJob":
                row["lifecycle"] = "assigned"
                self.starts[row["id"]] = self.starts.get(row["id"], 0) + 1
                if row.get("workflow_job_id") in self.rows:
                    self.rows[row["workflow_job_id"]].update(lifecycle="started", state="in_progress")

    def report(self) -> None:
        """The scripts that run end well."""
        for row in [*self.rows.values()]:
            if row["lifecycle"] == "assigned":
                self.end(row, result={"code": 0, "log": "success\n", "lastline": "success"}, output=["done"])

    def finish(self) -> int:
        """Let all that may run, run. Returns how many scripts were started since the beginning."""
        while any(
            row["lifecycle"] in ("ready", "assigned") and row["_type"] == "ScriptJob" for row in self.rows.values()
        ):
            self.take()
            self.report()
        return sum(self.starts.values())

    def live(self) -> list[str]:
        return [row["id"] for row in self.rows.values() if row["lifecycle"] not in OVER]


def into(remembered: list[Job]) -> Callable[[Job], bool]:
    """A memory that lasts."""

    def remember(job: Job) -> bool:
        remembered.append(job)
        return True

    return remember


class Try:
    """One submission and what came of it."""

    def __init__(self, server: FakeServer, order: Order) -> None:
        self.remembered: list[Job] = []
        self.job: Job = server.carry_out(submit(order, into(self.remembered)))


def _fits(row: Mapping[str, Any], key: str, value: str) -> bool:
    field = key.removeprefix("where[").partition("]")[0]
    if field == "_id":
        field = "id"
    if field.startswith("task_arguments_values."):
        values = row.get("task_arguments_values", [])
        place = int(field.partition(".")[2])
        return place < len(values) and values[place] == value
    found = row.get(field)
    return found is not None and (found >= value if key.endswith("[$gte]") else found == value)


def lost(
    after: int = 0, times: int = 1, *, name: str, effect: bool = False, error: TheEyeError | None = None
) -> Callable[[str], TheEyeError | None]:
    """A fault: the answers to requests of this name are lost, the first ``after`` of them excepted."""
    seen = 0

    def fault(asked: str) -> TheEyeError | None:
        nonlocal seen
        if not asked.endswith(name):
            return None
        seen += 1
        if not after < seen <= after + times:
            return None
        trouble = error or NoAnswer("the connection was closed")
        if not effect:
            raise trouble
        return trouble

    return fault
