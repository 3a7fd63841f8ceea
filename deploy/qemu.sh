#!/usr/bin/env bash
# Runs `sensed verify` as the processors of Raspberry Pis: the program is compiled
# for arm64 with its C kernels and an emulator runs it on recorded cases.
#
#   bash deploy/qemu.sh                       the cases that belong to the project
#   bash deploy/qemu.sh TEXT PROJECTOR CASES  others, with the model they are of
#
# cortex-a72 is the Pi 4 (no dot products), cortex-a76 the Pi 5, max whatever the
# emulator knows. The program is linked statically, so that no arm64 system is
# needed, and therefore without PortAudio.
set -euo pipefail
cd "$(dirname "$0")/.."
source deploy/setup.sh
setup "$needs_test"
find_go

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Leave out the files that need PortAudio (those are the ones only for cgo), and take the one for builds without cgo.
sed 's|^//go:build !cgo$||' devices/portaudio/library_nocgo.go >"$work/nocgo.go"
{
	printf '{"Replace": {"%s": "%s"' "$PWD/devices/portaudio/library_nocgo.go" "$work/nocgo.go"
	for file in $(grep -l '^//go:build cgo$' devices/portaudio/*.go); do
		printf ', "%s": ""' "$PWD/$file"
	done
	printf '}}\n'
} >"$work/overlay.json"
CC=aarch64-linux-gnu-gcc CGO_ENABLED=1 GOARCH=arm64 go build -buildvcs=false -tags netgo,osusergo -overlay "$work/overlay.json" \
	-buildmode=exe -ldflags '-extldflags -static' -o "$work/sensed" ./daemon/sensed

mini=kernels/gemma4/testdata/mini
text=${1:-$mini/text.gguf} projector=${2:-$mini/mmproj.gguf} cases=${3:-$mini/cases}
for cpu in cortex-a72 cortex-a76 max; do
	echo "sensed verify on $cpu, $(timeout -s KILL 60 qemu-aarch64 -cpu "$cpu" "$work/sensed" version | grep kernels):"
	timeout -s KILL 1200 qemu-aarch64 -cpu "$cpu" "$work/sensed" verify --model "$text" --projector "$projector" "$cases"
done
