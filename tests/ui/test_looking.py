"""What the pages show, how they are renewed, and that nothing on them is taken for markup."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from airflow_provider_theeye.sandbox import Sandbox

from .conftest import Open, Page, Server, expect
from .test_running import status

EVIL = "<script>window.evil=1</script><img src=x onerror=window.evil=1>\"'&{{7*7}}"


def test_a_run_is_drawn_with_its_states(open_page: Open, server: Server) -> None:
    run = server.start("nightly")
    page = open_page(server.page(run))
    shown = {"collect": "success", "audit": "failure", "alert": "success", "archive": "assigned"}
    shown["report"] = "not reached"
    for step, word in shown.items():
        node = page.locator("a.node").filter(has=page.locator("text.name", has_text=step))
        expect(node.locator("text.word")).to_have_text(word, timeout=15_000)
        row = page.locator("#graph tr").filter(has=page.get_by_role("rowheader", name=step, exact=True))
        expect(row).to_contain_text(word)
    expect(page.locator(".edge.taken")).to_have_count(5)
    expect(page.locator(".edge", has_text="failure")).to_have_count(1)
    boxes = [
        page.locator(f"a.node[aria-label^={step}] rect").bounding_box() for step in ("collect", "clean", "publish")
    ]
    columns = [box["x"] for box in boxes if box]
    assert columns == sorted(set(columns))
    page.locator("a.node", has_text="audit").click()
    status(page, "failure")
    expect(page.locator("#log")).to_contain_text("two orders lack a customer")


def test_a_step_that_is_started_again_is_followed(open_page: Open, server: Server) -> None:
    run = server.start("repaired")
    server.until_over(run)
    page = open_page(server.page(run))
    status(page, "failed step")
    server.sandbox.set_host("reports", alive=False)
    server.restart(server.children(run)["load"]["id"])
    status(page, "waits again")
    node = page.get_by_role("link", name=re.compile("^load: ready, started again once, at .*; before: exit code 3"))
    expect(node).to_contain_text("try 2")
    expect(page.get_by_role("link", name=re.compile("^announce: earlier: success"))).to_have_class("node none")
    server.sandbox.set_host("reports", alive=True)
    status(page, "failed step")
    expect(page.locator("#graph tr.older")).to_contain_text("superseded: success")
    expect(page.locator("#graph tr.older th")).to_contain_text("announce")


def test_steps_can_be_reached_by_keyboard(open_page: Open, server: Server) -> None:
    page = open_page(server.workflow_page("release"))
    page.locator("a.node", has_text="build").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Release / build")


def test_the_organization_can_be_switched(open_page: Open, server: Server) -> None:
    page = open_page(server.url)
    expect(page.get_by_text("Somewhere Else")).to_have_count(0)
    page.get_by_role("link", name="other").click()
    page.get_by_role("button", name="Run Somewhere Else").click()
    status(page, "success")
    expect(page.locator(".acting")).to_have_text("acting as other-integration")


def test_a_hidden_tab_asks_for_nothing(open_page: Open, server: Server) -> None:
    page = open_page(server.url)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    _hide(page, True)
    page.wait_for_timeout(300)
    asked.clear()
    page.wait_for_timeout(2500)
    assert asked == []
    _hide(page, False)
    page.wait_for_timeout(500)
    assert len(asked) == 1, "what was hidden is renewed at once"


def _hide(page: Page, hidden: bool) -> None:
    page.evaluate(
        "hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
        "document.dispatchEvent(new Event('visibilitychange')) }",
        hidden,
    )


def test_focus_and_scroll_survive_the_renewal(open_page: Open, server: Server) -> None:
    page = open_page(server.url)
    page.set_viewport_size({"width": 800, "height": 400})
    link = page.locator("#tasks").get_by_role("link", name="Approve Budget")
    link.focus()
    page.evaluate("window.scrollTo(0, 200)")
    job = server.create("hello")
    expect(page.locator(f"#row-{job}")).to_contain_text("success")
    expect(link).to_be_focused()
    assert page.evaluate("window.scrollY") >= 200


def test_a_sandbox_that_ends_is_noticed(open_page: Open) -> None:
    with Sandbox() as running:
        page = open_page(running.url)
        running.kill()
        expect(page.get_by_role("alert")).to_contain_text("The sandbox does not answer")
        running.start()
        expect(page.locator("#trouble")).to_be_hidden()


@pytest.fixture
def evil() -> Iterator[Server]:
    """A world in which everything that has a name has a bad one."""
    task = {
        "name": EVIL,
        "host": EVIL,
        "arguments": [EVIL, {"label": "x" + EVIL, "type": "select", "options": [EVIL]}],
        "script": "cat <<'END'\n" + EVIL + '\nEND\nprintf \'["%s"]\\n\' "<script>window.evil=1</script>"',
        "tags": [EVIL],
    }
    steps = {EVIL: {**task, "arguments": []}, "b" + EVIL: {**task, "arguments": []}}
    described = {
        "organizations": {"demo": {"hosts": [EVIL], "users": {"bad" + EVIL: {"role": "integration"}}}},
        "tasks": {"task": task},
        "workflows": {"flow": {"name": EVIL, "steps": steps, "edges": [{"from": EVIL, "to": "b" + EVIL, "on": EVIL}]}},
    }
    with Sandbox(described) as running:
        running.seed["tokens"]["integration"] = running.token("bad" + EVIL)
        yield Server(running)


def test_nothing_is_taken_for_markup(evil: Server, open_page: Open) -> None:
    job = evil.create("task", EVIL, EVIL)
    run = evil.start("flow")
    dead = evil.create("task", {"order": 7, "value": EVIL}, EVIL)
    for one in (job, run):
        evil.until_over(one)
    step = next(iter(evil.children(run).values()))["id"]
    pages = [evil.url, *(evil.page(one) for one in (job, run, dead, step))]
    for address in [*pages, evil.task_page("task"), evil.workflow_page("flow"), f"{evil.url}/?organization={EVIL}"]:
        page = open_page(address, wait="?" not in address)
        assert page.evaluate("window.evil") is None, address
        assert page.evaluate("document.querySelectorAll('main script, main img').length") == 0, address
        assert "49" not in page.locator("h1").inner_text()
    page = open_page(evil.page(job))
    expect(page.get_by_role("heading", level=1)).to_contain_text(EVIL)
    for part in ("#arguments", "#log"):
        expect(page.locator(part)).to_contain_text(EVIL)
    expect(page.locator("#output")).to_contain_text("<script>window.evil=1</script>")


CONTRAST = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const color = parse(getComputedStyle(e).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const e of document.querySelectorAll("body *:not(svg *)")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !e.checkVisibility()) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push(`${ratio.toFixed(1)} ${e.tagName}.${e.className}: ${e.textContent.trim().slice(0, 30)}`);
  }
  return low;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read(open_page: Open, server: Server, scheme: str) -> None:
    job = server.create("import")
    server.until_over(job)
    waiting = server.create("approve")
    run = server.start("repaired")
    server.until_over(run)
    again = server.children(run)["load"]["id"]
    server.restart(again)
    server.until_over(again)
    jobs = [server.page(one) for one in (job, waiting, run, again)]
    for address in (server.url, *jobs, server.task_page("invoice")):
        page = open_page(address, wait=False, color_scheme=scheme)
        assert page.evaluate(CONTRAST) == []
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(16, 21, 27)") is (scheme == "dark")


def test_it_fits_a_narrow_window(open_page: Open, server: Server) -> None:
    run = server.start("repaired")
    server.until_over(run)
    step = server.children(run)["load"]["id"]
    server.restart(step)
    server.until_over(step)
    pages = [server.page(one) for one in (server.start("nightly"), run, step)]
    for address in (server.url, server.task_page("invoice"), *pages):
        page = open_page(address)
        page.set_viewport_size({"width": 360, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, address
