"""Wheel and source distribution: the same bytes each time, and in them what belongs there and nothing else."""

from __future__ import annotations

import configparser
import email
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from airflow_provider_theeye import __version__
from tests.package.conftest import Archives, built_from_copy
from tools.dist import build
from tools.releases import ROOT

NAME = f"airflow_provider_theeye-{__version__}"
IN_WHEEL = (
    r"airflow_provider_theeye/([a-z_]+/)*[a-z0-9_]+\.py",
    r"airflow_provider_theeye/py\.typed",
    r"airflow_provider_theeye/sandbox/default_world\.yaml",
    r"airflow_provider_theeye/sandbox/templates/[a-z_]+\.html",
    r"airflow_provider_theeye/sandbox/static/[a-z_]+\.(css|js|svg)",
    rf"{re.escape(NAME)}\.dist-info/(METADATA|RECORD|WHEEL|entry_points\.txt|licenses/LICENSE)",
)
IN_SDIST = (
    r"(PKG-INFO|\.gitignore|pyproject\.toml|README\.md|CHANGELOG\.md|LICENSE|Makefile)",
    r"airflow_provider_theeye/.+\.(py|html|css|js|svg|yaml|typed)",
    r"example_dags/[a-z0-9_]+\.(py|json)",
    r"tests/.+\.(py|json|jsonl|yaml|md|sh|txt|pem|crt|key)",
    r"tools/([a-z_]+/)*[a-z0-9_]+\.(py|sh)",
    r"benchmarks/.+\.(py|md|json)",
    r"constraints/[a-z0-9.-]+\.txt",
    r"docs/.+\.(md|rst|py|png|svg|css|js|html|txt)",
)
# Without these the package would install and then not work.
NEEDED = (
    "airflow_provider_theeye/py.typed",
    "airflow_provider_theeye/sandbox/default_world.yaml",
    "airflow_provider_theeye/sandbox/templates/base.html",
    "airflow_provider_theeye/sandbox/static/style.css",
)


def strangers(names: list[str], expected: tuple[str, ...]) -> list[str]:
    return [name for name in names if not any(re.fullmatch(pattern, name) for pattern in expected)]


def wheel_names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def sdist_names(sdist: Path) -> list[str]:
    with tarfile.open(sdist) as archive:
        return [member.name.removeprefix(f"{NAME}/") for member in archive if not member.isdir()]


def wheel_text(wheel: Path, name: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(f"{NAME}.dist-info/{name}").decode()


def source_files(source: Path) -> set[str]:
    files = (file for file in (source / "airflow_provider_theeye").rglob("*") if file.is_file())
    return {str(file.relative_to(source)) for file in files}


def test_two_builds_are_the_same_bytes(archives: Archives, snapshot: Path, tmp_path: Path) -> None:
    again = built_from_copy(snapshot, tmp_path)
    assert again.wheel.read_bytes() == archives.wheel.read_bytes()
    assert again.sdist.read_bytes() == archives.sdist.read_bytes()


def test_the_source_distribution_makes_the_same_wheel(archives: Archives, tmp_path: Path) -> None:
    (wheel,) = build(tmp_path / "dist", ("wheel",), archives.sdist)
    assert wheel.read_bytes() == archives.wheel.read_bytes()


def test_the_wheel_holds_the_package_and_nothing_else(archives: Archives, snapshot: Path) -> None:
    names = wheel_names(archives.wheel)
    assert strangers(names, IN_WHEEL) == []
    assert {name for name in names if ".dist-info/" not in name} == source_files(snapshot)
    assert set(NEEDED) <= set(names)


def test_the_source_distribution_holds_what_the_tests_need(archives: Archives) -> None:
    names = sdist_names(archives.sdist)
    assert strangers(names, IN_SDIST) == []
    folders = {name.split("/")[0] for name in names if "/" in name}
    assert {"airflow_provider_theeye", "tests", "tools", "constraints", "example_dags"} <= folders


def test_no_file_names_a_folder_of_this_machine(archives: Archives) -> None:
    with zipfile.ZipFile(archives.wheel) as archive:
        telling = [name for name in archive.namelist() if str(ROOT).encode() in archive.read(name)]
    assert telling == []


def test_the_index_would_take_them(archives: Archives) -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", archives.wheel, archives.sdist],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_entry_points(archives: Archives) -> None:
    points = configparser.ConfigParser()
    points.read_string(wheel_text(archives.wheel, "entry_points.txt"))
    assert dict(points["apache_airflow_provider"]) == {"provider_info": "airflow_provider_theeye:get_provider_info"}
    assert dict(points["airflow.plugins"]) == {"theeye": "airflow_provider_theeye.plugin:TheEyePlugin"}
    assert dict(points["pytest11"]) == {"theeye_sandbox": "airflow_provider_theeye.sandbox.pytest_plugin"}


@pytest.fixture
def metadata(archives: Archives) -> email.message.Message:
    return email.message_from_string(wheel_text(archives.wheel, "METADATA"))


def test_metadata_say_what_is_true(metadata: email.message.Message) -> None:
    assert metadata["Name"] == "airflow-provider-theeye"
    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert set(metadata.get_all("Provides-Extra", [])) >= {"sandbox", "test"}
    classifiers = metadata.get_all("Classifier", [])
    pythons = [one.rpartition(" ")[2] for one in classifiers if re.search(r":: 3\.\d+$", one)]
    lowest = metadata["Requires-Python"].removeprefix(">=")
    assert pythons[0] == lowest, "the classifiers begin with another Python than the one that is required"


def test_users_get_no_tools_of_ours(metadata: email.message.Message) -> None:
    """Whoever installs the provider gets Airflow and what every Airflow has, nothing for tests or the sandbox."""
    wanted = {one.split(";")[0].strip() for one in metadata.get_all("Requires-Dist", []) if "extra ==" not in one}
    names = {re.split(r"[<>=!~\[ ]", one)[0] for one in wanted}
    assert names == {
        "anyio",
        "apache-airflow",
        "apache-airflow-providers-common-compat",
        "certifi",
        "httpx",
        "requests",
        "tenacity",
        "urllib3",
    }
