"""How a job ended as a whole: a task's job by its own document, a workflow job by its steps as well.

TheEye's workflow job is a copy of the step that ended last, so with a fork it hides an earlier failure; a step that
cannot be built leaves it started for ever; and runs of workflows of version 1 never end (CONTRACT: workflows).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_theeye.jobs.outcome import Outcome, Verdict, judge

if TYPE_CHECKING:
    from airflow_provider_theeye.api.models import Edge, Job
    from airflow_provider_theeye.jobs.reading import Ended

__all__ = ["Judgement", "Strictness", "judge_whole", "last_step", "needs_graph", "newest_of_each_task"]

#: Events that lead on from a success. TheEye knows no exit codes: a script that ended with one may still be a success.
_SUCCESS = ("success", "normal")


@dataclass(frozen=True)
class Strictness:
    """What counts as a failure.

    :param fail_on_exit_code: an exit code other than 0 does.
    :param fail_on_failed_step: any failed step of a workflow job does, unless the workflow's graph handles it.
    """

    fail_on_exit_code: bool = True
    fail_on_failed_step: bool = True


@dataclass(frozen=True)
class Judgement:
    """The verdict, and sentences about what it hides.

    :param hidden: the steps whose failure makes a failure of what TheEye calls a success.
    """

    verdict: Verdict
    warnings: tuple[str, ...] = field(default=())
    hidden: tuple[Job, ...] = field(default=(), repr=False, compare=False)


def judge_whole(
    ended: Ended, strictness: Strictness, edges_of: Callable[[str], Sequence[Edge] | None] = lambda workflow_id: ()
) -> Judgement:
    """Judge a job that is over, or a workflow job whose steps have all come to an end.

    :param edges_of: gives the edges of a workflow's graph by the workflow's id, to tell a handled failure from a hidden
        one; ``None`` if the graph cannot be read. Called only if a step failed, since it may cost a request.
    """
    job, steps = ended.job, ended.steps
    if not job.is_workflow:
        return Judgement(judge(job, fail_on_exit_code=strictness.fail_on_exit_code))
    verdict = _judge_run(job, steps, strictness)
    if not needs_graph(ended, strictness):
        return Judgement(verdict)
    graph = edges_of(job.workflow_id or "")
    failed = [step for step in _counting(steps, graph or ()) if _failed(step, strictness)]
    unclear = [step for step in failed if graph is None and _event(step) is not None]
    hidden = [step for step in failed if step not in unclear and not _handled(step, graph or ())]
    warnings = tuple(
        f"{_said(step, strictness)}. Whether the workflow handles that is not known, since its graph cannot be read: "
        "TheEye's verdict counts"
        for step in unclear
    )
    said = tuple(_said(step, strictness) for step in hidden)
    if hidden and strictness.fail_on_failed_step:
        reason = f"TheEye calls it a success, but {'; '.join(said)}"
        return Judgement(Verdict(Outcome.FAILED, reason, last_step(hidden)), warnings, tuple(hidden))
    warnings += tuple(f"{text}, which TheEye's verdict on the workflow job hides" for text in said)
    return Judgement(verdict, warnings)


def needs_graph(ended: Ended, strictness: Strictness) -> bool:
    """Whether the verdict depends on the workflow's graph: TheEye says success, and a step failed."""
    return (
        ended.job.is_workflow
        and _judge_run(ended.job, ended.steps, strictness).good
        and any(_failed(step, strictness) for step in ended.steps)
    )


def last_step(steps: Sequence[Job]) -> Job | None:
    """The step that ended last; its output is what TheEye itself would pass on."""
    return max((step for step in steps if step.is_over), key=lambda step: step.updated or "", default=None)


def newest_of_each_task(steps: Iterable[Job], number: Callable[[str | None], int] = lambda task_id: 1) -> list[Job]:
    """A step that was run again has several jobs, of which the newest counts (CONTRACT: restarting steps).

    :param number: how many of a task's jobs count.
    """
    by_task: dict[str, list[Job]] = {}
    for step in sorted(steps, key=lambda step: step.created or ""):
        by_task.setdefault(step.task_id or step.id, []).append(step)
    return [step for group in by_task.values() for step in group[-number(group[0].task_id) :]]


def _counting(steps: Sequence[Job], edges: Sequence[Edge]) -> list[Job]:
    """The jobs that count: of a task that several steps lead to, one for each of them that did."""
    newest = newest_of_each_task(steps)

    def number(task_id: str | None) -> int:
        leading = [step for step in newest for edge in edges if edge.target == task_id and _leads_on(step, edge)]
        return max(1, len(leading))

    return newest_of_each_task(steps, number)


def _judge_run(job: Job, steps: Sequence[Job], strictness: Strictness) -> Verdict:
    last = last_step(steps)
    newest = newest_of_each_task(steps)
    if not job.is_over:
        broken = next((step for step in newest if step.state == "error"), None)
        if broken is not None:
            reason = judge(broken).reason
            return Verdict(
                Outcome.STUCK,
                f"its step {broken.name!r} (job {broken.id}) cannot run, so it never ends: {reason}",
                broken,
            )
        if last is None:
            return Verdict(Outcome.GONE, "it has no steps that could be judged")
        return _of_step(last, strictness)
    verdict = judge(job)
    # It is a copy of that step, which alone knows exit code, host and persons.
    if last is not None and last.state == job.state and _failed(last, strictness):
        return _of_step(last, strictness)
    culprit = last_step([step for step in newest if _failed(step, strictness)])
    if verdict.outcome is Outcome.FAILED and culprit is not None:
        return Verdict(verdict.outcome, _said(culprit, strictness), culprit)
    return verdict


def _of_step(step: Job, strictness: Strictness) -> Verdict:
    verdict = judge(step, fail_on_exit_code=strictness.fail_on_exit_code)
    return verdict if verdict.good else Verdict(verdict.outcome, _said(step, strictness), step)


def _failed(step: Job, strictness: Strictness) -> bool:
    return step.is_over and not judge(step, fail_on_exit_code=strictness.fail_on_exit_code).good


def _handled(step: Job, edges: Sequence[Edge]) -> bool:
    """Whether the graph leads on from this very failure. After an exit code it leads on from a success."""
    return _event(step) is not None and any(_leads_on(step, edge) for edge in edges)


def _leads_on(step: Job, edge: Edge) -> bool:
    return edge.source == step.task_id and step.is_over and edge.event == (step.trigger_name or step.state)


def _event(step: Job) -> str | None:
    """What the graph can follow other than a success: a state, or a name that the script gave."""
    event = step.trigger_name or step.state
    return None if event in _SUCCESS else event


def _said(step: Job, strictness: Strictness) -> str:
    verdict = judge(step, fail_on_exit_code=strictness.fail_on_exit_code)
    return f"step {step.name!r} (job {step.id}) {str(verdict.outcome).replace('_', ' ')}: {verdict.reason}"
