"""What the pages make of a run and its steps: decisions without a server."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from time import process_time
from typing import Any

import pytest

from airflow_provider_theeye.sandbox.definitions import Source
from airflow_provider_theeye.sandbox.engine import Engine
from airflow_provider_theeye.sandbox.job import Job
from airflow_provider_theeye.sandbox.pages import attempts, run_words
from airflow_provider_theeye.sandbox.pages.blocked import why_blocked
from airflow_provider_theeye.sandbox.pages.hosts import host_state
from airflow_provider_theeye.sandbox.pages.look import Look, look, past
from airflow_provider_theeye.sandbox.pages.rows import took
from airflow_provider_theeye.sandbox.pages.runs import Run
from airflow_provider_theeye.sandbox.pages.show import duration
from airflow_provider_theeye.sandbox.pages.steps import Step, cut
from airflow_provider_theeye.sandbox.schema import build
from airflow_provider_theeye.sandbox.world import Workflow, World

LIVE = {"ready": "in_progress", "assigned": "in_progress", "onhold": "in_progress", "started": "in_progress"}


def flow(steps: str, *edges: str, **more: Any) -> Workflow:
    """A workflow; edges are written `a>b` or `a>b:failure`."""
    split = [edge.replace(":", ">").split(">") for edge in edges]
    described = {
        "organizations": {"demo": {"hosts": ["h"]}},
        "workflows": {
            "w": {
                "name": "w",
                "host": "h",
                "steps": {step: {} for step in steps.split()},
                "edges": [dict(zip(("from", "to", "on"), edge, strict=False)) for edge in split],
                **more,
            }
        },
    }
    return build(Source("test", described, {})).workflows["w"]


class Story:
    """Jobs as an engine would have made them: each has lived through the ends that are named."""

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self.jobs: list[Job] = []
        self.now = 0.0

    def job(self, step: str, *words: str, code: int = 0) -> Job:
        """A step's job; every word but the first is what it became after it had been started again."""
        job = self._blank("ScriptJob", self.workflow.steps[step].id if step in self.workflow.steps else step)
        job.name = f"w / {step}"
        self.jobs.append(job)
        for word in words:
            self.change(job, word, code)
        return job

    def change(self, job: Job, word: str, code: int = 0) -> None:
        """Starts it (again), and lets it end if the word is a state."""
        job.result = None
        self._become(job, "ready", "in_progress")
        if word in LIVE:
            self._become(job, word, LIVE[word])
            return
        job.result = None if word == "error" else {"code": code}
        job.trigger_name = None if word == "error" else word
        job.counted = word != "error"
        self._become(job, "finished" if word in ("success", "failure") else "terminated", word)

    def run(self, lifecycle: str, state: str = "in_progress", paths: int = 0) -> Run:
        """The run around all of them."""
        job = self._blank("WorkflowJob", None)
        self._become(job, lifecycle, state)
        job.active_paths = paths
        return Run(job, self.jobs, self.workflow)

    def _blank(self, kind: str, task_id: str | None) -> Job:
        self.now += 1
        number = f"{int(self.now):024x}"
        return Job(number, kind, "", self.now, self.now, int(self.now), "user", task_id=task_id)

    def _become(self, job: Job, lifecycle: str, state: str) -> None:
        self.now += 1
        job.lifecycle, job.state = lifecycle, state
        job.history.append(job.moment(self.now))


CHAIN = ("a b c", "a>b", "b>c")


@pytest.mark.parametrize(
    ("lifecycle", "state", "code", "expected"),
    [
        ("finished", "success", 0, Look("success", "success")),
        ("finished", "success", None, Look("success", "success")),
        ("finished", "success", 3, Look("exit code 3", "failure")),
        ("finished", "success", -1, Look("exit code -1", "failure")),
        ("finished", "failure", 3, Look("failure, exit 3", "failure")),
        ("finished", "failure", None, Look("failure", "failure")),
        ("terminated", "canceled", 1, Look("canceled", "canceled")),
        ("assigned", "in_progress", 3, Look("assigned", "running")),
        ("onhold", "in_progress", None, Look("on hold", "hold")),
    ],
)
def test_an_exit_code_is_no_success(lifecycle: str, state: str, code: int | None, expected: Look) -> None:
    assert look(lifecycle, state, code) == expected


