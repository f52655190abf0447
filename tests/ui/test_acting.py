"""The buttons of a job's page."""

from __future__ import annotations

from .conftest import Open, Server, expect
from .test_running import status


def test_approve(open_page: Open, server: Server) -> None:
    job = server.create("approve")
    page = open_page(server.page(job))
    expect(page.locator(".status")).to_contain_text("Waits for a decision by integration or admin.")
    page.get_by_role("button", name="Approve").click()
    status(page, "success")
    expect(page.locator(".status")).to_contain_text("Approved by integration.")
    assert server.read(job)["state"] == "success"


def test_reject(open_page: Open, server: Server) -> None:
    job = server.create("approve")
    page = open_page(server.page(job))
    page.get_by_role("button", name="Reject").click()
    status(page, "failure")
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    assert server.read(job)["state"] == "failure"


def test_a_refusal_is_shown_in_theeyes_own_words(open_page: Open, server: Server) -> None:
    job = server.create("foreign-approval")
    page = open_page(server.page(job))
    page.get_by_role("button", name="Approve").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("TheEye refused (403): unauthorized approver")
    expect(alert).to_be_focused()
    assert server.read(job)["lifecycle"] == "onhold"
    page.wait_for_selector(".pulse:not([hidden])")
    expect(alert).to_be_visible()


def test_give_input(open_page: Open, server: Server) -> None:
    job = server.create_by_secret("question", "thrown away")
    page = open_page(server.page(job))
    field = page.get_by_label("date")
    field.fill("2027-")
    page.wait_for_timeout(1500)  # long enough to be renewed
    expect(field).to_be_focused()
    page.keyboard.type("01-31")
    page.get_by_role("button", name="Give input").click()
    status(page, "success")
    assert server.read(job)["output"] == ["2027-01-31"]


def test_cancel(open_page: Open, server: Server) -> None:
    job = server.create("refresh")
    server.until(lambda: server.read(job)["lifecycle"] == "assigned")
    page = open_page(server.page(job))
    page.get_by_role("button", name="Cancel").click()
    status(page, "canceled")
    expect(page.locator(".banner.note")).to_contain_text("does not tell the agent")
    assert (server.read(job)["lifecycle"], server.read(job)["state"]) == ("terminated", "canceled")


def test_cancel_what_is_held(open_page: Open, server: Server) -> None:
    job = server.create("hello", lifecycle="syncing")
    page = open_page(server.page(job))
    expect(page.locator(".status")).to_contain_text("Held")
    page.get_by_role("button", name="Cancel").click()
    status(page, "canceled")
    assert server.read(job)["lifecycle"] == "canceled"


def test_cancel_a_run_leaves_no_branch_running(open_page: Open, server: Server) -> None:
    run = server.start("nightly")

    def both() -> bool:
        children = server.children(run)
        return all(children.get(name, {}).get("lifecycle") == "assigned" for name in ("publish", "archive"))

    server.until(both)
    page = open_page(server.page(run))
    page.get_by_role("button", name="Cancel every live step").click()
    status(page, "canceled")
    expect(page.locator(".banner.note")).to_contain_text("on all branches")
    assert {child["lifecycle"] for child in server.children(run).values()} == {"finished", "terminated"}
    server.until_over(run)


def test_restart_with_other_arguments(open_page: Open, server: Server) -> None:
    job = server.create("invoice", "test", "Ana", "ARS", "first")
    server.until_over(job)
    page = open_page(server.page(job))
    page.get_by_text("With these arguments").click()
    expect(page.get_by_label("customer")).to_have_value("Ana")
    expect(page.get_by_label("currency")).to_have_value("ARS")
    page.get_by_label("remark").fill("second")
    page.get_by_role("button", name="Restart").click()
    status(page, "success")
    expect(page.locator("#output")).to_contain_text("second")
    assert server.read(job)["output"] == ["test", "Ana", "ARS", "second"]


def test_a_button_that_vanishes_does_not_take_the_focus_to_nowhere(open_page: Open, server: Server) -> None:
    job = server.create("refresh")
    server.until(lambda: server.read(job)["lifecycle"] == "assigned")
    page = open_page(server.page(job))
    page.get_by_role("button", name="Cancel").focus()
    server.cancel(job)
    status(page, "canceled")
    expect(page.locator("main")).to_be_focused()


def test_stop_and_start_a_host_by_keyboard(open_page: Open, server: Server) -> None:
    page = open_page(server.url)
    card = page.locator(".host", has_text="reports")
    page.get_by_role("button", name="Stop the host reports").focus()
    page.keyboard.press("Enter")
    expect(card).to_contain_text("stopped since")
    expect(page.get_by_role("status")).to_contain_text("The host has stopped")
    job = server.create("import")
    expect(card).to_contain_text("1 job waits for it")
    page.get_by_role("button", name="Start the host reports").focus()
    page.keyboard.press("Enter")
    expect(card).not_to_contain_text("stopped")
    assert server.until_over(job)["state"] == "failure"
