"""The word that a job's lifecycle and state are shown as, and the colour and shape beside it."""

from __future__ import annotations

from dataclasses import dataclass

from ..job import Job, Moment
from ..lifecycle import LIVE

_WORDS = {"onhold": "on hold"}
_TONES = {
    "ready": "waiting",
    "syncing": "waiting",
    "locked": "waiting",
    "onhold": "hold",
    "assigned": "running",
    "started": "running",
    "success": "success",
    "failure": "failure",
    "error": "failure",
    "timeout": "timeout",
    "canceled": "canceled",
}


@dataclass(frozen=True)
class Look:
    """A word and the colour and shape it is shown in. The word alone says everything."""

    word: str
    tone: str


NOT_REACHED = Look("not reached", "none")


def look(lifecycle: str, state: str, exit_code: int | None = None) -> Look:
    """While a job lives its lifecycle counts, afterwards its state.

    TheEye calls a script with an exit code a success; Airflow's tasks and people do not.
    """
    said = lifecycle if lifecycle in LIVE else state
    if said == "success" and exit_code:
        return Look(f"exit code {exit_code}", _TONES["failure"])
    if said == "failure" and exit_code:
        return Look(f"failure, exit {exit_code}", _TONES["failure"])
    return Look(_WORDS.get(said, said), _TONES.get(said, "waiting"))


def of_moment(moment: Moment) -> Look:
    """How a job looked."""
    return look(moment.lifecycle, moment.state, moment.exit_code)


def of_job(job: Job) -> Look:
    """How a job looks now. Of a run see `run_words.run_look`: its own words do not tell all."""
    return look(job.lifecycle, job.state, job.exit_code)


def past(of: Look, word: str) -> Look:
    """How something looks that does not count any more, `word` being why. What lives keeps its colour."""
    lives = of.tone in ("waiting", "running", "hold")
    return Look(f"{word}, {of.word}" if lives else f"{word}: {of.word}", of.tone if lives else "none")
