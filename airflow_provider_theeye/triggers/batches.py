"""Which jobs are asked for together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

__all__ = ["Batches"]


class Batches:
    """Divides jobs into as few batches as hold them all, and leaves each where it is as long as that is so.

    The same question then comes again and again, and a glance at its answer tells whether anything has changed.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._batch_of: dict[str, int] = {}
        self._members: Counter[int] = Counter()
        self._last = 0

    def add(self, job_id: str) -> None:
        if job_id in self._batch_of:
            return
        if self._members[self._last] >= self._size:
            self._last += 1
        self._batch_of[job_id] = self._last
        self._members[self._last] += 1

    def remove(self, job_id: str) -> None:
        batch = self._batch_of.pop(job_id)
        self._members[batch] -= 1
        if not self._members[batch]:
            del self._members[batch]

    def split(self, due: Iterable[str]) -> list[list[str]]:
        """Batches of which all jobs are due stay whole; the jobs of the others are asked for together."""
        self._pack()
        by_batch: dict[int, list[str]] = {}
        for job_id in due:
            by_batch.setdefault(self._batch_of[job_id], []).append(job_id)
        whole, rest = [], []
        for batch, ids in by_batch.items():
            if len(ids) == self._members[batch]:
                whole.append(ids)
            else:
                rest += ids
        return whole + [rest[start : start + self._size] for start in range(0, len(rest), self._size)]

    def _pack(self) -> None:
        """Divide anew if fewer batches would do: jobs that are over leave holes."""
        if len(self._batch_of) > self._size * (len(self._members) - 1):
            return
        ids = list(self._batch_of)
        self._batch_of.clear()
        self._members.clear()
        self._last = 0
        for job_id in ids:
            self.add(job_id)
