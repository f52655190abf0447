"""What a killed task does about its job, and what it may not do any more in its last seconds."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowTaskTimeout, TaskDeferred

from airflow_provider_theeye.exceptions import TheEyeJobError
from airflow_provider_theeye.hooks.theeye import TheEyeHook
from airflow_provider_theeye.operators import cancelling
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator
from airflow_provider_theeye.sandbox import Sandbox
from airflow_provider_theeye.triggers.in_process import is_waited_for
from airflow_provider_theeye.version_compat import HAS_TASK_STATE_STORE
from tests.running import FakeStore, FakeTaskInstance, context, first_event

pytestmark = pytest.mark.usefixtures("connection")


def task(sandbox: Sandbox, key: str, **options: Any) -> TheEyeTaskOperator:
    return TheEyeTaskOperator(task_id="t", theeye_task_id=sandbox.task_id(key), poll_interval=0.1, **options)


@pytest.mark.parametrize("submission", ["held", "direct"])
def test_a_task_killed_while_it_submits_leaves_nothing_running(submission: str, journal: Sandbox) -> None:
    """The process goes on for some seconds after the signal."""
    operator = task(journal, "endless", submission=submission)

    class Interrupted(FakeStore):
        def set(self, key: str, value: Any, **options: Any) -> None:
            super().set(key, value, **options)
            operator.on_kill()

    with pytest.raises(TheEyeJobError):
        operator.execute(context(FakeTaskInstance(1, 1), Interrupted()))
    hook = TheEyeHook()
    jobs = journal.journal()["jobs"]
    assert [one["started"] for one in jobs.values()].count(1) == (submission == "direct")
    assert all(hook.get_job(one).is_over for one in jobs)


@pytest.mark.parametrize("submission", ["held", "direct"])
def test_a_task_killed_before_its_job_exists_starts_none(submission: str, journal: Sandbox) -> None:
    operator = task(journal, "endless", submission=submission)
    operator.on_kill()
    with pytest.raises(TheEyeJobError, match="was killed"):
        operator.execute(context(FakeTaskInstance(1, 1), FakeStore()))
    assert all(TheEyeHook().get_job(one).is_over for one in journal.journal()["jobs"])


class Killed:
    """A task that waits for its job in a thread, until it is killed."""

    def __init__(self, sandbox: Sandbox, store: FakeStore | None, **options: Any) -> None:
        self.operator = task(sandbox, "endless", **options)
        self.ti = FakeTaskInstance(1, 1)
        self.ended: list[BaseException] = []
        self._context = context(self.ti, store)
        self._running = threading.Thread(target=self._execute, daemon=True)
        self._running.start()
        self.job_id: str = sandbox.wait(
            lambda: next((i for i, one in sandbox.journal()["jobs"].items() if one["started"]), None)
        )

    def _execute(self) -> None:
        try:
            self.operator.execute(self._context)  # type: ignore[arg-type]
        except BaseException as error:
            self.ended.append(error)

    def state(self) -> str | None:
        return TheEyeHook().get_job(self.job_id).state

    def stop(self) -> BaseException:
        """End the job, and with it the wait."""
        TheEyeHook().cancel(self.job_id)
        self._running.join(20)
        return self.ended[0]


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """All that was logged so far."""
    printed: list[str] = []

    def text() -> str:
        printed.append(capsys.readouterr().out)
        return "".join(printed) + caplog.text

    return text


class Unreachable(FakeStore):
    """Airflow's store, until Airflow is out of reach."""

    def __init__(self, get: Callable[[], Any]) -> None:
        super().__init__()
        self._get, self.reachable = get, True

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key, default) if self.reachable else self._get()


def refuse() -> Any:
    raise AirflowException("API_SERVER_ERROR: connection refused")


with_a_store = pytest.mark.skipif(
    not HAS_TASK_STATE_STORE, reason="before Airflow 3.3 nothing tells a replaced try from a killed one"
)


