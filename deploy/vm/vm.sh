#!/usr/bin/env bash
# Boots a throw-away Debian 12 guest, for tests against real kernel devices and a
# real systemd. deploy/docs/guest.md says what is in it.
#
#   bash deploy/vm/vm.sh build                             make the guest, if it is not there yet
#   bash deploy/vm/vm.sh run [-t SECONDS] DIR COMMAND...   run a command in a fresh guest
#
# The command runs as root in DIR, which the guest sees as /mnt and may write;
# its output comes out here. Exit: the command's own code; 124 after SECONDS
# (default 300); 125 when the guest could not be made, or ended without a code.
#
# SENSED_VM (default ~/.cache/sensed-vm) is the folder that keeps the guest. It
# is built when it is not there or is of another revision: as root, on Debian 12.
set -euo pipefail
cache=${SENSED_VM:-$HOME/.cache/sensed-vm}
here=$(dirname "$(readlink -f "$0")")
revision=1 # raise it when what build makes changes
packages=systemd,systemd-sysv,udev,dbus,kmod,procps,iproute2,ca-certificates
packages+=,libportaudio2,alsa-utils,libasound2-plugins,v4l-utils,gpiod,i2c-tools,mosquitto,mosquitto-clients

die() {
	echo "vm: $*" >&2
	exit 125
}

# build makes root.img, vmlinux and initrd in the cache.
build() {
	local program work mirror kernel
	mkdir -p "$cache"
	exec 9>"$cache/lock"
	flock 9 # one at a time
	[[ $(cat "$cache/revision" 2>/dev/null) != "$revision" ]] || return 0

	((EUID == 0)) || die "building the guest needs root, because debootstrap does"
	for program in qemu-system-x86_64 debootstrap mke2fs make gcc xz depmod; do
		PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || die "there is no $program: run bash deploy/setup.sh test"
	done
	apt-get update -qq
	kernel=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: linux-image-//p' | head -n1)
	[[ $kernel == 6.1.*-amd64 ]] || die "the guest is built from Debian 12's kernel packages, and apt here has none (linux-image-amd64 depends on ${kernel:-nothing})"
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n1)

	work=$cache/work
	umount "$work" 2>/dev/null || true # of a build that was cut off
	rm -rf --one-file-system "$work" "$cache/revision"
	mkdir "$work"
	mount -t tmpfs -o size=3G tmpfs "$work" || true # on a disk, dpkg's many fsyncs take minutes
	# shellcheck disable=SC2064 # it is the folder of now
	trap "cd /; umount '$work' 2>/dev/null; rm -rf --one-file-system '$work'" EXIT
	cd "$work"
	unpack "$kernel"
	gpio_sim "$kernel"
	root "$kernel" "$mirror"
	boot "$kernel"
	mke2fs -q -F -t ext4 -O ^has_journal -m 0 -d root "$cache/root.img" "$(($(du -sm root | cut -f1) * 11 / 10 + 512))M"
	echo "$revision" >"$cache/revision"
	echo "vm: built a guest with Linux $kernel in $cache ($(du -shx --exclude=work "$cache" | cut -f1))" >&2
}

# unpack gets Debian's kernel, what compiles modules for it, and a busybox.
unpack() { # KERNEL
	local deb
	mkdir debs kernel
	(cd debs && apt-get -qq -o APT::Sandbox::User=root download "linux-image-$1" "linux-headers-$1" \
		"linux-headers-${1%-amd64}-common" linux-kbuild-6.1 linux-source-6.1 busybox-static)
	for deb in debs/linux-{image,headers,kbuild}*.deb debs/busybox*.deb; do
		dpkg-deb -x "$deb" kernel
	done
}

# gpio_sim compiles the simulator of GPIO chips, which Debian's kernel leaves
# out, and the simulated interrupts that it needs.
gpio_sim() { # KERNEL
	local headers=$PWD/kernel/usr/src/linux-headers-$1 source=linux-source-6.1
	mkdir gpio-sim
	# tar stops reading when it has all three, and its writers do not like that.
	dpkg-deb --fsys-tarfile debs/$source*.deb 2>/dev/null | tar -xO "./usr/src/$source.tar.xz" 2>/dev/null |
		tar -xJ -C gpio-sim --strip-components=3 --occurrence=1 \
			$source/drivers/gpio/gpio-sim.c $source/drivers/gpio/gpiolib.h $source/kernel/irq/irq_sim.c 2>/dev/null || true
	[[ -s gpio-sim/irq_sim.c ]] || die "$source has no gpio-sim"
	mv gpio-sim/gpio-sim.c gpio-sim/main.c
	# Modules may not call irq_to_desc; this does the same.
	sed -i 's/handle_simple_irq(irq_to_desc(\(.*\)));/generic_handle_irq(\1);/' gpio-sim/irq_sim.c
	printf 'obj-m := gpio-sim.o\ngpio-sim-y := main.o irq_sim.o\n' >gpio-sim/Makefile
	sed -i "s#/usr/src/#$PWD/kernel/usr/src/#" "$headers/Makefile"
	make -s -C "$headers" M="$PWD/gpio-sim" modules >gpio-sim.log 2>&1 || { cat gpio-sim.log >&2; die "gpio-sim does not compile"; }
}

