#!/usr/bin/env bash
# Makes a development environment, or brings it up to date:
#
#     tools/make_venv.sh FOLDER CONSTRAINTS [EXTRAS]
#
# The package is installed editable, with its extras, at exactly the releases that CONSTRAINTS names. Whoever calls
# again with nothing changed gets an answer at once. pip's own words go to a log and are shown if it fails.
set -euo pipefail

venv=$1
constraints=$2
extras=${3:-sandbox,test}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
log=.run/$(basename "$venv")-install.log
log=${log/\/.venv/\/venv}
stamp=$venv/.installed

# The constraints were made for Python 3.11; newer ones mostly do, older ones lack releases that are pinned.
usable() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    local candidate
    for candidate in "${PYTHON:-python3.11}" python3; do
        if usable "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    echo "Python 3.11 or newer is needed: install it, or say where it is with PYTHON=/path/to/python3.11" >&2
    return 1
}

# What the environment was made from. The folder counts too: an environment that was moved or copied is broken.
fingerprint() {
    {
        echo "$root $venv $extras"
        cat pyproject.toml "$constraints"
    } | sha256sum | cut -d' ' -f1
}

run_quietly() {
    "$@" >>"$log" 2>&1 || {
        echo "failed: $*" >&2
        cat "$log" >&2
        return 1
    }
}

wanted=$(fingerprint)
if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then
    exit 0
fi

mkdir -p .run
: >"$log"
if ! usable "$venv/bin/python"; then
    python=$(find_python)
    echo "Creating $venv with $("$python" --version) ..."
    run_quietly "$python" -m venv --clear "$venv"
fi
echo "Installing $(sed -n 's/^apache-airflow==/Airflow /p' "$constraints"), this package and the tools (takes a minute) ..."
SECONDS=0
run_quietly "$venv/bin/python" -m pip install -qq --disable-pip-version-check -c "$constraints" \
    "apache-airflow" -e ".[$extras]"
echo "$wanted" >"$stamp"
echo "$venv is ready (${SECONDS} s)."
