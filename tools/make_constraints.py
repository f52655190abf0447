"""Write constraints/airflow-VERSION.txt: the exact releases that our environments are made of.

    python3.11 tools/make_constraints.py 3.3.2 2.11.2
    python3.11 tools/make_constraints.py 3.2.2 --exclude-newer 2026-06-15

A throw-away environment gets Airflow, what pyproject.toml asks for and its extras, all resolved together; what ended
up there is written down as `name==version` lines. Addresses and local paths are left out, so the file says which
releases are meant and not where they come from.

Old Airflow releases break with libraries that are newer than they are. `--exclude-newer DATE` takes the world as it
was on that day; it needs `uv` on the PATH, since pip cannot do that.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import tomllib

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ("sandbox", "test")
# These come with every environment and are none of Airflow's business.
NOT_PINNED = {"pip", "setuptools", "wheel"}
PIN = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[^\s;@]+)$")


def normalized(name: str) -> str:
    """The spelling under which two names of one project are equal."""
    return re.sub(r"[-_.]+", "-", name).lower()


def own_requirements() -> list[str]:
    """What pyproject.toml asks for, extras included, without the extras that only name other extras of ours."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = list(project["dependencies"])
    for extra in EXTRAS:
        wanted += project["optional-dependencies"][extra]
    return [requirement for requirement in wanted if not requirement.startswith(f"{project['name']}[")]


def install(environment: Path, requirements: list[str], exclude_newer: str | None) -> None:
    """Install everything in one go: resolved apart, a later package could move an earlier one's version."""
    python = str(environment / "bin" / "python")
    if exclude_newer is None:
        command = [python, "-m", "pip", "install", "-qq", *requirements]
    else:
        uv = shutil.which("uv")
        if uv is None:
            raise SystemExit("--exclude-newer needs uv on the PATH (pip install uv)")
        command = [uv, "pip", "install", "--python", python, "--exclude-newer", exclude_newer, *requirements]
    subprocess.run(command, check=True)


def installed_pins(environment: Path) -> list[str]:
    """`name==version` of everything in the environment, sorted."""
    frozen = subprocess.run(
        [str(environment / "bin" / "python"), "-m", "pip", "list", "--format=freeze"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    pins = {}
    for line in frozen.splitlines():
        pin = PIN.match(line.strip())
        if pin and normalized(pin["name"]) not in NOT_PINNED:
            pins[normalized(pin["name"])] = pin["version"]
    return [f"{name}=={version}" for name, version in sorted(pins.items())]


def write_constraints(airflow_version: str, exclude_newer: str | None) -> Path:
    """Make the file for one Airflow version and return its path."""
    with tempfile.TemporaryDirectory(prefix="constraints-") as folder:
        environment = Path(folder) / "venv"
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        install(environment, [f"apache-airflow=={airflow_version}", *own_requirements()], exclude_newer)
        pins = installed_pins(environment)
    as_of = f", nothing newer than {exclude_newer}" if exclude_newer else ""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    header = f"# Airflow {airflow_version}, Python {python}{as_of}. Made by tools/make_constraints.py; do not edit."
    target = ROOT / "constraints" / f"airflow-{airflow_version}.txt"
    target.parent.mkdir(exist_ok=True)
    target.write_text("\n".join([header, *pins]) + "\n")
    return target


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Write constraints files from what really installs together.")
    parser.add_argument("versions", nargs="+", metavar="AIRFLOW_VERSION")
    parser.add_argument("--exclude-newer", metavar="DATE", help="take no release younger than that day")
    options = parser.parse_args()
    for version in options.versions:
        print(f"Airflow {version} ...", flush=True)
        print(f"wrote {write_constraints(version, options.exclude_newer).relative_to(ROOT)}")


if __name__ == "__main__":
    main()
