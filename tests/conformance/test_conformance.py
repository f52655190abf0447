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
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import requests

from airflow_provider_theeye.sandbox import Sandbox

KIT = Path(__file__).parent / "kit"
SANDBOXES = 8


@dataclass(frozen=True)
class Part:
    """A part of the kit: its scenarios and golden records lie in one folder, and it wants a world of its own."""

    folder: Path
    world: str
    count: int


PARTS = (Part(KIT, "world.json", 170), Part(KIT / "part-2", "world-2.json", 86))


class _Session(requests.Session):
    """Reads no proxies from the environment, which pytest changes at each test, while threads would read it."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False


def _load() -> tuple[ModuleType, dict[str, Part]]:
    """The kit's runner, and the part of each scenario. Its modules keep their names only while they are loaded."""
    kept = {name: sys.modules.pop(name) for name in ("kit", "run") if name in sys.modules}
    path = list(sys.path)
    spec = importlib.util.spec_from_file_location("theeye_kit_run", KIT / "run.py")
    assert spec is not None
    assert spec.loader is not None
    run = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run)
    part_of: dict[str, Part] = {}
    for part in PARTS:
        run.load(part.folder / "scenarios")
        part_of |= {name: part for name in run.kit.SCENARIOS if name not in part_of}
    run.kit.requests = SimpleNamespace(**{**vars(requests), "Session": _Session})
    sys.path[:] = path
    sys.modules.update(kept)
    return run, part_of


RUN, PART_OF = _load()
SCENARIOS: dict[str, Any] = RUN.kit.SCENARIOS


def _play(name: str, sandboxes: queue.Queue[Sandbox]) -> list[Any]:
    """The differences between the golden record and the sandbox's answers."""
    sandbox = sandboxes.get()
    try:
        steps, broke = RUN.play(SCENARIOS[name], sandbox.seed)
    finally:
        sandboxes.put(sandbox)
    golden = json.loads((PART_OF[name].folder / "golden" / f"{name}.json").read_text())["steps"]
    return [*RUN.kit.compare(golden, steps), *([broke] if broke else [])]


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[list[Any]]]]:
    """All scenarios that were chosen, under way."""
    chosen = [item.callspec.params["name"] for item in request.session.items if "played" in item.fixturenames]
    chosen.sort(key=lambda name: not SCENARIOS[name].slow)
    with ExitStack() as ends:
        under_way: dict[str, Future[list[Any]]] = {}
        for part in PARTS:
            names = [name for name in chosen if PART_OF[name] is part]
            if not names:
                continue
            sandboxes: queue.Queue[Sandbox] = queue.Queue()
            for _ in range(min(SANDBOXES // len(PARTS), len(names))):
                sandbox = Sandbox(part.folder / part.world, runner=False)
                ends.callback(sandbox.stop)
                sandbox.start()
                sandboxes.put(sandbox)
            pool = ThreadPoolExecutor(sandboxes.qsize())
            ends.callback(pool.shutdown, cancel_futures=True)
            under_way |= {name: pool.submit(_play, name, sandboxes) for name in names}
        yield under_way


@pytest.mark.parametrize(
    "name", [pytest.param(s.name, marks=[pytest.mark.slow] if s.slow else []) for s in SCENARIOS.values()]
)
def test_scenario(name: str, played: dict[str, Future[list[Any]]]) -> None:
    """The sandbox answers as the real server did."""
    assert played[name].result(timeout=600) == []


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.world)
def test_all_scenarios_have_a_golden_record(part: Part) -> None:
    names = {name for name, its_part in PART_OF.items() if its_part is part}
    assert {path.stem for path in (part.folder / "golden").glob("*.json")} == names
    assert len(names) == part.count
