"""Airflow as it is run in production, while its parts fail: PostgreSQL, Redis, Celery workers, two of most parts.

``make test-production`` runs it. Each row of the table in `table` disturbs 100 deferred and 8 sync tasks in one way,
and counts what became of their jobs in TheEye and of the tasks in Airflow.
"""
