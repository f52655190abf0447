"""Write the files in constraints/: the exact releases that our environments are made of.

    python -m tools.make_constraints               # all of them
    python -m tools.make_constraints 3.2.2 lowest  # these
    python -m tools.make_constraints docs          # what builds the documentation; has no Airflow in it
    python -m tools.make_constraints production    # Airflow with PostgreSQL and Celery, see tests/production

Airflow and what pyproject.toml asks for, extras included, are resolved together and written down as `name==version`.
Addresses are left out: the files say which releases are meant, not where they come from.

An old Airflow gets the libraries of its time, see `tools.releases`, but for the few that are there to make us
independent of Airflow's age.
"""

from __future__ import annotations

import argparse
import datetime
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import tomllib

from tools.releases import (
    AIRFLOW_RELEASES,
    LOWEST_AS_OF,
    LOWEST_CONSTRAINTS,
    NEWEST_AIRFLOW,
    OLDEST_AIRFLOW,
    PINNED_PYTHON,
    ROOT,
    constraints_for,
)
from tools.uv import uv

LOWEST = "lowest"
DOCS = "docs"
DOCS_CONSTRAINTS = ROOT / "constraints" / "docs.txt"
PRODUCTION = "production"
PRODUCTION_CONSTRAINTS = ROOT / "constraints" / "production.txt"
EXTRAS = ("sandbox", "test", "openlineage")
#: Newer than the Airflow beside it: what smooths over the versions of Airflow, and what makes these files.
AGELESS = ("apache-airflow-providers-common-compat", "uv")


def own_requirements(extras: Sequence[str] = EXTRAS) -> list[str]:
    """What pyproject.toml asks for, extras included, without the extras that only name other extras of ours."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = list(project["dependencies"])
    for extra in extras:
        wanted += project["optional-dependencies"][extra]
    return [requirement for requirement in wanted if not requirement.startswith(f"{project['name']}[")]


def resolve(requirements: list[str], *options: str) -> list[str]:
    """`name==version` of everything that these requirements need, sorted."""
    found = subprocess.run(
        [
            *uv("pip", "compile", "--quiet", "--no-header", "--no-annotate", "--no-strip-extras"),
            *("--python-version", PINNED_PYTHON, *options, "-"),
        ],
        input="\n".join(requirements),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ).stdout
    # A constraint may not name extras.
    pins = [re.sub(r"\[.*\]", "", line) for line in found.splitlines() if "==" in line]
    return sorted(pins, key=lambda pin: pin.partition("==")[0])


def write(target: Path, title: str, pins: list[str]) -> None:
    header = f"# {title}, Python {PINNED_PYTHON}. Made by tools/make_constraints.py; do not edit."
    target.parent.mkdir(exist_ok=True)
    target.write_text("\n".join([header, *pins]) + "\n")
    print(f"wrote {target.relative_to(ROOT)}", flush=True)


def write_airflow(airflow: str) -> None:
    """The file for one Airflow version."""
    as_of = AIRFLOW_RELEASES[airflow]
    options = []
    if as_of is not None:
        options += ["--exclude-newer", as_of]
        today = datetime.date.today().isoformat()
        options += [f"--exclude-newer-package={name}={today}" for name in AGELESS]
    pins = resolve([f"apache-airflow=={airflow}", *own_requirements()], *options)
    write(constraints_for(airflow), f"Airflow {airflow}{f' and what was new on {as_of}' if as_of else ''}", pins)


def write_lowest() -> None:
    """The file with the least that pyproject.toml allows. Only what we name ourselves is that old."""
    wanted = [f"apache-airflow=={OLDEST_AIRFLOW}", *own_requirements()]
    pins = resolve(wanted, "--resolution", "lowest-direct", "--exclude-newer", LOWEST_AS_OF)
    write(LOWEST_CONSTRAINTS, f"The lowest that pyproject.toml allows, with Airflow {OLDEST_AIRFLOW}", pins)


def write_docs() -> None:
    """The file for the environment of its own in which Sphinx runs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    write(DOCS_CONSTRAINTS, "What builds the documentation", resolve(project["optional-dependencies"][DOCS]))


def write_production() -> None:
    """The file for an Airflow as it is run in production: the same releases as beside the newest one, and more."""
    pins = [*constraints_for(NEWEST_AIRFLOW).read_text().splitlines()[1:], *own_requirements(("sandbox", PRODUCTION))]
    write(PRODUCTION_CONSTRAINTS, f"Airflow {NEWEST_AIRFLOW} with PostgreSQL and Celery", resolve(pins))


def main() -> None:
    """Command line."""
    choices = [*AIRFLOW_RELEASES, LOWEST, DOCS, PRODUCTION]
    parser = argparse.ArgumentParser(description="Write constraints files.")
    parser.add_argument("which", nargs="*", metavar="AIRFLOW_VERSION|NAME", help=f"of {', '.join(choices)}")
    chosen = parser.parse_args().which or choices
    for name in chosen:
        if name not in choices:
            parser.error(f"{name} is none of {', '.join(choices)}")
        if name == LOWEST:
            write_lowest()
        elif name == DOCS:
            write_docs()
        elif name == PRODUCTION:
            write_production()
        else:
            write_airflow(name)


if __name__ == "__main__":
    main()
