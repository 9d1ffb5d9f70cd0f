#!/bin/sh
# Make the virtual environment: checked hashes, wheels only (no compiler), no index named here.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
VENV=${VENV:-.venv}
cure="Debian, Ubuntu: apt install python3-venv; another interpreter: make PYTHON=python3.12"

if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "Pillarbox needs Python 3.11 or newer, and '$PYTHON' is not. $cure" >&2
    exit 1
fi
if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "'$PYTHON' cannot make a virtual environment (no ensurepip). $cure" >&2
    exit 1
fi

rm -rf "$VENV"
"$PYTHON" -m venv "$VENV"
echo "Installing the pinned packages into $VENV (about a minute) ..."
# A pip.conf of the user (index, proxy, CA) counts; the hashes decide what is taken.
"$VENV/bin/pip" install -qq --disable-pip-version-check --only-binary :all: --require-hashes -r requirements/dev.txt
"$VENV/bin/pip" install -qq --disable-pip-version-check --no-index --no-deps --no-build-isolation -e .
# The machine may have PYTHONDONTWRITEBYTECODE set; uncompiled, every command would start two to three times slower.
"$VENV/bin/python" -m compileall -q src "$VENV/lib" || true
