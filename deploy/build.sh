#!/usr/bin/env bash
# Builds bin/sensed; `sensed version` says which commit it is.
#
#   bash deploy/build.sh [FILE]
set -euo pipefail
cd "$(dirname "$0")/.."
source deploy/setup.sh
find_go

out=${1:-bin/sensed}
flags=(-trimpath)
# go asks git for the commit, and fails where git refuses a tree that somebody
# else owns.
git status --short >/dev/null 2>&1 || flags+=(-buildvcs=false)
mkdir -p "$(dirname "$out")"
go build "${flags[@]}" -o "$out" ./daemon/sensed
