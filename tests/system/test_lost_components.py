"""Triggerer and scheduler die while tasks wait, and a worker only seems to: nothing is doubled, nothing cancelled."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest

from tests.system.stage import KINDS, MODES, STARTED_ONCE, Run, Stage, quiet

pytestmark = [pytest.mark.system, pytest.mark.slow]

# A trigger's cancellation comes within 2.5 seconds of the reason for it, a worker's within a heartbeat.
UNTOUCHED = 10.0


@pytest.fixture
def waits(stage: Stage) -> Iterator[dict[str, Run]]:
    """Tasks that wait, by DAG id; at the end they must have succeeded as if nothing had been."""
    runs = {dag_id: stage.start(dag_id) for dag_id in (f"waits_{kind}_{mode}" for kind in KINDS for mode in MODES)}
    for run in runs.values():
        run.wait_until_waiting()
    yield runs
    quiet(UNTOUCHED)
    for run in runs.values():
        run.wait_until_waiting()
        assert run.cancellations() == 0, run.log()
        run.open_gate()
    for run in runs.values():
        assert run.wait_for_end() == "success", run.log()
        assert (run.starts(), run.cancellations()) == (STARTED_ONCE[run.kind], 0), run.log()


def test_a_triggerer_is_asked_to_stop_and_another_is_killed(stage: Stage, waits: dict[str, Run]) -> None:
    stage.replace("triggerer", psutil.Process.terminate)
    quiet(UNTOUCHED)
    stage.replace("triggerer", psutil.Process.kill)


def test_a_triggerer_that_only_seemed_lost(stage: Stage, waits: dict[str, Run]) -> None:
    """When it wakes up, another one has its triggers; Airflow calls that a user's action."""
    old = stage.triggerer()
    for process in old:
        process.suspend()
    new = stage.airflow.start_component("triggerer")
    deferred = [run for run in waits.values() if run.mode == "deferrable"]
    stage.wait(lambda: all(len(run.trigger_logs()) == 2 for run in deferred) or None, "another triggerer to take over")
    for process in old:
        process.resume()
    quiet(UNTOUCHED)
    for process in old:
        process.kill()
    assert new.poll() is None


def test_a_scheduler_is_killed(stage: Stage, waits: dict[str, Run]) -> None:
    """A new one starts the tasks of the old one's workers anew, although these live until they hear of it."""
    next_tries = {run: run.task()["try_number"] + 1 for run in waits.values() if run.mode == "sync"}
    stage.replace("scheduler", psutil.Process.kill)
    for run, number in next_tries.items():
        run.wait_until_waiting(number)


def test_a_worker_that_only_seemed_lost(stage: Stage) -> None:
    """It was out of reach for longer than Airflow's timeout, and wakes up when a retry has taken over."""
    run = stage.start("waits_task_sync").wait_until_waiting()
    worker, next_try = run.worker(), run.task()["try_number"] + 1
    for process in worker:
        process.suspend()
    run.wait_until_waiting(next_try)
    for process in worker:
        process.resume()
    stage.wait(lambda: not worker[-1].is_running() or None, "the old process to be stopped")
    quiet(UNTOUCHED)
    run.open_gate()
    assert run.wait_for_end() == "success", run.log()
    assert (run.starts(), run.cancellations()) == (STARTED_ONCE[run.kind], 0), run.log()
