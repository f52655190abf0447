"""``Batches``: as few as hold all jobs, and each as it was as long as possible."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_theeye.triggers.batches import Batches

SIZE = 4
#: Jobs that come (True) and go.
HISTORIES = st.lists(st.tuples(st.integers(0, 25), st.booleans()), max_size=80)


def batches_after(history: list[tuple[int, bool]]) -> tuple[Batches, set[str]]:
    batches, there = Batches(SIZE), set()
    for number, comes in history:
        job_id = f"job-{number}"
        if comes:
            batches.add(job_id)
            there.add(job_id)
        elif job_id in there:
            batches.remove(job_id)
            there.remove(job_id)
    return batches, there


@given(HISTORIES)
def test_as_few_as_hold_all(history: list[tuple[int, bool]]) -> None:
    batches, there = batches_after(history)
    found = batches.split(sorted(there))
    assert sorted(job_id for batch in found for job_id in batch) == sorted(there)
    assert all(1 <= len(batch) <= SIZE for batch in found)
    assert len(found) == -(-len(there) // SIZE)
    assert batches.split(sorted(there)) == found


@given(HISTORIES, st.sets(st.integers(0, 25)))
def test_some_of_them(history: list[tuple[int, bool]], wanted: set[int]) -> None:
    batches, there = batches_after(history)
    due = sorted(there & {f"job-{number}" for number in wanted})
    found = batches.split(due)
    assert sorted(job_id for batch in found for job_id in batch) == due
    assert all(1 <= len(batch) <= SIZE for batch in found)
    assert len(found) <= -(-len(there) // SIZE)


def test_who_stays_stays_together() -> None:
    batches = Batches(SIZE)
    ids = [f"job-{number}" for number in range(12)]
    for job_id in ids:
        batches.add(job_id)
    first = batches.split(ids)
    batches.remove("job-0")
    assert batches.split(ids[1:]) == [ids[1:4], *first[1:]]