@with_a_store
@pytest.mark.parametrize("get", [refuse, lambda: time.sleep(30)], ids=["refuses", "silent"])
def test_an_airflow_that_cannot_be_asked_is_no_reason_to_cancel(
    get: Callable[[], Any], journal: Sandbox, log: Callable[[], str]
) -> None:
    """Airflow ends processes whose heartbeats it does not get, and does not get them when it is down itself."""
    store = Unreachable(get)
    killed = Killed(journal, store)
    store.reachable = False
    began = time.monotonic()
    killed.operator.on_kill()
    held_up = time.monotonic() - began
    assert held_up < cancelling._ASK_SECONDS  # the interrupted request to Airflow may be what keeps it from answering
    journal.wait(lambda: "The next try takes the job up" in log(), 20)
    assert f"TheEye job {killed.job_id} is left alone" in log()
    assert killed.state() == "in_progress"
    killed.stop()


@with_a_store
def test_a_question_to_airflow_that_was_interrupted_is_waited_for(journal: Sandbox) -> None:
    """The signal may come while the task itself asks Airflow, and only one question is answered at a time."""
    channel = threading.Lock()

    class OneAtATime(FakeStore):
        def get(self, key: str, default: Any = None) -> Any:
            with channel:
                return super().get(key, default)

    killed = Killed(journal, OneAtATime())
    with channel:
        killed.operator.on_kill()
        assert killed.state() == "in_progress"
    assert journal.wait(lambda: killed.state() == "canceled")
    assert "this task was killed" in str(killed.stop())


@with_a_store
@pytest.mark.parametrize("submission", ["held", "direct"])
def test_a_task_killed_while_it_tells_airflow_of_its_job(submission: str, journal: Sandbox) -> None:
    """It is asked for when that is over, and the job is not released any more."""
    channel = threading.Lock()
    operator = task(journal, "endless", submission=submission)

    class OneAtATime(FakeStore):
        def get(self, key: str, default: Any = None) -> Any:
            with channel:
                return super().get(key, default)

        def set(self, key: str, value: Any, **options: Any) -> None:
            with channel:
                super().set(key, value, **options)
                operator.on_kill()

    with pytest.raises(TheEyeJobError, match="was killed"):
        operator.execute(context(FakeTaskInstance(1, 1), OneAtATime()))
    hook = TheEyeHook()
    (job_id,) = journal.journal()["jobs"]
    assert journal.wait(lambda: hook.get_job(job_id).is_over)
    assert journal.journal()["jobs"][job_id]["started"] == (submission == "direct")


@with_a_store
def test_a_time_limit_is_known_without_airflow(journal: Sandbox) -> None:
    store = Unreachable(refuse)
    killed = Killed(journal, store)
    store.reachable = False
    try:
        raise AirflowTaskTimeout
    except AirflowTaskTimeout:
        killed.operator.on_kill()
    assert killed.state() == "canceled"
    killed.stop()


@pytest.mark.parametrize("options", [{}, {"durable": False}], ids=["no store", "not durable"])
def test_a_job_that_no_other_try_takes_up_is_cancelled(options: dict[str, Any], journal: Sandbox) -> None:
    store = Unreachable(refuse) if options else None
    killed = Killed(journal, store, **options)
    if store is not None:
        store.reachable = False
    killed.operator.on_kill()
    assert killed.state() == "canceled"
    killed.stop()


def test_what_a_killed_task_says_of_its_job(journal: Sandbox) -> None:
    killed = Killed(journal, FakeStore())
    killed.operator.on_kill()
    error = killed.stop()
    assert str(error).startswith(f"this task was killed and cancelled its TheEye job {killed.job_id} (Endless)")
    assert "cancelled by" not in str(error)
    assert "next try" not in str(error)


def test_a_job_that_somebody_else_cancels(journal: Sandbox) -> None:
    error = Killed(journal, FakeStore()).stop()
    assert "cancelled by" in str(error)
    assert "The next try (2 of 2) starts a new job" in str(error)


@with_a_store
def test_a_job_of_a_task_that_was_removed_is_cancelled(journal: Sandbox) -> None:
    store = FakeStore()
    killed = Killed(journal, store)
    store.values = {}
    killed.ti.get_task_states = lambda **which: {}  # type: ignore[method-assign]
    killed.operator.on_kill()
    assert killed.state() == "canceled"
    killed.stop()


# --- airflow dags test and airflow tasks test -----------------------------------------------------------------------


@contextlib.contextmanager
def signalled(number: signal.Signals, once: Callable[[], Any], sandbox: Sandbox) -> Iterator[None]:
    """Send this process a signal as soon as something is so."""

    def send() -> None:
        sandbox.wait(once, 30)
        os.kill(os.getpid(), number)

    sending = threading.Thread(target=send, daemon=True)
    sending.start()
    yield
    sending.join(30)


