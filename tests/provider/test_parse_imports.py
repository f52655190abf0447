"""What a DAG file with our operators loads when it is parsed: not the parts that only a running task needs."""

from __future__ import annotations

import json
import subprocess
import sys

NOT_AT_PARSE_TIME = {
    "airflow_provider_theeye.api.models",
    "airflow_provider_theeye.api.calls",
    "airflow_provider_theeye.api.client",
    "airflow_provider_theeye.jobs.reading",
    "airflow_provider_theeye.jobs.submission",
    "airflow_provider_theeye.hooks.connection",
}


def test_operators_load_neither_the_api_nor_what_runs_jobs() -> None:
    code = (
        "import json, sys; import airflow_provider_theeye.operators.theeye;"
        "print(json.dumps(sorted(name for name in sys.modules if name.startswith('airflow_provider_theeye'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert not NOT_AT_PARSE_TIME & set(loaded)
