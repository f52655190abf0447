"""What is under way at once: TheEye reads a job, and writes it a moment later; or it stands still, and then hurries."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import requests

from airflow_provider_theeye.sandbox import Sandbox

from .conftest import Client

#: Seconds between reading and writing: enough for whatever a test does in between, on a busy machine, too.
GAP = 2.0
LONGER = 3.0
NOW = ("lifecycle", "state")


class Scene:
    """A sandbox without a runner, what is asked of it in the background, and its hosts' agent."""

    def __init__(self, sandbox: Sandbox, pool: ThreadPoolExecutor) -> None:
        self.sandbox = sandbox
        self.client = Client(sandbox)
        self._agent = Client(sandbox, "agent:host-a")
        self._pool = pool

    def under_way(self, rule: dict[str, Any], ask: Callable[[Client], Any]) -> Future[Any]:
        """Asks in the background, and returns once the fault has met that request."""
        self.sandbox.set_faults([{"times": 1, **rule}])
        asked = self._pool.submit(ask, Client(self.sandbox))
        self.sandbox.wait(lambda: self.sandbox.faults()[0]["fired"] == 1)
        return asked

    def overlapping(self, method: str, path: str, body: Any = None) -> Future[int]:
        """The status of a request that has read its job, and writes it some seconds later."""
        rule = {"method": method, "path": path, "do": "overlap", "seconds": GAP}
        return self.under_way(rule, lambda client: client.ask(method, path, json=body).status_code)

    def stalled(self, seconds: float) -> Future[int]:
        """The status of a request at which the server stands still."""
        rule = {"path": "/demo/task", "do": "stall", "seconds": seconds}
        return self.under_way(rule, lambda client: client.ask("GET", "/demo/task").status_code)

    def later(self, ask: Callable[[Client], Any]) -> Future[Any]:
        """Asks in the background, and returns once the server has got that request."""
        before = self.asked()
        asked = self._pool.submit(ask, Client(self.sandbox))
        self.sandbox.wait(lambda: self.asked() > before)
        return asked

    def asked(self) -> int:
        return int(self.sandbox.journal()["totals"]["requests"])

    def put(self, path: str, body: Any = None) -> int:
        return self.client.ask("PUT", path, json=body).status_code

    def take(self) -> str | None:
        """The id of the job that the agent is handed."""
        jobs = self._agent.ask("GET", "/demo/job", params={"hostname": "host-a"}).json()["jobs"]
        return jobs[0]["id"] if jobs else None

    def report(self, job: str, state: str = "success") -> bool:
        """Whether the agent's report is heard."""
        result = {"state": state, "data": {"code": 0, "log": "done", "lastline": "done"}}
        return bool(self._agent.ask("PUT", f"/demo/job/{job}", json={"result": result}).content)

    def now(self, job: str) -> tuple[Any, ...]:
        return tuple(self.client.read(job)[key] for key in NOW)

    def starts(self, job: str) -> int:
        return int(self.sandbox.journal()["jobs"][job]["started"])


@pytest.fixture(scope="module")
def playable() -> Iterator[Sandbox]:
    with Sandbox(runner=False) as running:
        yield running


@pytest.fixture
def scene(playable: Sandbox) -> Iterator[Scene]:
    playable.reset()
    with ThreadPoolExecutor(16) as pool:
        yield Scene(playable, pool)


# --- two at once ------------------------------------------------------------------------------------------------------


def held(scene: Scene) -> str:
    return str(scene.client.create("hello", lifecycle="syncing")["id"])


def waiting(scene: Scene) -> str:
    return str(scene.client.create("greet", "x", lifecycle="onhold")["id"])


def over(scene: Scene) -> str:
    job = str(scene.client.create("hello")["id"])
    assert scene.take() == job
    assert scene.report(job)
    return job


