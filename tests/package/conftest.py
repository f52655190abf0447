"""The archives that users get, built once from a copy of what is here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools.airflow_env import PrivateAirflow
from tools.dist import KINDS, build, source_date
from tools.releases import NEWEST_AIRFLOW, ROOT, constraints_for
from tools.uv import uv

# Nothing of these belongs into an archive, and copying some of them takes minutes.
NOT_SOURCE = shutil.ignore_patterns(
    ".git", ".venv*", ".run", ".*_cache", ".hypothesis", "dist", "_build", "__pycache__"
)


@dataclass(frozen=True)
class Archives:
    wheel: Path
    sdist: Path


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The source as it is now: whoever works on it meanwhile, or commits, must not come between two builds."""
    source = tmp_path_factory.mktemp("snapshot") / "source"
    shutil.copytree(ROOT, source, ignore=NOT_SOURCE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", source_date())
        yield source


def built_from_copy(snapshot: Path, folder: Path) -> Archives:
    """Build from a fresh copy, so that neither the place nor the files' own times can matter."""
    source = folder / "source"
    shutil.copytree(snapshot, source, copy_function=shutil.copyfile)
    return Archives(*build(folder / "dist", KINDS, source))


@pytest.fixture(scope="session")
def archives(snapshot: Path, tmp_path_factory: pytest.TempPathFactory) -> Archives:
    return built_from_copy(snapshot, tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="session")
def installed(archives: Archives, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateAirflow]:
    """An Airflow in an environment with nothing but the wheel and what it asks for."""
    folder = tmp_path_factory.mktemp("installed")
    venv, home = folder / "venv", folder / "home"
    subprocess.run(uv("venv", "--quiet", "--python", sys.executable, str(venv)), check=True)
    python = venv / "bin" / "python"
    pins = str(constraints_for(NEWEST_AIRFLOW))
    install = uv("pip", "install", "--quiet", "--python", str(python), "--constraint", pins)
    subprocess.run([*install, str(archives.wheel)], check=True)
    (home / "dags").mkdir(parents=True)
    path = f"{venv / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    yield PrivateAirflow(home=home, dags_folder=home / "dags", settings={"PATH": path, "VIRTUAL_ENV": str(venv)})
    shutil.rmtree(venv)
