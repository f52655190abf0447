"""Asking for the rows of the same jobs again and again, without reading again what has not changed.

With a thousand waiting jobs nearly every row is as it was two seconds ago, and making objects of all of them is what
most of a poll's time would go into.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_theeye.api.call import Call
from airflow_provider_theeye.api.calls import get_jobs
from airflow_provider_theeye.api.models import Job, parse_jobs

__all__ = ["Changes", "Known", "get_changes"]

#: A row's lifecycle and state.
Known = tuple[str, str]


@dataclass(frozen=True)
class Changes:
    """What a list says that was not known.

    :param jobs: rows with another lifecycle or state than the known ones, and those of which none was known.
    :param same: ids of the others, once each. An id that is in neither is missing from the list.
    :param fingerprint: of the whole answer.
    """

    jobs: list[Job]
    same: Sequence[str]
    fingerprint: bytes


def get_changes(
    ids: Sequence[str], known: Callable[[str], Known | None], fingerprint: bytes | None = None
) -> Call[Changes]:
    """Ask for the rows of up to ``MAX_IDS`` jobs, of which some may be known already.

    :param known: what is known of a job; ``None`` if its row is wanted in any case.
    :param fingerprint: of the last answer about exactly these jobs, if everything in it is known.
    :raises InvalidRequest: as ``calls.get_jobs``.
    """
    rows = _rows(tuple(ids))
    parse = functools.partial(_parse, ids, known, fingerprint)
    return dataclasses.replace(rows, parse=parse, reads_content=True)  # type: ignore[return-value, arg-type]


_rows = functools.lru_cache(maxsize=128)(get_jobs)


def _parse(
    ids: Sequence[str],
    known: Callable[[str], Known | None],
    before: bytes | None,
    content: bytes,
    decoded: Callable[[], Any],
) -> Changes:
    fingerprint = hashlib.sha256(content).digest()
    if fingerprint == before:
        return Changes([], ids, fingerprint)
    data = decoded()
    if not isinstance(data, list):
        return Changes(parse_jobs(data), (), fingerprint)
    same: dict[str, None] = {}
    changed = []
    asked = frozenset(ids)
    for row in data:
        ident = row.get("id") if isinstance(row, dict) else None
        if isinstance(ident, str) and ident in asked and known(ident) == (row.get("lifecycle"), row.get("state")):
            same[ident] = None
        else:
            changed.append(row)
    return Changes(parse_jobs(changed), list(same), fingerprint)
