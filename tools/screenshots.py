"""`make screenshots`: the pictures of Airflow's web pages in docs/images, taken anew.

A real Airflow with the example DAGs and the sandbox is started on this machine and looked at with a headless
Chromium. Nothing secret is in the pictures: neither the token nor a secret key is on the pages that are photographed.
"""

from __future__ import annotations

import base64
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import requests

from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.sandbox.process import SandboxError
from tools.airflow_api import AirflowApiError, WaitedTooLong, run_path, wait_until
from tools.airflow_env import (
    CONNECTION_ID,
    EXAMPLE_DAGS,
    ROOT,
    RUN_FOLDER,
    AirflowCommandFailed,
    PrivateAirflow,
    home_for,
    sandbox_connection,
)
from tools.chromium import ARGUMENTS, CHROMIUM
from tools.processes import clean_up_when_told_to_stop
from tools.standalone import Standalone, StandaloneFailed

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

IMAGES = ROOT / "docs" / "images"
LAST_SEEN = RUN_FOLDER / "screenshots-failed.png"
MOST_BYTES = 200_000
WIDTH = 1400
MARGIN = 24
# Airflow keeps a bar on its pages that is invisible when there is nothing to wait for.
NOTHING_IS_LOADING = """() => [...document.querySelectorAll(".chakra-skeleton, [role=progressbar]")]
    .every(one => !one.checkVisibility({visibilityProperty: true}))"""
# A busy machine takes its time to start Airflow, and Airflow to run a task.
START_TIMEOUT = 900.0
RUN_TIMEOUT = 600.0
PAGE_TIMEOUT = 120.0
ATTEMPTS = 4

# The one whose tasks wait in their workers: each is started once, so that its pictures are always the same.
EXAMPLE = "example_theeye_sync"
WAITING_EXAMPLE = "example_theeye_approval"
ASSET_EXAMPLE = "example_theeye_asset"
ASSET_TASK = "one-at-a-time"
SETTINGS = {
    # Few things at once, and the DAG files only once: the pages shall answer quickly also on a small machine.
    "AIRFLOW__CORE__PARALLELISM": "3",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
}


class CannotTakePictures(RuntimeError):
    """Something that is needed is missing, or a page does not show what it should."""


@dataclass(frozen=True)
class Studio:
    """What the pictures are taken of, and with what."""

    page: Page
    airflow: Standalone
    sandbox: Sandbox

    def open(self, path: str, height: int, width: int = WIDTH) -> None:
        """Open one of Airflow's pages in a window of this size."""
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.goto(f"{self.airflow.url}/{path}")

    def open_run(self, dag_id: str, run_id: str, height: int, rest: str = "") -> None:
        """Open the page of a DAG run, or what is at `rest` below it."""
        self.open(f"dags/{dag_id}/runs/{quote(run_id, safe='')}{rest}", height)

    def settle(self) -> None:
        """Wait until nothing on the page is a placeholder for what is still to come."""
        self.page.wait_for_function(NOTHING_IS_LOADING)
        self.page.wait_for_timeout(1500)

    def save(self, name: str, *, until: Locator | None = None, margin: int = MARGIN) -> None:
        """Keep what the window shows, down to a little below `until`."""
        self.settle()
        size = self.page.viewport_size or {"width": WIDTH, "height": 0}
        box = until.bounding_box() if until else None
        bottom = min(size["height"], box["y"] + box["height"] + margin) if box else size["height"]
        clip: Any = {"x": 0, "y": 0, "width": size["width"], "height": bottom}
        store(name, self.page.screenshot(clip=clip, animations="disabled"))


def say(text: str) -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True)


def store(name: str, picture: bytes) -> None:
    """Write a picture, unless it has become too large for a web page."""
    if len(picture) > MOST_BYTES:
        raise CannotTakePictures(f"{name} would have {len(picture)} bytes, more than {MOST_BYTES}")
    IMAGES.mkdir(parents=True, exist_ok=True)
    (IMAGES / name).write_bytes(picture)
    say(f"  docs/images/{name}  ({len(picture) // 1000} kB)")


