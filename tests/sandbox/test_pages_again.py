"""Pages of what was started again, of runs that do not end, of hosts that stop, and of jobs without a task."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sandbox.definitions import Source
from airflow_provider_theeye.sandbox.engine import Engine
from airflow_provider_theeye.sandbox.job import Job
from airflow_provider_theeye.sandbox.lifecycle import Outcome
from airflow_provider_theeye.sandbox.pages.site import Site, Visit
from airflow_provider_theeye.sandbox.schema import build

from .conftest import Client, world
from .test_pages import get, post, shown


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    described = world(crashing={"script": "echo done; exit 4"}, slow={"script": "echo $$; sleep 20"}, hooked={})
    described["tasks"]["decision"] = {"type": "approval", "name": "Decision", "approvers": ["integration"]}
    described["organizations"]["other"] = {"hosts": ["host-o"], "users": {"other": {"role": "integration"}}}
    described["workflows"] = {
        "chain": {
            "name": "Chain",
            "host": "host-a",
            "steps": {
                "first": {"host": "host-b", "script": "exit 3"},
                "second": {"script": "echo success"},
            },
            "edges": [{"from": "first", "to": "second"}],
        },
        "fork": {
            "name": "Fork",
            "host": "host-a",
            "steps": {"first": {}, "quick": {}, "slow": {"script": "sleep 20"}},
            "edges": [{"from": "first", "to": "quick"}, {"from": "first", "to": "slow"}],
        },
        "single": {
            "name": "Single",
            "host": "host-a",
            "multitasking": False,
            "steps": {"first": {"script": "sleep 1; echo success"}, "second": {}},
            "edges": [{"from": "first", "to": "second"}],
        },
        "hungry": {
            "name": "Hungry",
            "multitasking": False,
            "host": "host-a",
            "steps": {"first": {}, "second": {"arguments": ["file"]}},
            "edges": [{"from": "first", "to": "second"}],
        },
    }
    described["webhooks"] = {"hook": {"name": "Hook", "triggers": ["hooked"]}}
    with Sandbox(described) as running:
        yield running


def restart(client: Client, job: str) -> None:
    client.ask("PUT", f"/demo/job/{job}/restart", json={"task_arguments": []}).raise_for_status()


def steps(client: Client, key: str, run: str) -> list[str]:
    return [child["id"] for child in client.children(key, run)]


def graph_node(page: str, task_id: str) -> str:
    found = re.search(rf'<a [^>]*id="node-{task_id}".*?</a>', page, re.DOTALL)
    assert found is not None
    return found[0]


def row(page: str, name: str) -> str:
    found = re.search(rf'<tr id="row-{name}".*?</tr>', page, re.DOTALL)
    assert found is not None
    return found[0]


def test_an_exit_code_is_green_nowhere(client: Client, sandbox: Sandbox) -> None:
    job = client.until(client.create("crashing")["id"])["id"]
    restart(client, job)
    client.until(job)
    page = get(sandbox, f"/jobs/{job}").text
    assert "Restarted by integration" in shown(get(sandbox, f"/jobs/{job}"))
    assert page.count("exit code 4") >= 4, "in the head, twice in the timeline, in the attempts"
    home = get(sandbox, "/").text
    entry = re.search(rf'<li id="template-{sandbox.task_id("crashing")}".*?</li>', home, re.DOTALL)
    assert entry is not None
    task = get(sandbox, f"/tasks/{sandbox.task_id('crashing')}").text
    for part in (re.findall(r"<main.*</main>", page, re.DOTALL)[0], entry[0], row(home, job), row(task, job)):
        assert not re.search(r'class="[^"]*\bsuccess\b', part)
        assert "exit code 4" in part


def test_a_run_that_hides_an_exit_code_is_green_nowhere(client: Client, sandbox: Sandbox) -> None:
    run = client.until(client.start("chain")["id"])["id"]
    assert client.read(run)["state"] == "success"
    for path in ("/", f"/workflow-pages/{sandbox.workflow_id('chain')}"):
        part = row(get(sandbox, path).text, run)
        assert '<span class="badge failure">' in part
        assert "failed step" in part
        assert re.search(r'<li class="failure">(?:(?!</li>).)*first<span class="unseen"> exit code 3', part, re.DOTALL)


def test_a_success_of_a_run_before_it_was_opened_again_has_no_colour(client: Client, sandbox: Sandbox) -> None:
    run = client.until(client.start("chain")["id"])["id"]
    restart(client, steps(client, "chain", run)[0])
    sandbox.wait(lambda: len(steps(client, "chain", run)) == 3 and client.read(run)["lifecycle"] == "finished", 10)
    (life,) = re.findall(r'<ol class="life">.*?</ol>', get(sandbox, f"/jobs/{run}").text, re.DOTALL)
    assert re.findall(r'<li class="(\w+)">', life) == ["waiting", "running", "none", "running", "failure"]
    assert life.count("again:") == 1


def test_a_step_that_was_started_again(client: Client, sandbox: Sandbox) -> None:
    run = client.until(client.start("chain")["id"])["id"]
    first, second = steps(client, "chain", run)
    task = sandbox.seed["workflows"]["chain"]["steps"]
    sandbox.set_host("host-b", alive=False)
    restart(client, first)
    assert client.read(run)["lifecycle"] == "finished"
    page = get(sandbox, f"/jobs/{run}")
    assert "Not over, although TheEye says finished (success) until a host takes" in shown(page)
    assert '<span class="badge waiting">' in row(get(sandbox, "/").text, run)
    assert 'role="status"><span class="badge waiting">' in page.text
    node = graph_node(page.text, task["first"])
    assert 'class="node waiting" aria-label="first: ready, started again once, at ' in node
    assert "before: exit code 3" in node
    assert ">try 2</text>" in node
    assert "earlier: success, from before an earlier step was started again" in graph_node(page.text, task["second"])
    assert "Waits for host-b, which has stopped. Started again once" in shown(get(sandbox, f"/jobs/{first}"))
    sandbox.set_host("host-b", alive=True)
    sandbox.wait(lambda: len(steps(client, "chain", run)) == 3 and client.read(run)["lifecycle"] == "finished", 10)
    page = get(sandbox, f"/jobs/{run}")
    assert "superseded: success" in row(page.text, second)
    old = shown(get(sandbox, f"/jobs/{second}"))
    assert "Superseded: of this step a newer job counts." in old
    assert row(get(sandbox, "/").text, run).count("<li ") == 2, "one chip for each step"


def test_a_run_that_says_it_is_over_can_be_cancelled(client: Client, sandbox: Sandbox) -> None:
    run = client.until(client.start("chain")["id"])["id"]
    first, _ = steps(client, "chain", run)
    assert "Cancel every live step" not in get(sandbox, f"/jobs/{run}").text
    sandbox.set_host("host-b", alive=False)
    restart(client, first)
    assert "Cancel every live step" in get(sandbox, f"/jobs/{run}").text
    assert post(sandbox, f"/jobs/{run}/cancel").status_code == 303
    assert client.read(first)["state"] == "canceled"
    sandbox.set_host("host-b", alive=True)


def test_a_run_that_is_stuck(client: Client, sandbox: Sandbox) -> None:
    run = client.start("hungry")["id"]
    sandbox.wait(lambda: len(steps(client, "hungry", run)) == 2, 10)
    page = get(sandbox, f"/jobs/{run}")
    assert "Stuck, it will never end: second could not be built." in shown(page)
    assert "Cancel every live step" not in page.text
    part = row(get(sandbox, "/").text, run)
    assert '<span class="badge failure">' in part
    assert "stuck" in part
    second = steps(client, "hungry", run)[1]
    assert "one at a time" not in shown(get(sandbox, f"/jobs/{second}")), "no other run has started"
    assert post(sandbox, f"/jobs/{second}/restart", {"argument-0": "f"}).status_code == 303
    assert client.until(run)["state"] == "success"
    assert "stuck" not in row(get(sandbox, "/").text, run)


def test_a_restart_that_ends_the_run_too_early_is_warned_of(client: Client, sandbox: Sandbox) -> None:
    run = client.start("fork")["id"]
    sandbox.wait(lambda: [one["lifecycle"] for one in client.children("fork", run)].count("finished") == 2, 10)
    for child in client.children("fork", run):
        over = child["lifecycle"] == "finished"
        page = shown(get(sandbox, f"/jobs/{child['id']}"))
        assert ("Another step of this run is live." in page) is over, "who lives cannot be started again"
    post(sandbox, f"/jobs/{run}/cancel")


def test_only_scripts_can_be_started_again(client: Client, sandbox: Sandbox) -> None:
    job = client.create("decision")["id"]
    assert post(sandbox, f"/jobs/{job}/reject").status_code == 303
    assert "Restart" not in get(sandbox, f"/jobs/{job}").text
    script = client.until(client.create("crashing")["id"])["id"]
    assert "Restart" in get(sandbox, f"/jobs/{script}").text


def test_runs_that_wait_for_each_other(client: Client, sandbox: Sandbox) -> None:
    earlier = client.until(client.start("single")["id"])["id"]
    later = client.start("single")["id"]
    client.until(later, "started")
    first = steps(client, "single", earlier)[0]
    assert "one at a time" in shown(get(sandbox, f"/jobs/{first}")), "the page warns"
    restart(client, first)
    assert "waits again" in shown(get(sandbox, f"/jobs/{earlier}"))
    sandbox.wait(lambda: len(steps(client, "single", later)) == 2, 10)
    assert "Stuck, it will never end: its workflow does one run at a time" in shown(get(sandbox, f"/jobs/{earlier}"))
    assert "first of the run of" in shown(get(sandbox, f"/jobs/{later}"))
    assert post(sandbox, f"/jobs/{first}/cancel").status_code == 303
    assert client.until(later, "finished")["state"] == "success"


def test_a_host_is_stopped_and_started(client: Client, sandbox: Sandbox) -> None:
    assert get(sandbox, "/").text.count(">Stop</button>") == 2
    answer = post(sandbox, "/?organization=demo", {"host": "host-b", "do": "stop"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/?organization=demo&note=host-stopped")
    assert sandbox.request("GET", "/_sandbox/hosts")["host-b"]["alive"] is False
    page = get(sandbox, answer.headers["Location"])
    assert "The host has stopped, and its scripts with it." in shown(page)
    assert re.search(
        r"host-b stopped since \d\d:\d\d:\d\d Runs nothing. For TheEye it is normal for another 2 min", shown(page)
    )
    assert 'aria-label="Start the host host-b"' in page.text
    assert post(sandbox, "/?organization=demo", {"host": "host-b", "do": "start"}).status_code == 303
    assert sandbox.request("GET", "/_sandbox/hosts")["host-b"]["alive"] is True


def test_a_host_that_stops_takes_its_scripts_along(client: Client, sandbox: Sandbox) -> None:
    job = client.create("slow")["id"]
    client.until(job, "assigned")
    sandbox.wait(lambda: "slow" in re.findall(r'<ul class="now">.*?</ul>', get(sandbox, "/").text, re.DOTALL)[0], 5)
    log = f"{sandbox.url}/_sandbox/jobs/{job}/log"
    pid = int(sandbox.wait(lambda: requests.get(log, timeout=10).text.strip(), 10))
    post(sandbox, "/?organization=demo", {"host": "host-a", "do": "stop"})
    sandbox.wait(lambda: not Path(f"/proc/{pid}").exists(), 10)
    assert client.read(job)["lifecycle"] == "assigned", "nobody has told TheEye"
    assert post(sandbox, f"/jobs/{job}/cancel").status_code == 303
    post(sandbox, "/?organization=demo", {"host": "host-a", "do": "start"})


@pytest.mark.parametrize("form", [{"host": "nobody", "do": "stop"}, {"host": "host-o", "do": "stop"}, {"do": "stop"}])
def test_hosts_that_are_not_there(sandbox: Sandbox, form: dict[str, str]) -> None:
    answer = post(sandbox, "/?organization=demo", form)
    assert (answer.status_code, "There is no such host." in shown(answer)) == (404, True)


def test_other_sites_stop_no_host(sandbox: Sandbox) -> None:
    form = {"host": "host-a", "do": "stop"}
    headers = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert post(sandbox, "/?organization=demo", form, **headers).status_code == 403
    assert get(sandbox, "/?organization=demo&host=host-a&do=stop").status_code == 200
    assert sandbox.request("GET", "/_sandbox/hosts")["host-a"]["alive"] is True


def test_a_job_of_a_webhook(client: Client, sandbox: Sandbox) -> None:
    path = f"/demo/webhook/{sandbox.webhook_id('hook')}/trigger/secret/{sandbox.webhook_secret('hook')}"
    answer = requests.post(sandbox.url + path, json={}, timeout=10)
    assert answer.status_code == 200
    task = sandbox.task_id("hooked")
    (job,) = client.ask("GET", f"/demo/job?where[task_id]={task}").json()
    assert "Started by a webhook" in shown(get(sandbox, f"/jobs/{job['id']}"))


def test_an_update_of_an_agent_is_shown(client: Client, sandbox: Sandbox) -> None:
    client.ask("PUT", f"/demo/host/{sandbox.seed['hosts']['host-b']}/reconfigure").raise_for_status()
    found = client.ask("GET", "/demo/job?where[name]=agent:config:update").json()
    assert "agent:config:update agent update" in shown(get(sandbox, "/"))
    client.until(found[-1]["id"])
    assert "success All went well." in shown(get(sandbox, f"/jobs/{found[-1]['id']}"))


def test_a_job_that_updates_an_agent_has_no_task() -> None:
    engine = Engine(build(Source("test", world(hello={}), {})))
    job = Job(engine.new_id(1.0), "AgentUpdateJob", "", 1.0, 1.0, 0, "user")
    job.name, job.customer_name, job.host = "agent:config:update", "demo", "host-b"
    engine.add(job)

    def page(path: str) -> str:
        headers = {"host": "127.0.0.1"}
        answer = Site(engine, None, everyone=False).answer(Visit("GET", path, "", headers, b"", "127.0.0.1"))
        assert answer.status == 200
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", answer.body.decode())).split())

    assert "agent:config:update agent update" in page("/")
    assert "1 job waits for it" in page("/")
    assert "Waits until host-b takes it." in page(f"/jobs/{job.id}")
    engine.change(job, lifecycle="assigned")
    assert "host-b busy agent:config:update" in page("/")
    engine.end(job, Outcome("finished", "success", "success", [], {"code": 0, "log": "working\nsuccess\n"}))
    shown_then = page(f"/jobs/{job.id}")
    assert "working success" in shown_then
    assert "Restart" not in shown_then
    assert page(f"/jobs/{job.id}/log") == "working success"


def test_earlier_ends_survive_a_restart_of_the_sandbox(tmp_path: Path) -> None:
    with Sandbox(world(crashing={"script": "exit 4"}), db=tmp_path / "jobs.db") as running:
        client = Client(running)
        job = client.until(client.create("crashing")["id"])["id"]
        restart(client, job)
        client.until(job)
        running.restart()
        assert shown(get(running, f"/jobs/{job}")).count("exit code 4") >= 4
