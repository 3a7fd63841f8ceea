#!/bin/bash
# Starts sensed as an add-on. Its configuration lies in the add-on's own folder,
# where the file editors of Home Assistant reach it.
set -euo pipefail
config=/config/sensed.yaml
[[ -e $config ]] || cp /etc/sensed/sensed.yaml "$config"
mkdir -p /data/state /data/cache "$RUNTIME_DIRECTORY"
exec /usr/bin/sensed run --config "$config"
