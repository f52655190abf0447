"""Run DAGs of the private Airflow, one after the other in this process, and write down what came of them.

    python -m tools.run_dags --results FILE DAG_ID...

`dag.test()` is what `airflow dags test` calls; doing it here saves importing Airflow once per DAG. It runs every task
through Airflow's own task runner, and a deferred task's trigger in an event loop of its own. The environment has to
be that of `tools.airflow_env.PrivateAirflow`, set before Python starts.

The results file gets one JSON object a line, written as each run ends:

    {"dag_id", "run_id", "state", "tasks": [{"task_id", "map_index", "state", "seconds", "xcoms": {key: value}}]}
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

XCOM_KEYS = ("return_value", "job_id", "url", "output")


def load_dags() -> dict[str, Any]:
    """All DAGs of the DAG folder, imported as Airflow would: module by module, found at module level."""
    from airflow.providers.common.compat.sdk import DAG

    dags: dict[str, Any] = {}
    for file in sorted(Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]).glob("*.py")):
        spec = importlib.util.spec_from_file_location(file.stem, file)
        if spec is None or spec.loader is None:
            raise ImportError(f"{file} is no Python module")
        module = importlib.util.module_from_spec(spec)
        sys.modules[file.stem] = module
        spec.loader.exec_module(module)
        dags.update({dag.dag_id: dag for dag in vars(module).values() if isinstance(dag, DAG)})
    return dags


def task_results(run: Any) -> Iterator[dict[str, Any]]:
    """What each task instance of a run left behind, in the order in which they started."""
    instances = run.get_task_instances()
    for instance in sorted(instances, key=lambda one: (str(one.start_date), one.map_index)):
        xcoms = {
            key: instance.xcom_pull(task_ids=instance.task_id, map_indexes=instance.map_index, key=key)
            for key in XCOM_KEYS
        }
        yield {
            "task_id": instance.task_id,
            "map_index": instance.map_index,
            "state": str(instance.state),
            "seconds": instance.duration,
            "xcoms": {key: value for key, value in xcoms.items() if value is not None},
        }


def run_dag(dag: Any) -> dict[str, Any]:
    """Run one DAG to its end."""
    run = dag.test()
    return {
        "dag_id": run.dag_id,
        "run_id": run.run_id,
        "state": str(getattr(run.state, "value", run.state)),
        "tasks": list(task_results(run)),
    }


def main() -> int:
    """Command line; the exit status says whether all runs succeeded."""
    parser = argparse.ArgumentParser(description="Run DAGs and write down their results.")
    parser.add_argument("dag_ids", nargs="+", metavar="DAG_ID")
    parser.add_argument("--results", type=Path, required=True)
    options = parser.parse_args()
    dags = load_dags()
    unknown = [dag_id for dag_id in options.dag_ids if dag_id not in dags]
    if unknown:
        parser.error(f"no such DAG: {', '.join(unknown)}; there are {', '.join(sorted(dags))}")
    succeeded = True
    for dag_id in options.dag_ids:
        result = run_dag(dags[dag_id])
        with options.results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")
        succeeded = succeeded and result["state"] == "success"
    return 0 if succeeded else 1


if __name__ == "__main__":
    sys.exit(main())
