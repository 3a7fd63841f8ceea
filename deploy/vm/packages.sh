#!/usr/bin/env bash
# Makes what deploy/packagetest installs in the guest: the package as version 1,
# and once more as version 2 with another first configuration.
#
#   bash deploy/vm/packages.sh FOLDER [ARCH]
#
# They are not compressed: an emulator is slow at that.
set -euo pipefail
folder=$(readlink -f "$1") arch=${2:-amd64}
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

VERSION=1 DIST=$work bash deploy/package.sh "$arch"
lintian --allow-root --fail-on error "$work/sensed_1_$arch.deb"
dpkg-deb -R "$work/sensed_1_$arch.deb" "$work/tree"
pack() { dpkg-deb --root-owner-group -Znone -b "$work/tree" "$folder/sensed_$1_$arch.deb" >/dev/null; }
pack 1
sed -i 's/^Version: 1$/Version: 2/' "$work/tree/DEBIAN/control"
echo '# The default of version 2.' >>"$work/tree/etc/sensed/sensed.yaml"
pack 2
