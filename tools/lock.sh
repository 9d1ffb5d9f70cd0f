#!/bin/sh
# Resolve once, export thrice: run.txt is what is shipped, extras.txt the same with the extras, dev.txt both
# and the tools.
# Plain hashed requirements name no index host; a lock file of uv or pylock would.
set -eu
cd "$(dirname "$0")/.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q uv
compile() {
    # --no-config and an emptied UV_FIND_LINKS keep local wheel folders out of the result.
    "$tmp/venv/bin/uv" pip compile --universal --python-version 3.11 --generate-hashes --no-config \
        --no-emit-index-url --no-header --no-annotate --quiet "$@"
}
compile pyproject.toml --all-extras --group dev --output-file requirements/dev.txt
compile pyproject.toml --constraint requirements/dev.txt --output-file requirements/run.txt
compile pyproject.toml --all-extras --constraint requirements/dev.txt --output-file requirements/extras.txt
