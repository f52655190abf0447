"""Keeps jobs on disk so that they survive a restart, also one after SIGKILL."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from .job import Job


class BadStore(Exception):
    """The file cannot be used: no SQLite database, not writable, or another sandbox has it."""


class Store:
    """Every change of a job is written before the request that made it is answered.

    The write-ahead log is not synced to the disk at each commit: what a killed process has written the
    operating system still holds, and a sandbox need not outlive a power failure.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=2.0)
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=OFF")
            self._db.execute("CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, sequence INTEGER, job TEXT)")
        except sqlite3.Error as error:
            raise BadStore(f"{path}: {error}") from None

    def put(self, job: Job) -> None:
        """Writes a job, new or changed."""
        text = json.dumps(job.dump(), separators=(",", ":"))
        self._db.execute("INSERT OR REPLACE INTO jobs VALUES (?, ?, ?)", (job.id, job.sequence, text))

    def delete(self, job_id: str) -> None:
        """Forgets a job."""
        self._db.execute("DELETE FROM jobs WHERE id = ?", (job_id,))

    def load(self) -> Iterator[Job]:
        """All jobs in the order of their making."""
        for (text,) in self._db.execute("SELECT job FROM jobs ORDER BY sequence"):
            yield Job.load(json.loads(text))

    def close(self) -> None:
        """Closes the database."""
        self._db.close()


class NoStore(Store):
    """Keeps nothing: without a database file all ends with the process."""

    def __init__(self) -> None:
        pass

    def put(self, job: Job) -> None:
        """Nothing to do."""

    def delete(self, job_id: str) -> None:
        """Nothing to do."""

    def load(self) -> Iterator[Job]:
        """No jobs."""
        return iter(())

    def close(self) -> None:
        """Nothing to do."""