def test_what_does_not_count_has_no_colour_unless_it_lives() -> None:
    assert past(Look("success", "success"), "superseded") == Look("superseded: success", "none")
    assert past(Look("exit code 3", "failure"), "superseded") == Look("superseded: exit code 3", "none")
    assert past(Look("assigned", "running"), "superseded") == Look("superseded, assigned", "running")


def test_the_attempts_of_a_job() -> None:
    story = Story(flow(*CHAIN))
    job = story.job("a", "success", "failure", "assigned", code=2)
    assert [one.look.word for one in attempts.of_history(job.history)] == ["exit code 2", "failure, exit 2", "assigned"]
    assert [one.ended for one in attempts.of_history(job.history)] == [True, True, False]
    assert attempts.restarts(job) == 2
    assert attempts.again(job).startswith("started again twice, last at ")
    assert attempts.again(job).endswith("; before: failure, exit 2")
    assert [(row.number, row.look.word) for row in attempts.rows(job, 99)] == [
        (3, "assigned"),
        (2, "failure, exit 2"),
        (1, "exit code 2"),
    ]


def test_a_job_that_never_was_started_again_has_no_attempts() -> None:
    job = Story(flow(*CHAIN)).job("a", "success")
    assert (attempts.restarts(job), attempts.again(job), attempts.rows(job, 99)) == (0, "", [])


def test_the_newest_attempt_is_what_took_its_time() -> None:
    job = Story(flow(*CHAIN)).job("a", "success", "success")
    assert took(Engine(World()), job) == duration(job.history[-1].at - job.history[-2].at)


def test_the_newest_job_of_a_step_counts() -> None:
    story = Story(flow(*CHAIN))
    first = story.job("a", "success")
    old = story.job("b", "failure")
    story.change(first, "success")
    new = story.job("b", "success")
    run = story.run("finished", "success")
    assert [run.counts(job) for job in (first, old, new)] == [True, False, True]
    assert run.shown(story.workflow.steps["b"].id) is new
    assert run.mark(story.workflow.steps["b"].id) == "try 2"
    assert run.failed == []


def test_of_a_step_that_two_steps_lead_to_two_jobs_count() -> None:
    story = Story(flow("a b c d", "a>b", "a>c", "b>d", "c>d"))
    for step in "abc":
        story.job(step, "success")
    bad = story.job("d", "success", code=1)
    good = story.job("d", "success")
    run = story.run("finished", "success")
    assert run.counts(bad)
    assert run.counts(good)
    joined = story.workflow.steps["d"].id
    assert run.shown(joined) is bad, "a success does not hide it"
    assert run.mark(joined) == "2 jobs"
    assert run.failed == [bad]


def test_what_was_made_before_a_restart_is_no_success_any_more() -> None:
    story = Story(flow(*CHAIN))
    a, b, c = (story.job(step, "success") for step in "abc")
    story.change(a, "ready")
    run = story.run("finished", "success", paths=1)
    ids = {key: task.id for key, task in story.workflow.steps.items()}
    assert run.outdated == {ids["b"], ids["c"]}
    assert run.step_look(ids["c"]) == Look("earlier: success", "none")
    story.change(a, "success")
    story.job("b", "assigned")
    assert story.run("started").outdated == {ids["c"]}
    story.change(c, "success")
    assert c is not b
    assert story.run("started").outdated == set(), "it ran again by itself"


def test_in_a_circle_nothing_is_from_before() -> None:
    story = Story(flow("a b", "a>b", "b>a:failure"))
    for step, word in (("a", "success"), ("b", "failure"), ("a", "success"), ("b", "failure"), ("a", "assigned")):
        story.job(step, word)
    assert story.run("started").outdated == set()


def words(run: Run) -> tuple[str, str]:
    return run_words.run_look(run).word, run_words.run_meaning(run)


def test_a_run_that_says_finished_while_a_step_was_started_again() -> None:
    story = Story(flow(*CHAIN))
    story.job("a", "success")
    b = story.job("b", "failure", "ready")
    word, meaning = words(story.run("finished", "failure", paths=1))
    assert word == "waits again"
    assert meaning == (
        "Not over, although TheEye says finished (failure) until a host takes what has been started again: b."
    )
    story.change(b, "assigned")
    assert words(story.run("started", "failure", paths=1)) == ("started", "Now: b.")
    story.change(b, "failure")
    assert words(story.run("finished", "failure"))[0] == "failure"


