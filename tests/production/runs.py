"""A run of the DAG: what Airflow says of its tasks, and TheEye of their jobs."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from tests.production.counting import JobSeen, Work
from tools.airflow_api import WaitedTooLong

if TYPE_CHECKING:
    from tests.production.stage import Stage

DAG_ID = "production"
MODES = ("deferred", "sync")


class Gate:
    """Scripts wait for its lock. When we end, in whatever way, the lock ends too, and with it the scripts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: TextIO = path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def open(self) -> None:
        self._file.close()


class Run:
    """One run of the DAG; the tasks with even numbers wait at the early gate, the others at the late one."""

    def __init__(self, stage: Stage, run_id: str, sizes: dict[str, int], gates: list[Gate]) -> None:
        self.stage = stage
        self.run_id = run_id
        self.sizes = sizes
        self.early, self.late = gates
        self._results: dict[tuple[str, int], bool] = {}

    @property
    def size(self) -> int:
        return sum(self.sizes.values())

    def open_gates(self) -> None:
        for gate in (self.early, self.late):
            gate.open()

    # -- Airflow's side

    def tasks(self) -> list[dict[str, Any]]:
        """The mapped task instances as the REST API shows them, none before the run is unfolded."""
        found = self.stage.api.task_instances(DAG_ID, self.run_id)
        return [ti for ti in found if ti["task_id"] in MODES and ti["map_index"] >= 0]

    def jobs(self) -> dict[str, list[dict[str, Any]]]:
        """Their jobs in TheEye, oldest first, by the answer that each shall give."""
        found: dict[str, list[dict[str, Any]]] = {}
        for job in self.stage.theeye.jobs(str(gate.path) for gate in (self.early, self.late)):
            found.setdefault(job["answer"], []).append(job)
        return found

    def unsettled(self) -> list[str]:
        """Tasks that neither are over nor wait for a job that is known to run; what they are doing instead."""
        tasks, jobs = self.tasks(), self.jobs()
        triggerers = self.stage.airflow.alive("TriggererJob")
        found = [
            f"{name_of(ti)}: {ti['state']}"
            for ti in tasks
            if not is_over(ti) and not self._waits(ti, jobs.get(name_of(ti), []), triggerers)
        ]
        return found + ["not unfolded yet"] * (self.size - len(tasks))

    def _waits(self, ti: dict[str, Any], jobs: list[dict[str, Any]], triggerers: dict[int, str]) -> bool:
        """A deferred task waits when its trigger has begun to: a trigger's log begins with its first look."""
        if not jobs or jobs[-1]["lifecycle"] != "assigned":
            return False
        if ti["task_id"] == "sync":
            return bool(ti["state"] == "running")
        triggerer = (ti["triggerer_job"] or {}).get("id")
        return ti["state"] == "deferred" and triggerer in triggerers and self._trigger_log(ti, triggerer).is_file()

    def _trigger_log(self, ti: dict[str, Any], triggerer: int) -> Path:
        where = f"dag_id={DAG_ID}/run_id={self.run_id}/task_id={ti['task_id']}/map_index={ti['map_index']}"
        log = f"attempt={ti['try_number']}.log.trigger.{triggerer}.log"
        return self.stage.airflow.home / "logs" / where / log

    def wait_until_settled(self) -> Run:
        last: list[str] = []

        def settled() -> bool | None:
            last[:] = self.unsettled()
            return None if last else True

        try:
            self.stage.wait(settled, f"{self.run_id} to wait for its jobs")
        except WaitedTooLong as error:
            raise WaitedTooLong(f"{error}: {len(last)} do not, such as {last[:3]}") from None
        return self

    def held_by(self, task_id: str) -> dict[str, int]:
        """How many tasks wait in which triggerer, or run in which worker."""
        held: dict[str, int] = {}
        for ti in self.stage.wait(self.tasks, "an answer of Airflow"):
            if ti["task_id"] != task_id or is_over(ti):
                continue
            host = (ti["triggerer_job"] or {}).get("hostname") if task_id == "deferred" else ti["hostname"]
            held[host or "nobody"] = held.get(host or "nobody", 0) + 1
        return held

    def wait_until_over(self) -> None:
        def over() -> bool | None:
            return all(map(is_over, self.tasks())) or None

        self.stage.wait(over, f"the tasks of {self.run_id} to be over")

    def wait_until_nothing_is_live(self, timeout: float) -> None:
        """Of tasks that are over. What takes longer is counted as left running."""
        try:
            self.stage.wait(lambda: not any(one.left_running for one in self._work()) or None, "jobs", timeout)
        except WaitedTooLong:
            return

    def clear(self) -> None:
        # Not repeated: a second one would be another Clear.
        self.stage.api.clear(DAG_ID, self.run_id, MODES)

    def mark_failed(self) -> None:
        self.stage.insist(lambda: self.stage.api.set_run_state(DAG_ID, self.run_id, "failed"), "a run to be marked")

    # -- both sides

    def work(self) -> list[Work]:
        return self.stage.wait(self._work, "an answer of Airflow and of TheEye")

    def _work(self) -> list[Work]:
        jobs = self.jobs()
        return [
            Work(
                name=name_of(ti),
                state=str(ti["state"]),
                has_result=self._has_result(ti),
                jobs=[
                    JobSeen(job["lifecycle"], job["state"], job["counts"]["started"])
                    for job in jobs.get(name_of(ti), [])
                ],
            )
            for ti in self.tasks()
        ]

    def _has_result(self, ti: dict[str, Any]) -> bool:
        """Whether the XCom is what the task's own job answered."""
        key = (ti["id"], ti["try_number"])
        if ti["state"] == "success" and key not in self._results:
            result = self.stage.api.xcom(DAG_ID, self.run_id, ti["task_id"], map_index=ti["map_index"])
            self._results[key] = isinstance(result, dict) and result["output"] == [name_of(ti)]
        return self._results.get(key, False)


def name_of(ti: dict[str, Any]) -> str:
    """As the DAG names what the task's job shall answer."""
    return f"{ti['task_id']}-{ti['map_index']}"


def is_over(ti: dict[str, Any]) -> bool:
    return ti["state"] in ("success", "failed", "upstream_failed", "skipped", "removed")
