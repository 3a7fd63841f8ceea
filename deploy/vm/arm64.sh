#!/usr/bin/env bash
# Runs a command in a throw-away Debian 12 root for arm64, under qemu-user.
#
#   bash deploy/vm/arm64.sh DIR COMMAND...
#
# The command runs as root; the root sees DIR as /mnt. The root is made once and
# kept in SENSED_VM, like the guest of vm.sh. The kernel hands arm64 programs to
# qemu inside a user namespace of this run only (Linux 6.7 and later), so nothing
# is set on this machine.
set -euo pipefail
cache=${SENSED_VM:-$HOME/.cache/sensed-vm}
qemu=/usr/bin/qemu-aarch64-static
here=$(dirname "$(readlink -f "$0")")

die() {
	echo "arm64: $*" >&2
	exit 125
}

# enter is the part inside the namespace: as root of it, mounts of its own.
if [[ ${1-} == --enter ]]; then
	root=$2 share=$3
	shift 3
	mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc || die "this kernel has no binfmt_misc for namespaces"
	# What an arm64 ELF file begins with; F: qemu is found from inside the root.
	printf '%s' ':arm64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:'"$qemu"':F' \
		>/proc/sys/fs/binfmt_misc/register
	mkdir -p "$root"/{proc,mnt}
	mount --rbind /proc "$root/proc"
	mount --bind "$share" "$root/mnt"
	# debootstrap makes no devices in this kind of container; they are there already.
	exec chroot "$root" env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
fi

(($# >= 2)) || die "it needs a folder and a command"
((EUID == 0)) || die "it needs root"
[[ -x $qemu ]] || die "there is no $qemu: run bash deploy/release.sh, which installs it"
share=$(readlink -f "$1")
shift
mkdir -p "$cache"
work=$(mktemp -d "$cache/arm64.XXXX")
mount -t tmpfs -o size=3G tmpfs "$work" || true # on a disk, dpkg's many fsyncs take minutes
trap 'umount -q "$work" 2>/dev/null; rm -rf --one-file-system "$work"' EXIT

# inside runs a command in a root, in namespaces that end with it.
inside() { # ROOT SHARE COMMAND...
	mkfifo "$work/go"
	unshare --user --mount bash -c 'echo >"$0"; read -r _ <"$0"; exec bash "$@"' "$work/go" "$here/arm64.sh" --enter "$@" &
	local pid=$! code=0
	read -r _ <"$work/go" # it has its namespaces and waits for its users
	echo '0 0 65536' >"/proc/$pid/uid_map"
	echo '0 0 65536' >"/proc/$pid/gid_map"
	echo >"$work/go"
	rm "$work/go"
	wait "$pid" || code=$?
	return "$code"
}

# What debootstrap would do then, without reading the index of all packages for
# each of them in an emulator: first what every maintainer script needs.
configure='
	rm -rf /debootstrap
	touch /var/lib/dpkg/status /var/lib/dpkg/available
	cd /var/cache/apt/archives
	ln -sf mawk /usr/bin/awk
	for package in base-passwd base-files dpkg libc6 perl-base mawk debconf; do
		dpkg --force-depends --force-unsafe-io --install ${package}_*.deb || exit
	done
	dpkg --force-depends --force-unsafe-io --unpack *.deb && dpkg --force-unsafe-io --configure --pending
'
exec 9>"$cache/arm64.lock"
flock 9 # one makes it
if [[ ! -e $cache/arm64.tar ]]; then
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n1)
	{
		debootstrap --foreign --arch=arm64 --variant=minbase --include=systemd,udev,libportaudio2 bookworm "$work/root" "$mirror" &&
			inside "$work/root" "$share" bash -c "$configure"
	} >"$work/log" 2>&1 || { tail "$work/log" >&2; die "debootstrap failed"; }
	rm -rf "$work/root"/var/{cache/apt,lib/apt/lists}/*
	tar -C "$work/root" --one-file-system -cf "$work/tar" .
	mv "$work/tar" "$cache/arm64.tar"
else
	mkdir "$work/root"
	tar -C "$work/root" -xf "$cache/arm64.tar"
fi
flock -u 9
code=0
inside "$work/root" "$share" "$@" || code=$?
exit "$code"
