#!/usr/bin/env bash
# Installs what sensed needs from Debian, and says what and why.
#
#   bash deploy/setup.sh demo     what it takes to build and run
#   bash deploy/setup.sh test     that, and what the tests use
#
# It looks for the things themselves (a program, a header, a library), so it
# does nothing, and needs no root, where all of them are there.
set -euo pipefail

# One need a line: how to see that it is there, the Debian package, the reason.
needs_demo='
program:gcc                     gcc                       compiles the kernels, which are C
header:stdlib.h                 libc6-dev                 the C library that they are compiled against
program:pkg-config              pkg-config                tells the compiler where PortAudio is
library:portaudio-2.0           portaudio19-dev           microphones
file:/etc/ssl/certs/ca-certificates.crt ca-certificates   go fetches modules over https
'
# What builds for the Raspberry Pi on a PC.
needs_arm64='
program:aarch64-linux-gnu-gcc   gcc-aarch64-linux-gnu     compiles the kernels for the Raspberry Pi
header64:stdlib.h               libc6-dev-arm64-cross     the C library for that
library64:portaudio-2.0         portaudio19-dev:arm64     microphones there
'
needs_test=$needs_arm64'
program:ffmpeg                  ffmpeg                    video clips as a camera
file:/usr/lib/python3/dist-packages/gi python3-gi           a network camera (RTSP server) for the tests, in Python
file:/usr/lib/*/girepository-1.0/GstRtspServer-1.0.typelib gir1.2-gst-rtsp-server-1.0  the server itself
file:/usr/lib/*/gstreamer-1.0/libgstrtp.so gstreamer1.0-plugins-good  its motion JPEG and its way to the network
file:/usr/lib/*/gstreamer-1.0/libgstx265.so gstreamer1.0-plugins-bad  its H.265
file:/usr/lib/*/gstreamer-1.0/libgstx264.so gstreamer1.0-plugins-ugly  its H.264
program:mosquitto               mosquitto                 a real MQTT broker to publish to
program:mosquitto_sub           mosquitto-clients         a subscriber that is not ours
program:chromium                chromium                  a browser that looks at the page
program:openssl                 openssl                   certificates for the broker in the tests
program:pulseaudio              pulseaudio                a microphone without hardware
program:paplay                  pulseaudio-utils          speaks into that microphone
file:/usr/lib/*/alsa-lib/libasound_module_pcm_pulse.so libasound2-plugins  lets ALSA, and so PortAudio, hear it
program:espeak-ng               espeak-ng                 speech that the tests have never heard
program:flite                   flite                     speech of another voice
file:/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf fonts-noto-color-emoji  pictures for new scenes
program:qemu-aarch64            qemu-user                 runs the tests of the kernels as a Raspberry Pi
program:systemd-analyze         systemd                   checks the unit
program:qemu-system-x86_64      qemu-system-x86           boots the guest with cameras, a sound card and pins
program:debootstrap             debootstrap               makes that guest
program:lintian                 lintian                   judges the packages
program:mke2fs                  e2fsprogs                 its disk
program:depmod                  kmod                      its kernel modules
program:make                    make                      compiles the one that Debian leaves out
program:xz                      xz-utils                  unpacks its kernel
file:/usr/lib/*/libelf.so.1     libelf1                   checks that module
'
# What deploy/release.sh uses besides.
needs_release='
program:qemu-aarch64-static     qemu-user-static          runs a whole arm64 system, of which nothing else is on the disk
'

# present KIND:WHAT says whether a need is there.
present() {
	local what=${1#*:}
	case ${1%%:*} in
	program) command -v "$what" >/dev/null || [[ -x /usr/sbin/$what ]] ;;
	library) pkg-config --exists "$what" 2>/dev/null ;;
	library64) PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig pkg-config --exists "$what" 2>/dev/null ;;
	file) compgen -G "$what" >/dev/null ;;
	header) echo "#include <$what>" | gcc -E - >/dev/null 2>&1 ;;
	header64) echo "#include <$what>" | aarch64-linux-gnu-gcc -E - >/dev/null 2>&1 ;;
	esac
}

# setup LIST installs what is missing of a list of needs.
setup() {
	local need package why packages=()
	while read -r need package why; do
		[[ -n $need ]] || continue
		present "$need" && continue
		((${#packages[@]})) || echo "Installing from Debian:"
		printf '  %-24s %s\n' "$package" "$why"
		packages+=("$package")
	done <<<"$1"
	((${#packages[@]})) || return 0

	if ! command -v apt-get >/dev/null; then
		echo "This system has no apt-get: please install the packages above, or what they are called here." >&2
		return 1
	fi
	local root=()
	if ((EUID != 0)); then
		if ! command -v sudo >/dev/null; then
			echo "Installing needs root. Please run as root: apt-get install ${packages[*]}" >&2
			return 1
		fi
		root=(sudo)
	fi
	local log
	log=$(mktemp)
	[[ ${packages[*]} != *:arm64* ]] || "${root[@]}" dpkg --add-architecture arm64
	if ! { "${root[@]}" apt-get update -q &&
		"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${packages[@]}"; } >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		echo "Installing failed; all of apt-get's output is in $log." >&2
		return 1
	fi
	rm -f "$log"
}

# find_go puts Go on the PATH, where its own installer leaves it if need be.
find_go() {
	command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
	if ! command -v go >/dev/null; then
		echo "Go is missing: unpack a release from https://go.dev/dl into /usr/local (any from 1.21 on fetches the one that go.mod names)." >&2
		return 1
	fi
	export PATH
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
	case ${1-} in
	demo) setup "$needs_demo" && find_go ;;
	test) setup "$needs_demo$needs_test" && find_go ;;
	*) echo "usage: bash deploy/setup.sh demo|test" >&2 && exit 2 ;;
	esac
fi
