"""The rows: how production is disturbed, and what is promised each time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.production.counting import Promise, Tally, Work, tally
from tests.production.parts import Part
from tests.production.runs import Run
from tests.production.stage import Stage
from tools.airflow_api import WaitedTooLong

SUCCEEDS, WAITS, CANCELLED = Promise("succeeded"), Promise("waiting"), Promise("cancelled")
SUCCEEDS_AGAIN = Promise("succeeded", starts=2)
OUTAGE, FREEZE = 60.0, 120.0
#: Seconds until a cancelled job must be over in TheEye.
CANCELLED_WITHIN = 120.0


@dataclass(frozen=True)
class Sizes:
    """How many tasks wait at a time, and how many of the deferred ones each row ends."""

    deferred: int = 100
    sync: int = 8
    ended: int = 10


class Scene:
    """What a row has: the stage, the tasks that wait through many rows, and what went wrong apart from the counts."""

    def __init__(self, stage: Stage, sizes: Sizes) -> None:
        self.stage = stage
        self.sizes = sizes
        self.standing: list[Run] = []
        self.problems: list[str] = []

    def waiting(self) -> dict[Run, set[str]]:
        """The tasks of the standing runs that wait."""
        return {run: {one.name for one in run.work() if one.end == WAITS.end} for run in self.standing}

    def prepare(self) -> Run:
        """A run for this row alone, beside enough tasks that wait on; all wait when it returns."""
        missing = self.sizes.deferred - self.sizes.ended - sum(map(len, self.waiting().values()))
        if missing > 0:
            self.standing.append(self.stage.start_run(missing, 0))
        own = self.stage.start_run(self.sizes.ended, self.sizes.sync)
        for run in (*self.standing, own):
            run.wait_until_settled()
        return own

    def prepare_alone(self) -> Run:
        """A run with as many tasks as wait at a time, for rows that end them."""
        return self.stage.start_run(self.sizes.deferred, self.sizes.sync).wait_until_settled()

    def try_to(self, act: Callable[[], object]) -> None:
        """What does not come about in time is told with the row's counts."""
        try:
            act()
        except WaitedTooLong as error:
            self.problems.append(str(error))

    def busiest(self, mode: str, runs: Sequence[Run]) -> tuple[Part, str]:
        """The triggerer or worker with the most tasks, and how many."""
        held: dict[str, int] = {}
        for run in runs:
            for host, count in run.held_by(mode).items():
                held[host] = held.get(host, 0) + count
        name = max(held, key=lambda host: held[host])
        return self.stage.airflow.parts[name], f"{name} with {held[name]} {mode} tasks"


#: Disturbs, calls what is to happen meanwhile, and returns what was hit.
Disturbance = Callable[[Scene, Sequence[Run], Callable[[], None]], str]


def nothing(scene: Scene, runs: Sequence[Run], meanwhile: Callable[[], None]) -> str:
    meanwhile()
    return ""


def kill_triggerer(scene: Scene, runs: Sequence[Run], meanwhile: Callable[[], None]) -> str:
    part, hit = scene.busiest("deferred", runs)
    part.kill()
    meanwhile()
    return hit


def kill_worker(scene: Scene, runs: Sequence[Run], meanwhile: Callable[[], None]) -> str:
    part, hit = scene.busiest("sync", runs)
    part.kill()
    meanwhile()
    return hit


def kill_scheduler(scene: Scene, runs: Sequence[Run], meanwhile: Callable[[], None]) -> str:
    scene.stage.airflow.parts["scheduler-1"].kill()
    meanwhile()
    return "scheduler-1"


def freeze_triggerer(scene: Scene, runs: Sequence[Run], meanwhile: Callable[[], None]) -> str:
    part, hit = scene.busiest("deferred", runs)
    with part.frozen():
        meanwhile()
        scene.stage.let_pass(FREEZE)
    return hit


def stop_database(scene: Scene, runs: Sequence[Run], meanwhile: Callable[[], None]) -> str:
    scene.stage.postgres.stop()
    meanwhile()
    scene.stage.let_pass(OUTAGE)
    scene.stage.postgres.start()
    return ""


