"""What the pages say is so: the README's DAG, the connection's forms, the errors, the classes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import tomllib
from airflow.providers.common.compat.sdk import AirflowFailException, Connection

from airflow_provider_theeye import exceptions
from airflow_provider_theeye.api.settings import ServerSettings
from airflow_provider_theeye.hooks.connection import _KNOWN_EXTRA, ConnectionSettings, settings_of
from tests.docs.pages import DOCS, PAGES, blocks
from tools.airflow_env import ROOT
from tools.releases import NEWEST_AIRFLOW, constraints_for

README = ROOT / "README.md"
QUICKSTART = ROOT / "example_dags" / "example_theeye_quickstart.py"
ERRORS = [name for name in exceptions.__all__ if name[0].isupper() and name != "TheEyeJobError"]


def read(name: str) -> str:
    return (DOCS / name).read_text()


def test_the_readme_shows_the_quickstart_dag() -> None:
    (shown,) = [block.text for block in blocks(README) if block.kind == "python"]
    text = QUICKSTART.read_text()
    assert shown == text.partition("# [start dag]\n")[2].partition("# [end dag]")[0]


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) < 120


def connection_forms() -> list[tuple[str, ConnectionSettings]]:
    found = []
    for block in blocks(DOCS / "connection.md"):
        if block.kind == "json":
            fields: dict[str, Any] = json.loads(block.text)
            fields["extra"] = json.dumps(fields["extra"])
            found.append(("json", settings_of(Connection(conn_id="c", **fields))))
        elif block.kind == "text":
            found.append(("uri", settings_of(Connection(conn_id="c", uri=block.text.strip()))))
    return found


def test_the_connections_of_the_page_can_be_read() -> None:
    forms = dict(connection_forms())
    assert set(forms) == {"json", "uri"}
    assert forms["json"].server == ServerSettings(
        "https://theeye.example.com/apiv3",
        "my-org",
        "the-token",
        {"5cdb424d7dbdc0000fd3112a": "0123456789abcdef" * 4},
        "/etc/ssl/my-company.pem",
        read_timeout=30.0,
    )
    assert forms["uri"].server == ServerSettings(
        "https://theeye.example.com:8443", "my-org", "the-token", read_timeout=30.0
    )


def test_the_connection_page_names_every_key_of_extra() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", read("connection.md").partition("| key of extra |")[2], re.MULTILINE)
    assert sorted(rows) == sorted(_KNOWN_EXTRA)


@pytest.mark.parametrize("name", ERRORS)
def test_the_table_of_errors_says_what_airflow_does(name: str) -> None:
    row = re.search(rf"^\| `{name}` \|.*?\| (yes|no)(?:, [^|]+)? \|", read("errors.md"), re.MULTILINE)
    assert row, f"{name} is missing"
    final = issubclass(getattr(exceptions, name), AirflowFailException)
    assert row[1] == ("no" if final else "yes")


def test_no_page_names_an_error_that_does_not_exist() -> None:
    names = set(re.findall(r"`(Job[A-Z]\w+|TheEye(?:Un|Ref|Sub|Set)\w+|ResultTooLarge)`", "".join(map(read, pages()))))
    assert names - set(exceptions.__all__) - {"JobWatcher"} == set()
    assert names


def pages() -> list[str]:
    return [page.name for page in PAGES if page.parent == DOCS]


def quoted_messages() -> list[str]:
    """The words that people are told to search for; what stands for a value or another part is left out."""
    found = []
    for line in re.findall(r"^\*\*.+\*\*$", read("troubleshooting.md"), re.MULTILINE):
        for text in re.findall(r"\*\*(.+?)\*\*", line):
            found += [part.strip(" :.,;()") for part in re.split("…", text)]
    return [part for part in found if len(part) > 12]


def test_the_messages_of_the_troubleshooting_page_exist() -> None:
    code = "".join(file.read_text() for file in sorted((ROOT / "airflow_provider_theeye").rglob("*.py")))
    # A message is written over several lines, in pieces, and with names in it.
    plain = re.sub(r'"\s*\n\s*f?"', "", code)
    told_by_people = {
        "The task waits, the job is `ready`",
        "The task is deferred and nothing happens",
        "The Test button fails where `airflow connections test` succeeds",
    }
    told_by_airflow = {
        "executor reported that the task instance finished with state success, but the task instance's state attribute "
        "is queued"
    }
    missing = [text for text in quoted_messages() if text not in plain and text not in told_by_people | told_by_airflow]
    assert [text for text in missing if "TheEye* link" not in text] == []


def dependencies() -> dict[str, str]:
    """What whoever installs us, or the sandbox, gets beside Airflow's own choice: its name and lower limit."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["sandbox"]]
    return dict(requirement.split(">=") for requirement in wanted)


def test_every_dependency_was_reviewed_at_its_lowest_and_at_its_pin() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \|[^|]*\| ([\w.]+) \| ([\w.]+) \|", read("security.md"), re.MULTILINE)
    pins = dict(line.split("==") for line in constraints_for(NEWEST_AIRFLOW).read_text().split() if "==" in line)
    assert {name: (lowest, newest) for name, lowest, newest in rows} == {
        name: (lowest, pins[name]) for name, lowest in dependencies().items()
    }
