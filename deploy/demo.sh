#!/usr/bin/env bash
# Builds sensed and runs its main job with no hardware, no broker and no
# download of a model. Options go to `sensed demo`: --json, --once, ...
set -euo pipefail
cd "$(dirname "$0")/.."
source deploy/setup.sh
# Standard output belongs to the events: `demo.sh --json | jq` works.
setup "$needs_demo" >&2
find_go

echo "Building (the first time takes a minute) ..." >&2
bash deploy/build.sh bin/sensed
exec bin/sensed demo "$@"