def test_a_cancelled_run_of_which_a_branch_lives() -> None:
    story = Story(flow("a b c", "a>b", "a>c"))
    story.job("a", "success")
    story.job("b", "assigned")
    story.job("c", "canceled")
    word, meaning = words(story.run("terminated", "canceled"))
    assert word == "goes on"
    assert meaning == "Not over, although TheEye says terminated (canceled). Still live: b."


def test_of_two_steps_that_were_started_again_the_second_still_runs() -> None:
    story = Story(flow("a b c", "a>b", "a>c"))
    story.job("a", "success")
    story.job("b", "failure", "failure")
    story.job("c", "failure", "assigned")
    word, meaning = words(story.run("finished", "failure"))
    assert word == "goes on"
    assert meaning == "Not over, although TheEye says finished (failure). Still live: c.", "it has been taken already"


def test_a_success_that_is_none_for_airflow() -> None:
    story = Story(flow(*CHAIN, "a>b:late"))
    story.job("a", "success")
    story.job("b", "success", code=3)
    story.job("c", "success")
    word, meaning = words(story.run("finished", "success"))
    assert word == "failed step"
    assert "Airflow's task fails: b (exit code 3)." in meaning


def test_a_failure_that_the_graph_handles_is_none() -> None:
    story = Story(flow("a b", "a>b:failure"))
    story.job("a", "failure", code=1)
    story.job("b", "success")
    assert words(story.run("finished", "success"))[0] == "success"
    hidden = Story(flow("a b c", "a>b", "a>c"))
    hidden.job("a", "success")
    hidden.job("b", "failure")
    hidden.job("c", "success")
    word, meaning = words(hidden.run("finished", "success"))
    assert word == "failed step", "a fork hides the failure of the path that ended first"
    assert "b (failure)" in meaning


def test_a_run_whose_step_could_not_be_built_is_stuck() -> None:
    story = Story(flow(*CHAIN))
    story.job("a", "success")
    story.job("b", "error")
    word, meaning = words(story.run("started", paths=1))
    assert word == "stuck"
    assert meaning.startswith("Stuck, it will never end: b could not be built.")
    story.job("b", "success")
    assert words(story.run("started", paths=1))[0] == "stuck"
    story.jobs[-1].counted = False
    assert words(story.run("started", paths=1)) == ("started", "Between two steps.")


def test_it_is_not_stuck_yet_while_a_branch_lives() -> None:
    story = Story(flow("a b c", "a>b", "a>c"))
    story.job("a", "success")
    story.job("b", "error")
    story.job("c", "assigned")
    assert words(story.run("started", paths=2)) == (
        "started",
        "Now: c. It cannot end after that: b could not be built.",
    )


@pytest.mark.parametrize(
    ("version", "paths", "why"),
    [(2, -1, "two of its steps were started again at the same time"), (1, 1, "version 1 never end"), (2, 1, "nothing")],
)
def test_a_run_that_nothing_can_end(version: int, paths: int, why: str) -> None:
    story = Story(flow(*CHAIN, version=version))
    for step in "abc":
        story.job(step, "success")
    word, meaning = words(story.run("started", paths=paths))
    assert word == "stuck"
    assert why in meaning


def test_a_run_without_any_job_is_stuck() -> None:
    word, meaning = words(Story(flow(*CHAIN)).run("ready", paths=1))
    assert word == "stuck"
    assert "no job of any step" in meaning


def test_who_starts_a_step_again_is_warned() -> None:
    story = Story(flow(*CHAIN, multitasking=False))
    story.job("a", "failure")
    assert run_words.restart_warning(story.run("finished", "failure"), another_run_started=False) == ""
    warning = run_words.restart_warning(story.run("finished", "failure"), another_run_started=True)
    assert "one at a time" in warning
    story.job("b", "assigned")
    assert "Another step" in run_words.restart_warning(story.run("finished", "failure"), another_run_started=False)
    many = Story(flow(*CHAIN))
    many.job("a", "failure")
    assert run_words.restart_warning(many.run("finished", "failure"), another_run_started=True) == ""


