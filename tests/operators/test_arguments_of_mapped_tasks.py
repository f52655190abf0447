"""Arguments from a file, and mapped task instances named by their arguments, in DAGs that Airflow runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator, TheEyeWorkflowOperator
from airflow_provider_theeye.sandbox import Sandbox
from tools.airflow_env import PrivateAirflow, connection_settings, last_lines

DAG_FILE = """
from airflow.providers.common.compat.sdk import DAG, task
from airflow_provider_theeye.operators.theeye import TheEyeTaskOperator

with DAG("mapped", schedule=None, params={"who": "you", "conn": "theeye_default"}) as dag:
    @task
    def found():
        return [["found"]]

    many = [["out.json"], ["two\\nlines"], ["x" * 100]]
    TheEyeTaskOperator.partial(task_id="many", theeye_task_name="Greet").expand(task_arguments=many)
    TheEyeTaskOperator.partial(task_id="late", theeye_task_name="Greet", deferrable=True).expand(task_arguments=found())
    TheEyeTaskOperator.partial(
        task_id="own", theeye_task_name="Greet", map_index_template="{{ task.task_arguments[0] | upper }}"
    ).expand(task_arguments=[["mine"]])

    @task.theeye(theeye_task_name="Greet")
    def decorated(name):
        return [f"dear {name}"]

    decorated.expand(name=["Ana", "Bo"])
    hosts = ["host-a", "host-b"]
    TheEyeTaskOperator.partial(task_id="hosts", theeye_task_name="Get IP Address").expand(theeye_host=hosts)
    TheEyeTaskOperator(task_id="from_file", theeye_task_name="Greet", task_arguments="who.json")
    TheEyeTaskOperator(task_id="file_name", theeye_task_name="Greet", task_arguments=["who.json"])

    mine = "mine {{ task.task_arguments[0] }}"

    @task.theeye(theeye_task_name="Greet Slowly", deferrable=True)
    def deferred(name):
        return [f"dear {name}"]

    deferred.expand(name=["Ana", "Bo"])
    deferred.override(task_id="own_deferred", map_index_template=mine).expand(name=["Ana"])
    TheEyeTaskOperator.partial(
        task_id="file_deferred", theeye_task_name="Greet Slowly", deferrable=True, map_index_template=mine
    ).expand(task_arguments=["who.json"])

    texts = TheEyeTaskOperator.partial(task_id="texts", theeye_task_name="Greet").expand(task_arguments=[["a"], ["b"]])
    TheEyeTaskOperator(task_id="all_outputs", theeye_task_name="Echo", task_arguments=texts.output["output"])
    TheEyeTaskOperator(task_id="inner", theeye_task_name="Greet", task_arguments=[texts.output["output"]])
    firsts = texts.output.map(lambda value: value["output"][0])
    TheEyeTaskOperator(task_id="of_map", theeye_task_name="Echo", task_arguments=firsts)

    @task
    def connection():
        return "theeye_default"

    x = {"theeye_task_name": "Greet", "task_arguments": ["x"]}
    TheEyeTaskOperator(task_id="conn", theeye_conn_id="{{ params.conn }}", **x)
    TheEyeTaskOperator(task_id="conn_of_task", theeye_conn_id=connection(), **x)

with DAG("native", schedule=None, render_template_as_native_obj=True) as native:
    values = [["5"], ["1, 2"], ["north"]]
    TheEyeTaskOperator.partial(task_id="values", theeye_task_name="Greet").expand(task_arguments=values)
    TheEyeTaskOperator(task_id="digits", theeye_task_name="42")

    @task.theeye(theeye_task_name="Greet")
    def function(name):
        return [name]

    function.expand(name=["7"])
"""

RUN = """
import json, sys
from tools.run_dags import load_dags
from airflow_provider_theeye.jobs import deferral

