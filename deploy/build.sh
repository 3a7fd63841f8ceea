#!/usr/bin/env bash
# Builds bin/sensed; `sensed version` says which commit it is.
#
#   bash deploy/build.sh [FILE]
set -euo pipefail
cd "$(dirname "$0")/.."
source deploy/setup.sh
find_go

out=${1:-bin/sensed}
# The same commit gives the same bytes in every folder; pie: the addresses of the
# C code, which reads what others wrote, cannot be foreseen.
flags=(-trimpath -buildmode=pie)
# go asks git for the commit and fails where there is none, or where git refuses
# a tree that somebody else owns.
if git rev-parse --verify --quiet HEAD >/dev/null 2>&1; then
	flags+=(-buildvcs=true)
else
	flags+=(-buildvcs=false)
fi
mkdir -p "$(dirname "$out")"
go build "${flags[@]}" -o "$out" ./daemon/sensed
