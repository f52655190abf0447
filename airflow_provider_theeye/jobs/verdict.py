"""How a job ended as a whole: a task's job by its own document, a workflow job by its steps as well.

TheEye's workflow job is a copy of the step that ended last, so with a fork it hides an earlier failure; a step that
cannot be built leaves it started for ever; and runs of workflows of version 1 never end (CONTRACT: workflows).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_theeye.jobs.outcome import Outcome, Verdict, judge

if TYPE_CHECKING:
    from airflow_provider_theeye.api.models import Edge, Job
    from airflow_provider_theeye.jobs.reading import Ended

__all__ = ["Judgement", "Strictness", "judge_whole", "last_step"]


@dataclass(frozen=True)
class Strictness:
    """What counts as a failure.

    :param fail_on_exit_code: an exit code other than 0 does.
    :param fail_on_failed_step: any failed step of a workflow job does, unless an edge leads from it to a handler.
    """

    fail_on_exit_code: bool = True
    fail_on_failed_step: bool = False


@dataclass(frozen=True)
class Judgement:
    """The verdict, and sentences about what it hides."""

    verdict: Verdict
    warnings: tuple[str, ...] = field(default=())


def judge_whole(
    ended: Ended, strictness: Strictness, edges_of: Callable[[str], Sequence[Edge]] = lambda workflow_id: ()
) -> Judgement:
    """Judge a job that is over, or a workflow job whose steps have all come to an end.

    :param edges_of: gives the edges of a workflow's graph by the workflow's id, to tell a handled failure from a hidden
        one. Asked only if a step failed, since it may cost a request.
    """
    job, steps = ended.job, ended.steps
    if not job.is_workflow:
        return Judgement(judge(job, fail_on_exit_code=strictness.fail_on_exit_code))
    verdict = _judge_run(job, steps, strictness)
    failed = [step for step in steps if _failed(step, strictness)]
    if not verdict.good or not failed:
        return Judgement(verdict)
    graph = edges_of(job.workflow_id or "")
    hidden = [step for step in failed if not _handled(step, graph)]
    if not hidden:
        return Judgement(verdict)
    said = tuple(_said(step, strictness) for step in hidden)
    if strictness.fail_on_failed_step:
        reason = f"TheEye calls it a success, but {'; '.join(said)}"
        return Judgement(Verdict(Outcome.FAILED, reason, last_step(hidden)))
    return Judgement(verdict, tuple(f"{text}, which TheEye's verdict on the workflow job hides" for text in said))


def last_step(steps: Sequence[Job]) -> Job | None:
    """The step that ended last; its output is what TheEye itself would pass on."""
    return max((step for step in steps if step.is_over), key=lambda step: step.updated or "", default=None)


def _judge_run(job: Job, steps: Sequence[Job], strictness: Strictness) -> Verdict:
    last = last_step(steps)
    if not job.is_over:
        broken = next((step for step in steps if step.state == "error"), None)
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
    culprit = last_step([step for step in steps if _failed(step, strictness)])
    if verdict.outcome is Outcome.FAILED and culprit is not None:
        return Verdict(verdict.outcome, _said(culprit, strictness), culprit)
    return verdict


def _of_step(step: Job, strictness: Strictness) -> Verdict:
    verdict = judge(step, fail_on_exit_code=strictness.fail_on_exit_code)
    return verdict if verdict.good else Verdict(verdict.outcome, _said(step, strictness), step)


def _failed(step: Job, strictness: Strictness) -> bool:
    return step.is_over and not judge(step, fail_on_exit_code=strictness.fail_on_exit_code).good


def _handled(step: Job, edges: Sequence[Edge]) -> bool:
    """Whether the graph leads on from this very failure."""
    happened = {step.state, step.trigger_name} - {"success", "normal", None}
    return any(edge.source == step.task_id and edge.event in happened for edge in edges)


def _said(step: Job, strictness: Strictness) -> str:
    verdict = judge(step, fail_on_exit_code=strictness.fail_on_exit_code)
    return f"step {step.name!r} (job {step.id}) {str(verdict.outcome).replace('_', ' ')}: {verdict.reason}"
