"""Plays the rows one after the other, and prints a line for each."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.production.counting import Tally, in_words
from tests.production.rows import Row, Scene

NOTHING = Tally(Counter(), Counter(), 0, 0, 0, 0)
HEADING = f"{'row':<44} {'expected':<32} {'seen':<32} {'twice':>5} {'lost':>5} {'left':>5} {'seconds':>8}"


@dataclass(frozen=True)
class Line:
    """A row as it was seen."""

    row: Row
    tally: Tally
    hit: str
    problems: Sequence[str]
    seconds: float

    @property
    def holds(self) -> bool:
        return self.tally.is_kept and not self.problems and self.tally.expected.total() > 0

    def __str__(self) -> str:
        tally = self.tally
        return (
            f"{self.row.number:>2} {self.row.name:<41} {in_words(tally.expected):<32} {in_words(tally.seen):<32} "
            f"{tally.doubled:>5} {tally.lost:>5} {tally.left_running:>5} {self.seconds:>8.0f}  "
            f"{'holds' if self.holds else 'BROKEN'}{f'  ({self.hit})' if self.hit else ''}"
        )


def play(rows: Sequence[Row], scene: Scene) -> list[Line]:
    print(HEADING, flush=True)
    lines = []
    for row in rows:
        lines.append(_play(row, scene))
        print(lines[-1], flush=True)
        for problem in lines[-1].problems:
            print(f"   {problem}", flush=True)
    return lines


def _play(row: Row, scene: Scene) -> Line:
    began = time.monotonic()
    scene.problems = []
    tally, hit = NOTHING, ""
    try:
        tally, hit = row.play(scene)
    except Exception as error:
        # The other rows are worth a try.
        where = traceback.extract_tb(error.__traceback__)[-1]
        scene.problems.append(f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})")
    if tally.not_started:
        scene.problems.append(f"{tally.not_started} scripts were not started")
    return Line(row, tally, hit, scene.problems, time.monotonic() - began)


def summary(lines: Sequence[Line]) -> str:
    return (
        f"production: {sum(line.holds for line in lines)} of {len(lines)} rows hold; "
        f"started twice {sum(line.tally.doubled for line in lines)}; "
        f"lost {sum(line.tally.lost for line in lines)}; "
        f"left running {sum(line.tally.left_running for line in lines)}"
    )