@pytest.mark.parametrize(
    ("stopped", "reports", "last_sign", "busy", "word", "tone", "more"),
    [
        (False, True, 95.0, False, "free", "success", ""),
        (False, True, 95.0, True, "busy", "running", ""),
        (True, True, 95.0, True, "stopped", "failure", "normal for another 25 s."),
        (True, False, 60.0, False, "stopped", "failure", "updates_stopped: what ran there is cancelled"),
        (False, False, 60.0, False, "does not report", "failure", "updates_stopped"),
        (False, False, None, False, "does not report", "failure", "updates_stopped"),
        (False, True, None, False, "has not reported yet", "waiting", "until its agent asks for work"),
        (False, True, None, True, "busy", "running", ""),
    ],
)
def test_how_a_host_is(
    stopped: bool, reports: bool, last_sign: float | None, busy: bool, word: str, tone: str, more: str
) -> None:
    state = host_state(stopped=stopped, reports=reports, last_sign=last_sign, now=100, lost_after=30, busy=busy)
    assert (state.word, state.tone) == (word, tone)
    assert more in state.more
    assert (state.since is None) is (tone != "failure" or last_sign is None)


def test_what_is_drawn_fits_its_step() -> None:
    assert cut("warehouse", 12) == "warehouse"
    assert cut("a-long-warehouse", 12) == "a-long-ware…"
    assert cut("warehouse", 3) == ""
    step = Step(
        "collect the orders of all", "warehouse-7", "/", Look("earlier: failure, exit 33", "none"), mark="try 12"
    )
    assert step.drawn_host == ""
    assert step.drawn_name.endswith("…")
    assert step.label == "collect the orders of all: earlier: failure, exit 33, warehouse-7"


def test_a_long_workflow_is_looked_at_quickly() -> None:
    names = [f"s{number}" for number in range(2000)]
    story = Story(flow(" ".join(names), *(f"{one}>{other}" for one, other in pairwise(names))))
    for name in names:
        story.job(name, "success")
    began = process_time()
    run = story.run("finished", "success")
    assert run.failed == []
    assert [run.name(job) for job in run.children] == names
    assert {run.step_look(task).word for task in run.made} == {"success"}
    assert process_time() - began < 1, "the pages of all runs are made by the thread that answers requests"


def blocked(run: Run, *others: Run, takes: tuple[Job, ...] = ()) -> str:
    """Why a run is, if hosts would be handed no jobs but those."""
    return why_blocked(replace(run, others=others, may_be_taken=lambda job: any(one is job for one in takes)))


def test_a_step_started_again_in_an_earlier_run_blocks_both() -> None:
    workflow = flow(*CHAIN, multitasking=False)
    first, second = Story(workflow), Story(workflow)
    first.job("a", "failure", "ready")
    earlier = first.run("finished", "failure", paths=1)
    second.now = first.now
    second.job("a", "success")
    waiting = second.job("b", "ready")
    later = second.run("started", paths=1)
    assert "a of the run of " in blocked(later, earlier)
    assert "has started and does not end" in blocked(earlier, later)
    third = Story(workflow)
    third.now = second.now
    third.job("a", "ready")
    assert blocked(later, earlier, third.run("onhold", paths=1)).count("the run of") == 1, "that one came later"
    assert blocked(later, earlier, takes=(waiting,)) == ""
    assert blocked(earlier, later, takes=(waiting,)) == ""
    second.change(waiting, "success")
    waiting.counted = False
    assert blocked(earlier, later) == "", "its next step is about to be made"
    second.change(waiting, "assigned")
    assert blocked(later, earlier) == ""
    assert blocked(earlier, later) == "", "it is taken when the other one is over"


def test_a_run_that_is_stuck_blocks_those_after_it() -> None:
    workflow = flow(*CHAIN, multitasking=False)
    first, second = Story(workflow), Story(workflow)
    first.job("a", "success")
    error = first.job("b", "error")
    stuck = first.run("started", paths=1)
    second.job("a", "ready")
    run = replace(second.run("onhold", paths=1), others=(stuck,), may_be_taken=lambda job: False)
    word, meaning = words(run)
    assert word == "stuck"
    assert "has started and does not end" in meaning
    first.change(error, "onhold")
    assert words(run) == ("on hold", "Waits until the run before it is over.")
    many = Story(flow(*CHAIN))
    many.job("a", "ready")
    assert blocked(many.run("ready")) == ""
