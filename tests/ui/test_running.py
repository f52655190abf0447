"""Running things from the page, and watching them."""

from __future__ import annotations

import re

from .conftest import Open, Page, Server, expect


def status(page: Page, word: str) -> None:
    """Waits, without reloading, until the job's state is that word."""
    expect(page.locator(".status .badge")).to_have_text(word, timeout=15_000)


def job_of(page: Page) -> str:
    found = re.search(r"/jobs/([0-9a-f]{24})", page.url)
    assert found, page.url
    return found[1]


def test_run_a_task_from_the_overview_and_watch_it_end(open_page: Open, server: Server) -> None:
    page = open_page(server.url)
    page.get_by_role("button", name="Run Count Orders").click()
    status(page, "assigned")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Count Orders")
    status(page, "success")
    expect(page.locator("#output")).to_contain_text("6 orders")
    expect(page.locator(".life")).to_contain_text(re.compile(r"ready.*assigned.*finished", re.DOTALL))
    assert server.read(job_of(page))["user_id"] == server.sandbox.seed["users"]["integration"]


def test_the_overview_follows_what_happens_elsewhere(open_page: Open, server: Server) -> None:
    page = open_page(server.url)
    job = server.create("counting")
    row = page.locator(f"#row-{job}")
    expect(row).to_contain_text("assigned")
    expect(page.locator(".host", has_text="warehouse")).to_contain_text("Count Orders")
    expect(row).to_contain_text("success", timeout=15_000)
    expect(page.locator(".host", has_text="warehouse")).not_to_contain_text("Count Orders")


def test_run_a_task_with_arguments(open_page: Open, server: Server) -> None:
    page = open_page(server.url)
    page.get_by_role("link", name="Run Send Invoice with arguments").click()
    expect(page.get_by_label("mode")).to_have_count(0)
    page.get_by_label("customer").fill('Ana "the first" O\'Neill')
    page.get_by_label("currency").select_option("USD")
    page.get_by_role("button", name="Run").click()
    status(page, "success")
    job = server.read(job_of(page))
    assert job["task_arguments_values"] == ["test", 'Ana "the first" O\'Neill', "USD", None]
    expect(page.locator("#arguments")).to_contain_text('Ana "the first" O\'Neill')


def test_the_log_grows(open_page: Open, server: Server) -> None:
    page = open_page(server.page(server.create("refresh")))
    log = page.locator("#log")
    expect(log).to_contain_text("read shelf 1")
    lines = len(log.inner_text().splitlines())
    log.evaluate("log => { window.before = log }")
    expect(log).to_contain_text(f"read shelf {lines + 10}")
    assert page.evaluate("window.before === document.getElementById('log')"), "the element has been replaced"


def test_the_end_of_a_long_log_stays_in_view_unless_one_scrolls_up(open_page: Open, server: Server) -> None:
    page = open_page(server.page(server.create("refresh")))
    log = page.locator("#log")

    def grow(beyond: int) -> int:
        """Waits until the log is higher than that, and says how high it is."""
        height = "log => log.scrollHeight"
        server.until(lambda: log.evaluate(height) > beyond)
        return int(log.evaluate(height))

    grow(grow(600))
    assert log.evaluate("log => log.scrollHeight - log.scrollTop - log.clientHeight") < 12
    log.evaluate("log => { log.scrollTop = 30 }")
    grow(grow(0))
    assert log.evaluate("log => log.scrollTop") == 30


def test_run_a_task_by_keyboard_alone(open_page: Open, server: Server) -> None:
    page = open_page(server.url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    _tab_to(page, "Run Send Invoice with arguments")
    page.keyboard.press("Enter")
    page.wait_for_url("**/tasks/**")
    _tab_to(page, "customer")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert int(outline.removesuffix("px")) >= 2, "the focus cannot be seen"
    page.keyboard.type("Ana")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.type("by keyboard")
    page.keyboard.press("Enter")
    status(page, "success")
    assert server.read(job_of(page))["task_arguments_values"] == ["test", "Ana", "ARS", "by keyboard"]


def _tab_to(page: Page, name: str) -> None:
    """Presses Tab until something of that name has the focus."""
    named = "e => e.getAttribute('aria-label') || e.labels?.[0]?.textContent || e.textContent"
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate(f"({named})(document.activeElement)").strip() == name:
            return
    raise AssertionError(f"no Tab leads to {name}")


def test_everything_but_the_renewal_works_without_javascript(open_page: Open, server: Server) -> None:
    page = open_page(server.url, java_script_enabled=False)
    expect(page.get_by_text("Without JavaScript nothing is renewed by itself")).to_be_visible()
    page.get_by_role("button", name="Run Check Disk Space").click()
    job = job_of(page)
    server.until_over(job)
    page.reload()
    status(page, "success")
    expect(page.locator("#log")).to_contain_text("42 % used")
    page.get_by_role("button", name="Restart").click()
    server.until(lambda: len(server.sandbox.request("GET", f"/_sandbox/jobs/{job}")["history"]) >= 6)
    page.reload()
    expect(page.locator(".life li")).to_have_count(6)


def test_run_a_workflow(open_page: Open, server: Server) -> None:
    page = open_page(server.workflow_page("release"))
    expect(page.locator(".node")).to_have_count(4)
    page.get_by_role("button", name="Run").click()
    status(page, "started")
    expect(page.locator(".node", has_text="decision")).to_contain_text("on hold")
    page.locator(".node", has_text="decision").click()
    page.get_by_role("button", name="Approve").click()
    status(page, "success")
    page.get_by_role("link", name=re.compile("run of")).click()
    status(page, "success")
    expect(page.locator(".node", has_text="publish")).to_contain_text("success")
    expect(page.locator(".node", has_text="withdraw")).to_contain_text("not reached")
