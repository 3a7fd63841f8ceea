#!/usr/bin/env bash
# Builds bin/sensed, with the version that git knows.
#
#   bash deploy/build.sh [FILE]
set -euo pipefail
cd "$(dirname "$0")/.."
source deploy/setup.sh
find_go

out=${1:-bin/sensed}
version=$(git describe --tags --always --dirty 2>/dev/null || echo unknown)
mkdir -p "$(dirname "$out")"
# Without -buildvcs=false go refuses to build a tree that somebody else owns.
go build -trimpath -buildvcs=false -ldflags "-X main.version=$version" -o "$out" ./daemon/sensed
