"""Triggerer and scheduler die while tasks wait, and a worker only seems to: nothing is doubled, nothing cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from tests.system.stage import KINDS, MODES, PATIENCE, STARTED_ONCE, TASK, Run, Stage, quiet

pytestmark = [pytest.mark.system, pytest.mark.slow]

# A trigger's cancellation comes within 2.5 seconds of the reason for it, a worker's within a heartbeat.
UNTOUCHED = 10.0


@contextmanager
def waits(stage: Stage) -> Iterator[dict[str, Run]]:
    """Tasks that wait, by DAG id; at the end they must wait and succeed as if nothing had been."""
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


def test_a_triggerer_is_asked_to_stop_and_another_is_killed(stage: Stage) -> None:
    with waits(stage):
        stage.replace("triggerer", psutil.Process.terminate)
        quiet(UNTOUCHED)
        stage.replace("triggerer", psutil.Process.kill)


def test_a_triggerer_that_only_seemed_lost(stage: Stage) -> None:
    """When it wakes up, another one has its triggers; Airflow tells the old ones that a user ended the wait."""
    with waits(stage) as runs:
        deferred = [run for run in runs.values() if run.mode == "deferrable"]
        before = {run: len(run.trigger_logs()) for run in deferred}
        old = stage.triggerer()
        stage.freeze(old)
        stage.airflow.start_component("triggerer")
        stage.wait(
            lambda: all(len(run.trigger_logs()) > before[run] for run in deferred) or None,
            "another triggerer to take over",
        )
        for process in old:
            process.resume()
        quiet(UNTOUCHED)
        for process in old:
            process.kill()


def test_a_scheduler_is_killed(stage: Stage) -> None:
    """A new one starts the tasks of the old one's workers anew, although these live until they hear of it."""
    with waits(stage) as runs:
        next_tries = {run: run.task()["try_number"] + 1 for run in runs.values() if run.mode == "sync"}
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


def test_the_api_server_is_away_for_longer_than_workers_wait_for_it(stage: Stage) -> None:
    """Airflow ends a process after about 40 seconds without a heartbeat, and nobody can say why."""
    with waits(stage) as runs:
        next_tries = {run: run.task()["try_number"] + 1 for run in runs.values() if run.mode == "sync"}
        tasks = [run.worker()[1] for run in next_tries]
        server = psutil.Process(stage.airflow.component_pid("api-server"))
        for process in (server, *server.children(recursive=True)):
            process.kill()
        _, alive = psutil.wait_procs(tasks, timeout=PATIENCE)
        assert not alive
        stage.airflow.start_component("api-server")
        for run, number in next_tries.items():
            run.wait_until_waiting(number)
            # Of the tries that Airflow could not start meanwhile there are no logs.
            assert "is left alone" in stage.airflow.api.task_log(run.dag_id, run.run_id, TASK, number - 1)