#: What a job must be like, the route, its body, and how often such a job was started before.
CHANGES = {
    "release": (held, "/job/{}/synced", None, 0),
    "input": (waiting, "/demo/job/{}/input", {"args": ["y"]}, 0),
    "restart": (over, "/demo/job/{}/restart", {"task_arguments": []}, 1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_two_at_once_are_both_obeyed_and_a_job_taken_in_between_is_handed_out_again(scene: Scene, change: str) -> None:
    make, path, body, before = CHANGES[change]
    job = make(scene)
    path = path.format(job)
    first = scene.overlapping("PUT", path, body)
    assert scene.put(path, body) == 200
    assert scene.take() == job
    assert first.result() == 200
    assert (scene.now(job), scene.starts(job)) == (("ready", "in_progress"), before + 1)
    assert not scene.report(job), "the agent's report about what waits again is ignored"
    assert scene.take() == job
    assert scene.starts(job) == before + 2
    assert scene.report(job)
    assert scene.now(job) == ("finished", "success")


@pytest.mark.parametrize("change", CHANGES)
def test_two_at_once_that_no_agent_comes_between_are_one_start(scene: Scene, change: str) -> None:
    make, path, body, before = CHANGES[change]
    job = make(scene)
    path = path.format(job)
    first = scene.overlapping("PUT", path, body)
    assert [scene.put(path, body), first.result()] == [200, 200]
    assert [scene.take(), scene.take()] == [job, None]
    assert scene.starts(job) == before + 1


@pytest.mark.parametrize("change", CHANGES)
def test_an_overlap_alone_changes_nothing(scene: Scene, change: str) -> None:
    make, path, body, before = CHANGES[change]
    job = make(scene)
    path = path.format(job)
    scene.sandbox.set_faults([{"path": path, "do": "overlap", "seconds": 0.1}])
    assert [scene.put(path, body) for _ in range(2)] == [200, 400]
    assert [scene.take(), scene.take()] == [job, None]
    assert scene.starts(job) == before + 1


def test_a_second_restart_sets_the_runs_counter_and_the_job_anew(scene: Scene) -> None:
    run = scene.client.start("chain", "Lima")["id"]
    (step,) = (child["id"] for child in scene.client.children("chain", run))
    assert scene.take() == step
    assert scene.report(step, "failure")
    scene.client.until(run)
    path = f"/demo/job/{step}/restart"
    late = scene.overlapping("PUT", path, {"task_arguments": ["Quito"]})
    assert scene.put(path, {"task_arguments": ["Bogota"]}) == 200
    assert scene.take() == step
    assert late.result() == 200
    assert scene.client.read(step)["task_arguments_values"] == ["Quito"]
    assert (scene.now(step), scene.now(run)[0]) == (("ready", "in_progress"), "started")
    assert scene.client.read(run)["active_paths_counter"] == 1
    assert scene.take() == step
    assert scene.starts(step) == 3


def test_a_hold_just_before_a_take_comes_after_it(scene: Scene) -> None:
    """An agent's job cannot be put on hold, unless it was not yet the agent's when that was looked at."""
    job = str(scene.client.create("ask", "x")["id"])
    late = scene.overlapping("PUT", f"/job/{job}/hold")
    assert scene.take() == job
    assert scene.put(f"/job/{job}/hold") == 400
    assert late.result() == 200
    assert scene.now(job) == ("onhold", "in_progress")
    assert not scene.report(job)
    assert scene.put(f"/demo/job/{job}/input", {"args": ["y"]}) == 200
    assert scene.take() == job
    assert scene.starts(job) == 2


def test_a_client_that_gives_up_does_not_stop_its_request(scene: Scene) -> None:
    job = held(scene)
    scene.sandbox.set_faults([{"path": "*/synced", "do": "overlap", "seconds": GAP}])
    with pytest.raises(requests.ReadTimeout):
        scene.client.session.put(f"{scene.sandbox.url}/job/{job}/synced", timeout=0.3)
    assert scene.now(job)[0] == "syncing"
    assert scene.client.until(job, "ready")


# --- a server that stands still ---------------------------------------------------------------------------------------


def test_nobody_is_answered_while_the_server_stands_still(scene: Scene) -> None:
    job = held(scene)
    scene.stalled(LONGER)
    with pytest.raises(requests.ReadTimeout):
        scene.client.session.get(f"{scene.sandbox.url}/demo/job/{job}", timeout=0.5)
    assert scene.now(job)[0] == "syncing"


def test_what_was_asked_before_is_not_answered_either(scene: Scene) -> None:
    rule = {"path": "/workflows", "do": "delay", "seconds": 1.0}
    answered = scene.under_way(rule, lambda client: (client.ask("GET", "/workflows").status_code, time.monotonic()))
    began = time.monotonic()
    scene.stalled(LONGER)
    status, at = answered.result()
    assert status == 200
    assert at >= began + LONGER


def test_what_came_meanwhile_is_carried_out_in_its_order(scene: Scene) -> None:
    scene.stalled(LONGER)
    asked = [scene.later(lambda client, n=n: client.create("greet", f"guest {n}")["id"]) for n in range(8)]
    assert scene.sandbox.journal()["totals"]["created"] == 0
    order = [one.result() for one in asked]
    assert list(scene.sandbox.journal()["jobs"]) == order
    assert [scene.take() for _ in order] == order


def test_what_came_meanwhile_is_under_way_at_once(scene: Scene) -> None:
    """Two releases are both obeyed, and who asked after them is told how it was before."""
    job = held(scene)
    scene.stalled(LONGER)
    path = f"/job/{job}/synced"
    releases = [scene.later(lambda client: client.ask("PUT", path).status_code) for _ in range(2)]
    read = scene.later(lambda client: client.read(job)["lifecycle"])
    assert [one.result() for one in releases] == [200, 200]
    assert (read.result(), scene.put(path)) == ("syncing", 400)


def test_what_came_meanwhile_is_carried_out_although_nobody_waits_for_it(scene: Scene) -> None:
    job = held(scene)
    scene.stalled(LONGER)
    for method, path in (("PUT", f"/job/{job}/synced"), ("POST", f"/demo/task/{scene.sandbox.task_id('slow')}/job")):
        with pytest.raises(requests.ReadTimeout):
            scene.client.session.request(method, scene.sandbox.url + path, timeout=0.3, json={"task_arguments": []})
    journal = scene.sandbox.journal
    assert (journal()["totals"]["released"], journal()["totals"]["created"]) == (0, 1)
    scene.sandbox.wait(lambda: (journal()["totals"]["released"], journal()["totals"]["created"]) == (1, 2))


def test_no_host_is_handed_anything_and_none_is_heard_meanwhile(client: Client, sandbox: Sandbox) -> None:
    """Here the sandbox plays the agents itself."""
    sandbox.reset_journal()
    running = client.create("slow")["id"]  # takes three seconds
    client.until(running, "assigned")
    sandbox.set_host("host-b", alive=False)
    ready = client.create("make-list")["id"]
    sandbox.set_faults([{"path": "/demo/task", "do": "stall", "seconds": 6.0, "times": 1}])
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.ask, "GET", "/demo/task")
        sandbox.wait(lambda: sandbox.faults()[0]["fired"] == 1)
        sandbox.set_host("host-b", alive=True)
        time.sleep(4.0)
        if not asked.done():
            assert sandbox.journal()["jobs"][ready]["started"] == 0
            history = sandbox.request("GET", f"/_sandbox/jobs/{running}")["history"]
            assert history[-1]["lifecycle"] == "assigned"
    assert client.until(ready)["state"] == client.until(running)["state"] == "success"


# --- as new -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule",
    [{"do": "overlap", "seconds": 1.0}, {"do": "delay", "seconds": 1.0}, {"do": "stall", "seconds": 60.0}],
    ids=str,
)
def test_what_was_under_way_before_a_reset_has_no_effect_after_it(scene: Scene, rule: dict[str, Any]) -> None:
    """The next test's journal shall not count what the one before has given up."""

    def fails(client: Client) -> bool:
        with pytest.raises(requests.ConnectionError):
            client.create("hello")
        return True

    lost = scene.under_way({"path": "/job", **rule}, fails)
    scene.sandbox.reset()
    assert scene.client.ask("GET", "/demo/task").ok
    assert lost.result()
    assert scene.sandbox.journal()["totals"]["created"] == 0
