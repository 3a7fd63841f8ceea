#!/usr/bin/env bash
# What is proven before a release and takes too long for each change.
#
#   bash deploy/release.sh            all of it, for the last commit
#   bash deploy/release.sh STEP...    reproducible, guest, arm64
#
# SENSED_VM is the folder that keeps the guest and the arm64 root.
set -euo pipefail
cd "$(dirname "$0")/.."
source deploy/setup.sh
setup "$needs_demo$needs_test$needs_release"
find_go
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# reproducible: the packages of two clones in two folders, with nothing shared,
# are the same bytes and please lintian.
reproducible() {
	local name
	build() ( # FOLDER TIME-ZONE UMASK
		mkdir -p "$1/tmp"
		git clone -q . "$1/source"
		umask "$3"
		TZ=$2 TMPDIR=$1/tmp GOCACHE=$1/cache DIST=$1/dist bash "$1/source/deploy/package.sh"
	)
	build "$work/one" UTC 022
	build "$work/another/and/deeper" Asia/Tokyo 077
	for name in "$work"/one/dist/*.deb; do
		cmp "$name" "$work/another/and/deeper/dist/${name##*/}"
		lintian --allow-root --fail-on error "$name"
		sha256sum "$name"
	done
}

# guest: the life of the package under systemd, and a worker that hangs.
guest() {
	local share=$work/guest
	mkdir -p "$share/deploy/packagetest" "$share/deploy/models/tiny"
	go test -c -tags guest -o "$share/deploy/packagetest/guest.test" ./deploy/packagetest
	bash deploy/vm/packages.sh "$share/deploy/packagetest"
	cp -r deploy/models/tiny/samples "$share/deploy/models/tiny/"
	bash deploy/vm/vm.sh run -t 2400 "$share" bash -c 'cd deploy/packagetest && ./guest.test -test.v -test.run Guest -test.timeout 35m'
}

# arm64: the same without systemd, and the program itself.
arm64() {
	mkdir -p "$work/arm64"
	bash deploy/vm/packages.sh "$work/arm64" arm64
	cp deploy/vm/arm64life.sh deploy/models/tiny/samples/scene1.png "$work/arm64/"
	bash deploy/vm/arm64.sh "$work/arm64" bash /mnt/arm64life.sh
}

steps=("$@")
(($#)) || steps=(reproducible guest arm64)
for step in "${steps[@]}"; do
	case $step in
	reproducible | guest | arm64) ;;
	*) echo "usage: bash deploy/release.sh [reproducible|guest|arm64]..." >&2 && exit 2 ;;
	esac
	echo "=== $step"
	"$step"
	echo "=== $step: passed"
done
