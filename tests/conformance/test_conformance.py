"""Every scenario of the kit, asked of the sandbox. One pytest test each; they wait a lot, so they run side by side.

Scenarios that share a host would disturb each other, so there are several sandboxes, one for each worker thread.
"""

from __future__ import annotations

import importlib.util
import json
import queue
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import requests

from airflow_provider_theeye.sandbox import Sandbox

KIT = Path(__file__).parent / "kit"
SANDBOXES = 8


class _Session(requests.Session):
    """Reads no proxies from the environment, which pytest changes at each test, while threads would read it."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False


def _load() -> ModuleType:
    """The kit's runner with its scenarios. Its modules have names of their own only while they are loaded."""
    kept = {name: sys.modules.pop(name) for name in ("kit", "run") if name in sys.modules}
    path = list(sys.path)
    spec = importlib.util.spec_from_file_location("theeye_kit_run", KIT / "run.py")
    assert spec is not None
    assert spec.loader is not None
    run = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run)
    run.load(KIT / "scenarios")
    run.kit.requests = SimpleNamespace(**{**vars(requests), "Session": _Session})
    sys.path[:] = path
    sys.modules.update(kept)
    return run


RUN = _load()
SCENARIOS: dict[str, Any] = RUN.kit.SCENARIOS


def _play(name: str, sandboxes: queue.Queue[Sandbox]) -> list[Any]:
    """The differences between the golden record and the sandbox's answers."""
    sandbox = sandboxes.get()
    try:
        steps, broke = RUN.play(SCENARIOS[name], sandbox.seed)
    finally:
        sandboxes.put(sandbox)
    golden = json.loads((KIT / "golden" / f"{name}.json").read_text())["steps"]
    return [*RUN.kit.compare(golden, steps), *([broke] if broke else [])]


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[list[Any]]]]:
    """All scenarios that were chosen, under way."""
    chosen = [item.callspec.params["name"] for item in request.session.items if "played" in item.fixturenames]
    chosen.sort(key=lambda name: not SCENARIOS[name].slow)
    sandboxes: queue.Queue[Sandbox] = queue.Queue()
    running = [Sandbox(KIT / "world.json", runner=False) for _ in range(min(SANDBOXES, len(chosen)))]
    try:
        with ThreadPoolExecutor(len(running)) as pool:
            for sandbox in running:
                sandbox.start()
                sandboxes.put(sandbox)
            yield {name: pool.submit(_play, name, sandboxes) for name in chosen}
            pool.shutdown(cancel_futures=True)
    finally:
        for sandbox in running:
            sandbox.stop()


@pytest.mark.parametrize(
    "name", [pytest.param(s.name, marks=[pytest.mark.slow] if s.slow else []) for s in SCENARIOS.values()]
)
def test_scenario(name: str, played: dict[str, Future[list[Any]]]) -> None:
    """The sandbox answers as the real server did."""
    assert played[name].result(timeout=600) == []


def test_all_scenarios_have_a_golden_record() -> None:
    assert {path.stem for path in (KIT / "golden").glob("*.json")} == set(SCENARIOS)
    assert len(SCENARIOS) == 170
