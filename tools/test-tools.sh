#!/bin/sh
# Programs that we did not write, as judges of the doors (curl, swaks, msmtp) and of the order of fsync and 250 (strace).
set -eu
if [ "$(id -u)" != 0 ]; then
    echo "make test-tools installs packages by apt: run it as root" >&2
    exit 1
fi
missing=""
for tool in curl swaks msmtp strace; do
    command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
done
[ -z "$missing" ] && exit 0
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 - a list of names
apt-get install -y -qq --no-install-recommends $missing
