#!/usr/bin/env bash
# Makes the environment that builds the documentation, on top of another one that holds Airflow and this package:
#
#     tools/make_docs_venv.sh FOLDER BASE_FOLDER CONSTRAINTS
#
# Sphinx wants an older docutils than the one that comes with Airflow's constraints, so it gets a folder of its own. The
# base environment's packages are seen from there as well, after its own.
set -euo pipefail

venv=$1
base=$2
constraints=$3
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
log=.run/docs-venv-install.log
stamp=$venv/.installed

wanted=$({
    echo "$root $venv $base"
    "$base/bin/python" --version
    cat pyproject.toml "$constraints" "${BASH_SOURCE[0]}"
} | sha256sum | cut -d' ' -f1)
if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then
    exit 0
fi

# The extra alone, without the package that it belongs to.
extra=$("$base/bin/python" -c '
import tomllib
with open("pyproject.toml", "rb") as file:
    print("\n".join(tomllib.load(file)["project"]["optional-dependencies"]["docs"]))')

mkdir -p .run
echo "Creating $venv for the documentation ..."
{
    "$base/bin/python" -m venv --clear "$venv"
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check -c "$constraints" -r /dev/stdin <<<"$extra"
    packages=$("$base/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    own=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    echo "import site; site.addsitedir('$packages')" >"$own/base_environment.pth"
} >"$log" 2>&1 || {
    cat "$log" >&2
    exit 1
}
echo "$wanted" >"$stamp"