# root makes the guest's root folder: nobody can log in, nothing runs by timer,
# and daemons wait until a test starts them.
root() { # KERNEL MIRROR
	local modules=kernel/lib/modules/$1 unit
	debootstrap --variant=minbase --include="$packages" bookworm root "$2" >debootstrap.log || { tail debootstrap.log >&2; die "debootstrap failed"; }
	# Without the drivers of hardware that no guest has.
	(cd "$modules/kernel" && rm -rf arch/x86/{kvm,crypto} net/{ceph,mac80211,bluetooth,wireless,netfilter,sctp,tipc,rxrpc} \
		drivers/{gpu,cpufreq,crypto,infiniband,scsi,ata,md,mtd,nvme,target,staging,isdn,bluetooth,net/{ethernet,wireless,can,wwan}} \
		drivers/media/{pci,dvb-frontends,tuners,usb/dvb*} fs/{btrfs,xfs,ocfs2,gfs2,nfs,nfsd,smb,ceph,f2fs,jfs,reiserfs,ubifs,afs})
	install -D gpio-sim/gpio-sim.ko "$modules/extra/gpio-sim.ko"
	mkdir -p root/lib/modules
	cp -a "$modules" root/lib/modules/
	depmod -b root "$1"
	rm -rf root/var/{cache/apt,lib/apt/lists}/* root/usr/share/{doc,man,locale,info}/* root/var/log/*.log

	cd root/etc
	echo vm >hostname
	echo '127.0.0.1 localhost vm' >hosts
	printf 'blacklist %s\n' psmouse pcspkr iTCO_wdt i2c_i801 serio_raw >modprobe.d/vm.conf
	mkdir -p systemd/journald.conf.d
	printf '[Journal]\nStorage=volatile\n' >systemd/journald.conf.d/vm.conf
	rm -f systemd/system/*.wants/mosquitto.service
	for unit in getty@tty1.service serial-getty@ttyS0.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
		e2scrub_all.timer e2scrub_reap.service fstrim.timer systemd-pstore.service; do
		ln -sf /dev/null "systemd/system/$unit"
	done
	cp "$here/vm.service" systemd/system/
	ln -sf ../vm.service systemd/system/multi-user.target.wants/vm.service
	cd ../..
	install "$here/guest.sh" root/usr/local/sbin/vm-guest
}

# boot makes the kernel file, unpacked because an emulator is slow at that, and
# an initrd with the modules for the root disk alone.
boot() { # KERNEL
	local module at
	install -D kernel/bin/busybox initrd/bin/busybox
	mkdir -p initrd/{dev,proc,root,modules}
	for module in virtio_pci virtio_blk ext4 crc32c_generic virtio_console; do
		modprobe -d root -S "$1" -D $module
	done | awk '$1 == "insmod" && !seen[$2]++ {print $2}' >modules
	while read -r module; do
		cp "$module" initrd/modules/
		echo "${module##*/}" >>initrd/modules/list
	done <modules
	install "$here/init.sh" initrd/init
	(cd initrd && find . | ./bin/busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$cache/initrd"
	at=$(LC_ALL=C grep -abo -P '\xfd7zXZ\x00' "kernel/boot/vmlinuz-$1" | head -n1 | cut -d: -f1)
	# Other bytes follow what is packed, about which xz complains.
	tail -c "+$((at + 1))" "kernel/boot/vmlinuz-$1" | xz -dc --single-stream >"$cache/vmlinux" 2>/dev/null || true
	[[ -s $cache/vmlinux ]] || die "the kernel of linux-image-$1 cannot be unpacked"
}

run() {
	local seconds=300 share code=0 accel=tcg cpu=max,la57=off,smap=off,smep=off
	if [[ ${1-} == -t ]]; then
		seconds=$2
		shift 2
	fi
	(($# >= 2)) || die "run needs a folder and a command"
	share=$(readlink -f "$1")
	shift
	(build) || exit
	command -v qemu-system-x86_64 >/dev/null || die "there is no qemu-system-x86_64 to boot the guest with: run bash deploy/setup.sh test"

	control=$(mktemp -d) qemu=
	trap '[[ -z $qemu ]] || kill "$qemu" 2>/dev/null; rm -rf "$control"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	printf '%q ' "$@" >"$control/command"
	# A /dev/kvm without vmx or svm belongs to a machine that runs only kernels of
	# its own kind; there the guest is emulated.
	if [[ -w /dev/kvm ]] && grep -qwE 'vmx|svm' /proc/cpuinfo; then
		accel=kvm cpu=host
	fi
	mkfifo "$control/output"
	cat "$control/output" &
	local output=$!
	timeout -k 5 "$seconds" qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot \
		-machine q35 -accel $accel -cpu $cpu -smp 2 -m 1024 -nic none \
		-kernel "$cache/vmlinux" -initrd "$cache/initrd" \
		-append "console=ttyS0 panic=-1 quiet loglevel=4 mitigations=off nokaslr tsc=nowatchdog systemd.show_status=0" \
		-drive "file=$cache/root.img,format=raw,if=virtio,snapshot=on,cache=unsafe" -serial "file:$control/console" \
		-device virtio-serial-pci -chardev "file,id=output,path=$control/output" -device virtserialport,chardev=output,name=vm.output \
		-chardev null,id=printer -device isa-parallel,chardev=printer \
		-virtfs "local,path=$control,mount_tag=control,security_model=none" \
		-virtfs "local,path=$share,mount_tag=share,security_model=none" </dev/null &
	qemu=$!
	wait "$qemu" || code=$?
	qemu=
	wait "$output" || true
	if [[ -s $control/code ]]; then
		code=$(<"$control/code")
	elif ((code == 124 || code == 137)); then
		echo "vm: the guest was ended after $seconds s" >&2
		code=124
	else
		tail -n 20 "$control/console" >&2
		die "the guest ended without a word (qemu: $code); above is the end of its console"
	fi
	exit "$code"
}

case ${1-} in
build) build ;;
run) shift && run "$@" ;;
*) sed -n '5,6s/^# *//p' "$0" >&2 && exit 2 ;;
esac
