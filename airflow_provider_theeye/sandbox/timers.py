"""What happens a moment later. The server turns the clock; nothing here waits."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable


class Timers:
    """Calls to be made when their time has come."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.on_new: Callable[[], None] | None = None

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Makes the call after some seconds."""
        heapq.heappush(self._heap, (self._clock() + seconds, next(self._order), call))
        if self.on_new is not None:
            self.on_new()

    def clear(self) -> None:
        """Makes none of the calls."""
        self._heap.clear()

    def run_due(self) -> float | None:
        """Makes the calls that are due. Returns the seconds until the next one, None if there is none."""
        while self._heap:
            left = self._heap[0][0] - self._clock()
            if left > 0:
                return left
            heapq.heappop(self._heap)[2]()
        return None
