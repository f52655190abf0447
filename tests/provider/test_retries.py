"""The ready-made retry policy."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from airflow_provider_theeye import exceptions
from airflow_provider_theeye.retries import theeye_retry_policy
from airflow_provider_theeye.version_compat import HAS_TASK_STATE_STORE

pytestmark = pytest.mark.skipif(not HAS_TASK_STATE_STORE, reason="retry policies came with Airflow 3.3")


@pytest.mark.parametrize(
    ("error", "action", "delay"),
    [
        (exceptions.TheEyeUnreachable, "retry", timedelta(seconds=5)),
        (exceptions.JobHostLost, "retry", timedelta(minutes=2)),
        (exceptions.JobNotTaken, "retry", timedelta(minutes=2)),
        (exceptions.JobCancelled, "fail", None),
        (exceptions.JobRejected, "fail", None),
        (exceptions.JobFailed, "default", None),
        (exceptions.JobTimedOut, "default", None),
    ],
)
def test_each_kind_of_failure(error: type[exceptions.TheEyeJobError], action: str, delay: timedelta | None) -> None:
    policy = theeye_retry_policy(reattach_after=timedelta(seconds=5), host_back_after=timedelta(minutes=2))
    restored = type(policy).deserialize(policy.serialize())
    for one in (policy, restored):
        decision = one.evaluate(error("what happened", "f" * 24), try_number=1, max_tries=3)
        assert (decision.action.value, decision.retry_delay) == (action, delay)


def test_operators_take_it() -> None:
    from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator

    make = partial(TheEyeTaskOperator, task_id="t", theeye_task_name="x", retries=2)
    assert make(retry_policy=theeye_retry_policy()).retry_policy is not None
