#!/usr/bin/env bash
# Puts sensed on this machine as a service, and takes it off again.
#
#   bash deploy/install.sh               builds, installs, starts the service
#   bash deploy/install.sh --uninstall   removes it; configuration and data stay
#
# PREFIX (/usr/local) says where the program and its unit go, DESTDIR (nothing)
# where the whole tree is put instead of /; with DESTDIR nothing on this machine
# is started, created or asked for. SENSED names a program that was built
# before; without it one is built.
set -euo pipefail
cd "$(dirname "$0")/.."

PREFIX=${PREFIX:-/usr/local}
DESTDIR=${DESTDIR:-}
bin=$DESTDIR$PREFIX/bin/sensed
unit=$DESTDIR$PREFIX/lib/systemd/system/sensed.service
users=$DESTDIR$PREFIX/lib/sysusers.d/sensed.conf
rules=$DESTDIR$PREFIX/lib/udev/rules.d/60-sensed.rules
doc=$DESTDIR$PREFIX/share/doc/sensed
config=$DESTDIR/etc/sensed/sensed.yaml

# Commands to the running system are for a real installation only.
live() { [[ -z $DESTDIR ]]; }
systemd_runs() { live && [[ -d /run/systemd/system ]]; }

put() { # MODE FROM TO
	install -D -m "$1" "$2" "$3"
	echo "  $3"
}

install_sensed() {
	if [[ -z ${SENSED:-} ]]; then
		source deploy/setup.sh
		setup "$needs_demo"
		echo "Building ..."
		bash deploy/build.sh bin/sensed
		SENSED=bin/sensed
	fi
	echo "Installing:"
	put 755 "$SENSED" "$bin"
	put 644 systemd/sensed.sysusers "$users"
	put 644 systemd/sensed.rules "$rules"
	put 644 README.md "$doc/README.md"
	put 644 LICENSE "$doc/LICENSE"
	put 644 daemon/config/sample.yaml "$doc/sensed.sample.yaml"
	local text
	text=$(<systemd/sensed.service)
	install -D -m 644 /dev/null "$unit"
	echo "${text//\/usr\/local/$PREFIX}" >"$unit"
	echo "  $unit"

	if live && command -v systemd-sysusers >/dev/null; then
		systemd-sysusers "$users"
	fi
	if [[ -e $config ]]; then
		echo "  $config is there already and stays as it is"
	else
		put 640 deploy/sensed.yaml "$config"
	fi
	if live && getent group sensed >/dev/null; then
		chgrp sensed "$(dirname "$config")" "$config"
		chmod 750 "$(dirname "$config")"
	fi

	if systemd_runs; then
		udevadm control --reload 2>/dev/null && udevadm trigger --subsystem-match=gpio --subsystem-match=spidev --subsystem-match=i2c-dev --subsystem-match=dma_heap || true
		systemctl daemon-reload
		systemctl enable --quiet sensed.service
		systemctl restart sensed.service
		echo "The service runs. What it says: journalctl -u sensed -f"
	elif live; then
		echo "systemd does not run here, so the service was not started. By hand: $bin run --config $config"
	fi
}

uninstall_sensed() {
	if systemd_runs && [[ -e $unit ]]; then
		systemctl disable --quiet --now sensed.service
	fi
	rm -f "$bin" "$unit" "$users" "$rules"
	rm -rf "$doc"
	if systemd_runs; then
		systemctl daemon-reload
	fi
	echo "sensed is removed. These stay: $DESTDIR/etc/sensed, $DESTDIR/var/lib/sensed and the user sensed."
}

if live && ((EUID != 0)); then
	echo "Please run this as root, or with DESTDIR set to a folder of yours." >&2
	exit 1
fi
case ${1-} in
"") install_sensed ;;
--uninstall) uninstall_sensed ;;
*) echo "usage: bash deploy/install.sh [--uninstall]" >&2 && exit 2 ;;
esac
