#!/bin/sh
# Makes .venv, or brings it up to date: `deploy/venv.sh product` or `deploy/venv.sh dev`.
#
# Does nothing while pyproject.toml, constraints.txt, the Python and the folder are those it was made for. PYTHON names
# the interpreter (python3 unless told otherwise).
set -eu
cd "$(dirname "$0")/.."

wanted=$1
python=${PYTHON:-python3}

command -v "$python" >/dev/null 2>&1 || {
    echo "Debitor needs Python 3.11 or newer; there is no $python here. Name one: make PYTHON=/path/to/python3.12" >&2
    exit 1
}
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Debitor needs Python 3.11 or newer; $python is $version. Name another: make PYTHON=python3.12" >&2
    exit 1
}

made_for="$version $(pwd) $(cat pyproject.toml constraints.txt | cksum)"
is_made() { [ -x .venv/bin/python ] && [ "$(cat ".venv/.made-for-$1" 2>/dev/null)" = "$made_for" ]; }

if is_made dev || { [ "$wanted" = product ] && is_made product; }; then
    exit 0
fi

# Another Python, or a folder that was moved (its scripts name the old place): start afresh.
has=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true)
place=$(cat .venv/.place 2>/dev/null || pwd)
if [ "$has" != "$version" ] || [ "$place" != "$(pwd)" ]; then
    "$python" -m venv --clear .venv || {
        echo "$python cannot make a virtual environment (on Debian and Ubuntu: apt install python3-venv)" >&2
        exit 1
    }
    pwd >.venv/.place
fi

if [ "$wanted" = dev ]; then what='.[dev]'; else what='.'; fi
echo "Installing into .venv (once; about a minute)" >&2
rm -f .venv/.made-for-*
.venv/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e "$what"
echo "$made_for" >".venv/.made-for-$wanted"
