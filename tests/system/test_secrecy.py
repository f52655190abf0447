"""Nothing secret lies about in Airflow after tasks with tokens and secret keys: database, logs, API answers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.system.stage import MODES, TASK, Run, Stage, quiet
from tools.airflow_api import AirflowApiError, run_path, task_path

pytestmark = [pytest.mark.system, pytest.mark.slow]

VARIANTS = ("waits", "keyed", "keyonly", "told")
#: The task's own job, and those of a notification and a webhook.
JOBS = {"told": 3}


@dataclass(frozen=True)
class Played:
    """Runs that have ended, what must be found nowhere, and what Airflow said of them while they waited."""

    runs: list[Run]
    secrets: dict[str, str]
    said_while_waiting: dict[str, str]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One that logs all that there is to log."""
    folder = tmp_path_factory.mktemp("secrecy")
    with Stage(folder, {"AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG"}).running() as running:
        yield running


@pytest.fixture(scope="module")
def played(stage: Stage) -> Played:
    runs = [stage.start(f"{variant}_task_{mode}") for variant in VARIANTS for mode in MODES]
    for run in runs:
        # Without a token TheEye is not asked how a job is, so there is nothing about it in a log.
        stage.wait(lambda run=run: run.is_at_the_gate(jobs_of(run)) or None, f"{run.dag_id} to wait")
    secrets = known_secrets(stage, runs)
    said = {**answers(stage, runs), **files(stage)}
    # A task that ends before the worker that deferred it has left is taken for lost by Airflow (#66374).
    quiet(5)
    for run in runs:
        run.open_gate()
    for run in runs:
        assert run.wait_for_end() == "success", run.log()
    return Played(runs, secrets, said)


def jobs_of(run: Run) -> int:
    return JOBS.get(run.dag_id.split("_")[0], 1)


def known_secrets(stage: Stage, runs: list[Run]) -> dict[str, str]:
    """By what they are of. Everything that opens something, the jobs' own secrets included."""
    tokens = {f"token of {user}": stage.sandbox.token(user) for user in ("integration", "before", "after")}
    jobs = {f"secret of job {job['id']}": job["secret"] for run in runs for job in run.jobs()}
    assert len(jobs) == sum(map(jobs_of, runs))
    keys = {
        "secret key of the task": stage.sandbox.task_secret("gated"),
        "secret of the webhook": stage.sandbox.webhook_secret("hook"),
    }
    return {**tokens, **keys, **jobs}


def answers(stage: Stage, runs: list[Run]) -> dict[str, str]:
    """What the REST API tells of the runs and of everything that holds a secret, by its address."""
    paths = [
        "connections",
        "connections/theeye_default",
        "connections/theeye_keyonly",
        "eventLogs",
        "assets",
        "assets/events",
    ]
    for run in runs:
        task = task_path(run.dag_id, run.run_id, TASK, -1)
        entries = f"{run_path(run.dag_id, run.run_id)}/taskInstances/{TASK}/xcomEntries"
        paths += [run_path(run.dag_id, run.run_id), task, f"{task}/tries", f"{task}/logs/1", f"{task}/links", entries]
        paths += [f"dags/{run.dag_id}/details", f"dagSources/{run.dag_id}"]
        keys = stage.airflow.api.call("GET", entries)["xcom_entries"]
        paths += [f"{entries}/{entry['key']}" for entry in keys]
    said = {path: stage.airflow.api.call("GET", path) for path in paths} | {"assets/events": asset_events(stage)}
    return {path: json.dumps(answer) for path, answer in said.items()}


def asset_events(stage: Stage) -> Any:
    """Of ends of jobs. Airflow 3.3.2 answers with an error as long as a run that one has made has not begun."""

    def told() -> Any:
        with contextlib.suppress(AirflowApiError):
            return stage.airflow.api.call("GET", "assets/events")
        return None

    return stage.wait(told, "the events of assets")


def files(stage: Stage) -> dict[str, str]:
    """The database, with what is not yet written through, and all logs, by their paths."""
    home = stage.airflow.airflow.home
    found = [*home.glob("airflow.db*"), stage.airflow.log, *stage.airflow.task_logs.rglob("*.log")]
    return {str(path.relative_to(home)): path.read_bytes().decode("latin-1") for path in found if path.is_file()}


def leaks(secrets: dict[str, str], places: dict[str, str]) -> list[str]:
    return [
        f"{name} in {place}" for place, text in places.items() for name, secret in secrets.items() if secret in text
    ]


def test_nothing_secret_while_tasks_wait(played: Played) -> None:
    assert leaks(played.secrets, played.said_while_waiting) == []


def test_nothing_secret_afterwards(stage: Stage, played: Played) -> None:
    assert leaks(played.secrets, {**answers(stage, played.runs), **files(stage)}) == []


def test_the_search_would_find_something(stage: Stage, played: Played) -> None:
    """The database, the logs and the answers are those in which the runs are."""
    said = {**answers(stage, played.runs), **files(stage)}
    for run in played.runs:
        jobs = [job["id"] for job in run.jobs()]
        places = {place for place, text in said.items() if any(job in text for job in jobs)}
        assert any(place.startswith("airflow.db") for place in places)
        assert any("attempt=1.log" in place for place in places)
        assert any("xcomEntries" in place for place in places)
    assert any("TheEyeJobEventTrigger" in text for place, text in said.items() if place.startswith("airflow.db"))
    assert any(" DEBUG" in text or "[debug" in text for text in said.values())
    heard = {event["extra"]["payload"]["job_id"] for event in asset_events(stage)["asset_events"]}
    assert any(job["id"] in heard for run in played.runs for job in run.jobs())
    waiting = [place for place, text in played.said_while_waiting.items() if "TheEyeJobTrigger" in text]
    assert waiting, "the triggers' arguments are shown while tasks are deferred"