def started(sandbox: Sandbox) -> bool:
    return bool(sandbox.journal()["totals"]["started"])


def is_waiting(trigger: Any, sandbox: Sandbox) -> bool:
    """Whether the job runs and its trigger waits for it, which takes a signal from then on."""
    return started(sandbox) and is_waited_for(trigger.job_id)


def states(sandbox: Sandbox) -> list[str | None]:
    return [TheEyeHook().get_job(one).state for one in sandbox.journal()["jobs"]]


@pytest.mark.parametrize("cancel_on_kill", [True, False])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_process_that_is_interrupted_cancels_its_job(
    error: type[BaseException], cancel_on_kill: bool, journal: Sandbox
) -> None:
    def interrupted(seconds: float) -> None:
        journal.wait(lambda: started(journal))
        raise error

    operator = task(journal, "endless", cancel_on_kill=cancel_on_kill)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("airflow_provider_theeye.hooks.wait.time.sleep", interrupted)
        with pytest.raises(error):
            operator.execute(context(FakeTaskInstance(1, 1), FakeStore()))
    assert states(journal) == ["canceled" if cancel_on_kill else "in_progress"]
    for one in journal.journal()["jobs"]:
        TheEyeHook().cancel(one)


def deferred(operator: TheEyeTaskOperator) -> Any:
    with pytest.raises(TaskDeferred) as caught:
        operator.execute(context(FakeTaskInstance(1, 1), FakeStore()))
    return caught.value.trigger


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_while_a_trigger_waits_without_a_triggerer(journal: Sandbox) -> None:
    trigger = deferred(task(journal, "endless", deferrable=True))
    before = signal.getsignal(signal.SIGINT)
    with signalled(signal.SIGINT, lambda: is_waiting(trigger, journal), journal), pytest.raises(KeyboardInterrupt):
        asyncio.run(first_event(trigger))
    assert states(journal) == ["canceled"]
    assert signal.getsignal(signal.SIGINT) is before


def test_sigterm_while_a_trigger_waits_without_a_triggerer(journal: Sandbox) -> None:
    """Airflow leaves its handler, which calls the operator's ``on_kill``, where it is."""
    operator = task(journal, "endless", deferrable=True)
    trigger = deferred(operator)
    before = signal.signal(signal.SIGTERM, lambda number, frame: operator.on_kill())
    try:
        with signalled(signal.SIGTERM, lambda: is_waiting(trigger, journal), journal):
            event = asyncio.run(first_event(trigger))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert states(journal) == ["canceled"]
    with pytest.raises(TheEyeJobError, match="this task was killed and cancelled"):
        task(journal, "endless", deferrable=True).execute_complete(context(), event=event)


def test_a_worker_that_has_deferred_leaves_the_job_to_the_triggerer(journal: Sandbox) -> None:
    operator = task(journal, "endless", deferrable=True)
    deferred(operator)
    operator.on_kill()
    assert states(journal) == ["in_progress"]
    for one in journal.journal()["jobs"]:
        TheEyeHook().cancel(one)


@with_a_store
@pytest.mark.parametrize("cleared", [False, True])
def test_the_job_of_a_replaced_try_is_left_to_the_next_one(cleared: bool, journal: Sandbox) -> None:
    """Airflow cuts a try that it has replaced off from the store, and one that a user cleared too."""
    operator = task(journal, "endless")
    store, ti = FakeStore(), FakeTaskInstance(1, 1)
    ended: list[BaseException] = []

    def execute() -> None:
        try:
            operator.execute(context(ti, store))
        except Exception as error:
            ended.append(error)

    running = threading.Thread(target=execute, daemon=True)
    running.start()
    job_id = journal.wait(lambda: next((i for i, one in journal.journal()["jobs"].items() if one["started"]), None))
    hook = TheEyeHook()
    kept, store.values = store.values, {}
    if cleared:
        ti.state = "restarting"
    else:
        operator.on_kill()
        assert not hook.get_job(job_id).is_over
        store.values = kept
    operator.on_kill()
    assert hook.get_job(job_id).state == "canceled"
    running.join(10)
    assert [type(error).__name__ for error in ended] == ["JobCancelled"]