@contextmanager
def browser_page() -> Iterator[Page]:
    """An empty page in a headless Chromium."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise CannotTakePictures("playwright is not installed: run `make venv`") from None
    if not CHROMIUM.exists():
        raise CannotTakePictures(f"there is no {CHROMIUM}: install Chromium, for instance apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(ARGUMENTS))
        try:
            page = browser.new_page()
            page.set_default_timeout(PAGE_TIMEOUT * 1000)
            yield page
        except Error as error:
            page.screenshot(path=LAST_SEEN)
            raise CannotTakePictures(f"{error.message}\nWhat was seen last is in {LAST_SEEN}") from error
        finally:
            browser.close()


def log_in(studio: Studio) -> None:
    """As the admin."""
    studio.open("", 800)
    page = studio.page
    page.fill("input[name=username]", studio.airflow.username)
    page.fill("input[name=password]", studio.airflow.password)
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "/login" not in url)
    page.get_by_role("link", name="Dags").first.wait_for()


def side_by_side(studio: Studio, pictures: list[bytes]) -> bytes:
    """Several pictures as one."""
    page = studio.page
    images = "".join(f'<img src="data:image/png;base64,{base64.b64encode(one).decode()}">' for one in pictures)
    page.goto("about:blank")
    page.set_content(
        '<body style="margin:0"><div style="display:inline-flex;gap:16px;align-items:flex-start;'
        f'background:#a9adb5;padding:16px">{images}</div></body>'
    )
    page.set_viewport_size({"width": 1600, "height": 1400})
    page.wait_for_function("[...document.images].every(image => image.complete)")
    return page.locator("div").screenshot()


def connection_form(studio: Studio) -> None:
    """The empty form: its two parts, of which Airflow opens only one at a time."""
    # The width makes two forms as wide as one picture.
    studio.open("connections", 1400, width=745)
    page = studio.page
    page.get_by_role("button", name="Add Connection").click()
    form = page.get_by_role("dialog")
    form.locator("input[name=connection_id]").fill(CONNECTION_ID)
    form.get_by_role("combobox").fill("TheEye")
    page.get_by_role("option", name="TheEye", exact=True).click()
    form.locator("input[name=password]").wait_for()
    form.get_by_role("heading").click()
    studio.settle()
    pictures = [form.screenshot(animations="disabled")]
    form.get_by_role("button", name="Extra Fields", exact=True).click()
    form.locator("#element_timeout").wait_for()
    studio.settle()
    pictures.append(form.screenshot(animations="disabled"))
    store("airflow-connection-form.png", side_by_side(studio, pictures))


def make_connection(studio: Studio) -> None:
    """The connection to the sandbox."""
    connection = sandbox_connection(studio.sandbox)
    address = urlsplit(studio.sandbox.url)
    # Airflow 3.3's button sends port 0 if a connection has none, and then refuses to test another port than the
    # stored one.
    connection |= {"host": f"{address.scheme}://{address.hostname}", "port": address.port}
    studio.airflow.api.put_connection(CONNECTION_ID, {**connection, "description": "TheEye on this machine"})


def connection_test(studio: Studio) -> None:
    """What the button in the list of connections tells."""
    studio.open("connections", 460)
    row = studio.page.get_by_role("row").filter(has_text=CONNECTION_ID)
    row.get_by_role("button", name="Test Connection").click()
    studio.page.get_by_text("Test Connection Successful").wait_for()
    studio.save("airflow-connection-test.png")


def link_deferred(studio: Studio) -> None:
    """The link of a task that waits for a person in TheEye."""
    api = studio.airflow.api
    run_id = api.trigger(WAITING_EXAMPLE)
    api.wait_for_task(WAITING_EXAMPLE, run_id, "release", ["deferred"], timeout=RUN_TIMEOUT)
    studio.open_run(WAITING_EXAMPLE, run_id, 1000, "/tasks/release/details")
    page = studio.page
    page.get_by_text("TheEye", exact=True).wait_for()
    page.get_by_text("Deferred", exact=True).first.wait_for()
    page.get_by_text("apologize").first.wait_for()
    page.get_by_text("TheEye", exact=True).hover()
    studio.save("airflow-link-deferred.png", until=page.get_by_text("Latest triggerer heartbeat"), margin=3)
    api.set_run_state(WAITING_EXAMPLE, run_id, "failed")


def successful_run(studio: Studio) -> str:
    """A run of the example that succeeded. One that failed because Airflow was short of time is thrown away."""
    api = studio.airflow.api
    for _ in range(ATTEMPTS):
        run_id = api.trigger(EXAMPLE)
        if api.wait_for_run(EXAMPLE, run_id, timeout=RUN_TIMEOUT) == "success":
            return run_id
        failed = [one["task_id"] for one in api.task_instances(EXAMPLE, run_id) if one["state"] == "failed"]
        say(f"  a run of {EXAMPLE} failed at {', '.join(failed)}; once more")
        api.call("DELETE", run_path(EXAMPLE, run_id))
    raise CannotTakePictures(f"{EXAMPLE} failed {ATTEMPTS} times")


def dag_run(studio: Studio) -> None:
    """The run of the example with all its tasks, and the mapped ones alone."""
    run_id = successful_run(studio)
    page = studio.page
    studio.open_run(EXAMPLE, run_id, 1080)
    page.get_by_text("11 Task Instances").wait_for()
    studio.save("airflow-dag-run.png", until=page.get_by_role("table").last)
    studio.open_run(EXAMPLE, run_id, 900, "/tasks/greet/mapped")
    page.get_by_text("green", exact=True).wait_for()
    studio.save("airflow-mapped.png", until=page.get_by_role("table").last)


def asset_run(studio: Studio) -> None:
    """A run that began since a job ended in TheEye which Airflow had not started."""
    if not (EXAMPLE_DAGS / f"{ASSET_EXAMPLE}.py").is_file():
        say(f"  airflow-asset-run.png is left as it is: there is no {ASSET_EXAMPLE}")
        return
    api, sandbox = studio.airflow.api, studio.sandbox
    start = f"{sandbox.url}/task/{sandbox.task_id(ASSET_TASK)}/secret/{sandbox.task_secret(ASSET_TASK)}/job"

    def succeeded() -> str | None:
        runs = api.call("GET", f"dags/{ASSET_EXAMPLE}/dagRuns")["dag_runs"]
        return next((str(run["dag_run_id"]) for run in runs if run["state"] == "success"), None)

    for attempt in range(ATTEMPTS):
        # A job that ends before anybody watches is none of Airflow's business, so there may have to be another one.
        requests.post(start, json={"task_arguments": []}, timeout=30).raise_for_status()
        try:
            run_id = wait_until(succeeded, f"a run of {ASSET_EXAMPLE}", RUN_TIMEOUT / ATTEMPTS)
            break
        except WaitedTooLong as error:
            if attempt == ATTEMPTS - 1:
                say(f"  airflow-asset-run.png is left as it is: {error}")
                return
    studio.open_run(ASSET_EXAMPLE, run_id, 900, "/asset_events")
    page = studio.page
    page.get_by_text("Source: ").wait_for()
    for _ in range(2):  # what the event tells is folded, and so is what is in it
        page.locator(".codicon-folding-collapsed").first.click()
        page.wait_for_timeout(1000)
    studio.save("airflow-asset-run.png", until=page.locator(".monaco-editor").first)


PICTURES: tuple[Callable[[Studio], None], ...] = (
    connection_form,
    make_connection,
    connection_test,
    link_deferred,
    dag_run,
    asset_run,
)


def take_pictures() -> None:
    """All of them, of an Airflow that has never run before."""
    home = home_for("screenshots")
    with browser_page() as page, Sandbox() as sandbox:
        shutil.rmtree(home, ignore_errors=True)
        say("Starting Airflow (takes a minute or more) ...")
        with Standalone(PrivateAirflow(home=home, settings=SETTINGS), start_timeout=START_TIMEOUT) as airflow:
            for dag_id in (EXAMPLE, WAITING_EXAMPLE):
                airflow.api.wait_for_dag(dag_id, timeout=RUN_TIMEOUT)
            studio = Studio(page, airflow, sandbox)
            log_in(studio)
            for take in PICTURES:
                take(studio)


def main() -> int:
    """Take them, and turn what can go wrong into a sentence."""
    clean_up_when_told_to_stop()
    try:
        take_pictures()
    except KeyboardInterrupt:
        say("\nStopped; nothing is left running.")
        return 130
    except (
        CannotTakePictures,
        AirflowApiError,
        AirflowCommandFailed,
        SandboxError,
        StandaloneFailed,
        WaitedTooLong,
        OSError,
    ) as error:
        print(f"\nmake screenshots failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