# So that short jobs are waited for in the triggerer.
deferral.PATIENCE = deferral._LONGEST_HOLD = 0.0
dags = load_dags()
runs = [dags[name].test() for name in ("mapped", "native")]
rows = {
    f"{ti.task_id}[{ti.map_index}]": {
        "state": str(ti.state),
        "label": ti.rendered_map_index,
        "output": ti.xcom_pull(task_ids=ti.task_id, map_indexes=ti.map_index, key="output"),
    }
    for run in runs
    for ti in run.get_task_instances()
}
open(sys.argv[1], "w").write(json.dumps(rows))
"""


@pytest.fixture(scope="module")
def rows(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """State, label and output of each task instance of one run."""
    folder = tmp_path_factory.mktemp("mapped")
    dags, results, log = folder / "dags", folder / "results.json", folder / "airflow.log"
    dags.mkdir()
    (dags / "mapped.py").write_text(DAG_FILE)
    (dags / "who.json").write_text('["{{ params.who }} from a file"]')
    settings = connection_settings(sandbox.airflow_connection())
    airflow = PrivateAirflow(home=folder / "home", dags_folder=dags, settings=settings)
    airflow.migrate(log)
    airflow.python("-c", RUN, str(results), log=log, timeout=600)
    if not results.exists():
        pytest.fail(f"Airflow did not finish the DAG:\n{last_lines(log)}", pytrace=False)
    found: dict[str, dict[str, Any]] = json.loads(results.read_text())
    return found


def labels(rows: dict[str, dict[str, Any]], task_id: str) -> list[str]:
    return [row["label"] for key, row in sorted(rows.items()) if key.startswith(f"{task_id}[")]


def test_all_succeed(rows: dict[str, dict[str, Any]]) -> None:
    assert {row["state"].rpartition(".")[2].lower() for row in rows.values()} == {"success"}


def test_named_by_their_arguments_in_short(rows: dict[str, dict[str, Any]]) -> None:
    assert labels(rows, "many") == ["out.json", "two lines", "x" * 59 + "…"]
    assert labels(rows, "late") == ["found"]


def test_a_decorated_function_is_mapped_over_its_own_arguments(rows: dict[str, dict[str, Any]]) -> None:
    assert [rows[f"decorated[{place}]"]["output"] for place in range(2)] == [["Hello, dear Ana!"], ["Hello, dear Bo!"]]
    assert labels(rows, "decorated") == ["dear Ana", "dear Bo"]


def test_own_names_win(rows: dict[str, dict[str, Any]]) -> None:
    assert labels(rows, "own") == ["MINE"]


def test_named_by_what_else_differs(rows: dict[str, dict[str, Any]]) -> None:
    assert labels(rows, "hosts") == ["Get IP Address, host-a", "Get IP Address, host-b"]


def test_named_by_their_arguments_after_a_deferral_too(rows: dict[str, dict[str, Any]]) -> None:
    assert labels(rows, "deferred") == ["dear Ana", "dear Bo"]
    assert labels(rows, "own_deferred") == ["mine dear Ana"]
    assert labels(rows, "file_deferred") == ["mine you from a file"]


def test_native_rendering_fails_no_task_for_its_name(rows: dict[str, dict[str, Any]]) -> None:
    assert labels(rows, "values") == ["5", "1, 2", "north"]
    values = [rows[f"values[{place}]"]["output"] for place in range(3)]
    assert values == [["Hello, 5!"], ["Hello, 1, 2!"], ["Hello, north!"]]
    assert labels(rows, "function") == ["7"]


def test_results_of_mapped_tasks_as_arguments(rows: dict[str, dict[str, Any]]) -> None:
    assert rows["all_outputs[-1]"]["state"] == rows["inner[-1]"]["state"]
    assert rows["of_map[-1]"]["output"] == [{"first": "Hello, a!", "second": "Hello, b!"}]


def test_the_connection_may_be_known_only_at_run_time(rows: dict[str, dict[str, Any]]) -> None:
    assert rows["conn[-1]"]["output"] == rows["conn_of_task[-1]"]["output"] == ["Hello, x!"]


def test_arguments_from_a_file(rows: dict[str, dict[str, Any]]) -> None:
    assert rows["from_file[-1]"]["output"] == ["Hello, you from a file!"]


def test_argument_that_is_the_name_of_a_file_is_left_alone(rows: dict[str, dict[str, Any]]) -> None:
    assert rows["file_name[-1]"]["output"] == ["Hello, who.json!"]
    assert rows["many[0]"]["output"] == ["Hello, out.json!"]


def test_label_of_anything() -> None:
    task = TheEyeTaskOperator(task_id="t", theeye_task_name="Greet", task_arguments=["a", 1, None, {"b": [2]}])
    assert task.map_label() == 'a, 1, null, {"b": [2]}'
    task.task_arguments = 7
    assert task.map_label() == "7"
    workflow = TheEyeWorkflowOperator(task_id="w", theeye_workflow_name="Chain")
    assert workflow.map_label() == "Chain"


def test_label_hides_what_airflow_masks() -> None:
    from airflow_provider_theeye.version_compat import mask_secret

    mask_secret("a-masked-password")
    task = TheEyeTaskOperator(task_id="t", theeye_task_name="Greet", task_arguments=["user", "a-masked-password"])
    assert "a-masked-password" not in task.map_label()
    assert task.map_label().startswith("user, ***")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "names the file 'who.json', which is neither in the DAG's folder"),
        ("{not json", "the file 'who.json' that task_arguments names is no JSON"),
        ('{"a": 1}', "task_arguments must be a list"),
    ],
)
def test_file_that_cannot_be_used(
    text: str | None, message: str, tmp_path: Path, connection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import airflow.providers.common.compat.sdk as compat

    from airflow_provider_theeye.exceptions import TheEyeSettingsError
    from tests.running import context

    monkeypatch.setattr(compat, "get_current_context", lambda: {"params": {}}, raising=False)
    if text is not None:
        (tmp_path / "who.json").write_text(text)
    with compat.DAG("d", schedule=None, template_searchpath=[str(tmp_path)]):
        operator = TheEyeTaskOperator(task_id="t", theeye_task_name="Greet", task_arguments="who.json")
    with pytest.raises(TheEyeSettingsError, match=message):
        operator.execute(context())  # type: ignore[arg-type]
