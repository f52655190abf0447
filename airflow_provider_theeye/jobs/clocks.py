"""The two clocks that a wait goes by."""

from __future__ import annotations

import time
from typing import NamedTuple

__all__ = ["Instant", "now"]


class Instant(NamedTuple):
    """One reading of both.

    :param epoch: seconds since 1970. Deadlines are given in it, since they must mean the same in another process; but
        somebody may set that clock.
    :param steady: seconds since some moment of this process. Pauses and periods are measured with it.
    """

    epoch: float
    steady: float


def now() -> Instant:
    return Instant(time.time(), time.monotonic())