def stop_api_server(scene: Scene, runs: Sequence[Run], meanwhile: Callable[[], None]) -> str:
    part = scene.stage.airflow.parts["api-server"]
    part.stop()
    meanwhile()
    scene.stage.let_pass(OUTAGE)
    part.start()
    return ""


def stop_theeye(scene: Scene, runs: Sequence[Run], meanwhile: Callable[[], None]) -> str:
    scene.stage.theeye.stop()
    meanwhile()
    scene.stage.let_pass(OUTAGE)
    scene.stage.theeye.start()
    return ""


def rotate_token(scene: Scene, runs: Sequence[Run], meanwhile: Callable[[], None]) -> str:
    scene.stage.change_token()
    meanwhile()
    return ""


def go_on(scene: Scene, disturb: Disturbance) -> tuple[Tally, str]:
    """Half of the row's jobs end while it is disturbed, the others when all is well again; the standing ones wait."""
    own = scene.prepare()
    waiting = scene.waiting()
    hit = disturb(scene, (own, *scene.standing), own.early.open)
    scene.try_to(scene.stage.wait_until_whole)
    for run in (own, *scene.standing):
        scene.try_to(run.wait_until_settled)
    own.late.open()
    scene.try_to(own.wait_until_over)
    own.wait_until_nothing_is_live(CANCELLED_WITHIN)
    return tally([(SUCCEEDS, own.work()), *_stood(waiting)]), hit


def _stood(waiting: Mapping[Run, set[str]]) -> list[tuple[Promise, list[Work]]]:
    """What is promised of the standing tasks: nothing happens to them."""
    return [(WAITS, [one for one in run.work() if one.name in names]) for run, names in waiting.items()]


def mark_failed(scene: Scene) -> tuple[Tally, str]:
    own, waiting = scene.prepare_alone(), scene.waiting()
    own.mark_failed()
    scene.try_to(own.wait_until_over)
    own.wait_until_nothing_is_live(CANCELLED_WITHIN)
    found = tally([(CANCELLED, own.work()), *_stood(waiting)])
    own.open_gates()
    return found, ""


def clear(scene: Scene) -> tuple[Tally, str]:
    own, waiting = scene.prepare_alone(), scene.waiting()
    own.clear()
    scene.try_to(own.wait_until_settled)
    own.open_gates()
    scene.try_to(own.wait_until_over)
    own.wait_until_nothing_is_live(CANCELLED_WITHIN)
    return tally([(SUCCEEDS_AGAIN, own.work()), *_stood(waiting)]), ""


def end_standing(scene: Scene) -> tuple[Tally, str]:
    """Those that have waited through all rows so far end."""
    waiting = scene.waiting()
    for run in waiting:
        run.open_gates()
    for run in waiting:
        scene.try_to(run.wait_until_over)
    scene.standing = []
    ended = [(SUCCEEDS, [one for one in run.work() if one.name in names]) for run, names in waiting.items()]
    return tally(ended), ""


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    number: int
    name: str
    play: Callable[[Scene], tuple[Tally, str]]
    is_quick: bool = False


def _going_on(number: int, name: str, disturb: Disturbance, is_quick: bool = False) -> Row:
    return Row(number, name, lambda scene: go_on(scene, disturb), is_quick)


ROWS = (
    _going_on(0, "undisturbed", nothing, is_quick=True),
    _going_on(1, "a triggerer is killed -9", kill_triggerer, is_quick=True),
    _going_on(2, "a worker is killed -9", kill_worker, is_quick=True),
    _going_on(3, "a scheduler is killed -9", kill_scheduler),
    _going_on(4, "a triggerer is frozen for 2 min", freeze_triggerer),
    _going_on(5, "PostgreSQL is stopped for 60 s", stop_database),
    _going_on(6, "the API server is stopped for 60 s", stop_api_server, is_quick=True),
    _going_on(7, "TheEye is stopped for 60 s", stop_theeye),
    Row(8, "the run is marked failed", mark_failed, is_quick=True),
    Row(9, "tasks are cleared", clear, is_quick=True),
    _going_on(10, "the token is rotated", rotate_token),
    Row(11, "jobs that ran through the rows above end", end_standing, is_quick=True),
)
