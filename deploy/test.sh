#!/usr/bin/env bash
# Runs every test there is, and leaves with 1 when one fails. It goes on after
# a failure and names all of them at the end.
#
#   bash deploy/test.sh             everything
#   bash deploy/test.sh STEP...     some steps (the names are at the end of this file)
#
# FUZZTIME (3000x) is how many inputs each fuzz test tries, or for how long (2m).
# SENSED_VM is the folder that keeps the guest of the step devices, which takes two
# minutes to make.
set -uo pipefail
cd "$(dirname "$0")/.."
source deploy/setup.sh
set +e # setup.sh turned it on; here each step answers for itself
setup "$needs_demo$needs_test" || exit 1
find_go || exit 1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The flags of deploy/build.sh, so that what is tested is what is shipped, and is
# compiled once: the kernels alone take most of a minute.
export GOFLAGS="${GOFLAGS:-} -buildvcs=false -trimpath -buildmode=pie"

# format: every file as gofmt writes it, every script as bash reads it.
format() {
	local wrong
	wrong=$(gofmt -l daemon deploy devices kernels) || return 1
	if [[ -n $wrong ]]; then
		echo "gofmt would change:"
		echo "$wrong"
		return 1
	fi
	local script
	for script in deploy/*.sh deploy/vm/*.sh deploy/models/tiny/recipe/*.sh .ci/run; do
		bash -n "$script" || return 1
	done
}

# vet: with the C kernels, as it is shipped here; and for the Raspberry Pi without
# them the packages in which that makes a difference. The steps after it leave out
# the part of vet that go test repeats.
vet() {
	go vet -tags guest ./... || return 1
	CGO_ENABLED=0 GOARCH=arm64 go vet ./kernels ./devices/portaudio ./devices/v4l2
}

# unit: every package, as shipped.
unit() { go test -vet=off -count=1 $(go list ./... | grep -v /pagetest); }

# page: the page in a browser, which needs the machine for itself.
page() { go test -vet=off -count=1 -timeout 20m ./daemon/web/pagetest; }

# reference: the mathematics and the model in plain Go and float64, without C.
reference() { CGO_ENABLED=0 go test -vet=off -count=1 ./kernels/... ./daemon/understand/...; }

# race: the race detector, on the packages in which something runs beside
# something else or is locked. checkptr, which comes with it, stops a Go binding
# of PortAudio that keeps numbers in pointers. The tests of the whole program and of
# its page are left out: what they look at is a program of its own, and the packages
# that it consists of have tests for this.
race() {
	local -x GOFLAGS="$GOFLAGS -buildmode=exe" # go has no -race with pie
	local packages
	packages=$(grep -rlE --include='*.go' --exclude-dir=pagetest --exclude-dir=sensed --exclude-dir=gemma4 '^\s+go [a-zA-Z_.]+[({]|"sync(/atomic)?"' daemon devices kernels | xargs -n1 dirname | sort -u | sed 's|^|./|')
	# The mathematics of the model, which the race detector slows down tenfold, is
	# left alone; what is done with it at the same time or given up midway comes after.
	go test -race -vet=off -count=1 -gcflags=github.com/gordonklaus/portaudio=-d=checkptr=0 -gcflags=sensed/kernels/gemma4=-race=false $packages || return 1
	go test -race -vet=off -count=1 -run 'Session|Hear|Listen|Cancel|Close|Concurrent|Fork' ./kernels/gemma4
}

# sanitize: the C kernels with every access to memory and every undefined
# operation checked. -w: gcc warns wrongly about code that it has instrumented.
# -O1, behind the flags in the source: with -O3 gcc takes minutes for what it has
# instrumented, and the checks are the same.
sanitize() {
	printf '#!/bin/sh\nexec gcc "$@" -O1\n' >"$work/cc" && chmod 755 "$work/cc" || return 1
	CC=$work/cc CGO_CFLAGS="-g1 -w -fsanitize=undefined -fno-sanitize-recover=undefined" CGO_LDFLAGS="-fsanitize=undefined" \
		go test -asan -vet=off -count=1 ./kernels
}

# fuzz: each fuzz test on some inputs. They are counted, because Go sometimes
# takes the end of a time for a failure (golang/go#75804). Without C, as what is
# fuzzed is Go.
fuzz() {
	local package name bad=0
	while read -r package; do
		CGO_ENABLED=0 go test -c -fuzz=. -o "$work/fuzz.test" "$package" || return 1
		while read -r name; do
			echo "$package $name"
			(cd "$package" && "$work/fuzz.test" -test.run '^$' -test.fuzz "^$name\$" -test.fuzztime "${FUZZTIME:-3000x}" \
				-test.fuzzminimizetime 1000x -test.fuzzcachedir "$work/fuzz/$package") >"$work/fuzz.log" 2>&1 && continue
			cat "$work/fuzz.log"
			bad=1
		done < <(grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$package"/*_test.go | sed 's/func //')
	done < <(grep -rlE --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u)
	return $bad
}

# arm64: the tests of the kernels, compiled for the Raspberry Pi and run by an
# emulator: as a Pi 4 (no dot products), as a Pi 5 and as what may come after.
# The programs are linked statically, so the emulator needs no arm64 system.
arm64() {
	local package name cpu
	for package in kernels kernels/gguf kernels/tokenizer; do
		name=$work/$(basename "$package").arm64
		CC=aarch64-linux-gnu-gcc CGO_ENABLED=1 GOARCH=arm64 go test -c -buildmode=exe -ldflags '-extldflags -static' -o "$name" "./$package" || return 1
	done
	for cpu in cortex-a72 cortex-a76 max; do
		emulate "$cpu" kernels || return 1
	done
	for package in kernels/gguf kernels/tokenizer; do
		emulate cortex-a76 "$package" || return 1
	done
}

emulate() { # CPU PACKAGE
	echo "$2 on $1:"
	(cd "$2" && timeout -s KILL 600 qemu-aarch64 -cpu "$1" "$work/$(basename "$2").arm64" -test.short)
}

# build: what people build, and the whole of it without cgo for the board.
build() {
	bash deploy/build.sh "$work/sensed" || return 1
	CGO_ENABLED=0 GOARCH=arm64 go build -o "$work/sensed.arm64" ./daemon/sensed
}

# boards: the program itself, as the processors of Raspberry Pis, on recorded cases.
boards() { bash deploy/qemu.sh; }

# devices: the tests of real devices, in a guest that has them (deploy/docs/guest.md).
devices() {
	local share=$work/guest package
	for package in devices/v4l2 devices/portaudio devices/gpio daemon/app daemon/sensed deploy/packagetest; do
		mkdir -p "$share/$package"
		go test -c -tags guest -o "$share/$package/guest.test" "./$package" || return 1
	done
	bash deploy/vm/packages.sh "$share/deploy/packagetest" || return 1
	dpkg-deb --fsys-tarfile "$share/deploy/packagetest/sensed_1_amd64.deb" | tar -xO ./usr/bin/sensed >"$share/daemon/sensed/sensed" || return 1
	chmod 755 "$share/daemon/sensed/sensed"
	mkdir -p "$share/deploy/models/tiny"
	cp -r deploy/models/tiny/samples "$share/deploy/models/tiny/" || return 1
	cp deploy/vm/devices.sh "$share/" || return 1
	chmod -R a+rX "$work" # a test there is run by nobody
	bash deploy/vm/vm.sh run -t 1200 "$share" bash devices.sh
}

# recipe: how the bundled model is made, from seeds to GGUF files and figures, with
# little data and few steps. Its Python takes 6 GB; SENSED_RECIPE is the folder that
# keeps it.
recipe() { bash deploy/models/tiny/recipe/run.sh --quick --work "${SENSED_RECIPE:-$work/recipe}"; }

failed=()
step() {
	local start=$SECONDS
	echo "=== $1"
	if "$1"; then
		echo "=== $1: passed in $((SECONDS - start)) s"
	else
		echo "=== $1: FAILED after $((SECONDS - start)) s"
		failed+=("$1")
	fi
}

steps=(format vet build unit page reference race sanitize fuzz arm64 boards devices)
optional=(recipe) # only when they are named
for name in "$@"; do
	if [[ " ${steps[*]} ${optional[*]} " != *" $name "* ]]; then
		echo "There is no step $name. There are: ${steps[*]}, and only when named: ${optional[*]}" >&2
		exit 2
	fi
done
for name in "${@:-${steps[@]}}"; do
	step "$name"
done
if ((${#failed[@]})); then
	echo "FAILED: ${failed[*]}"
	exit 1
fi
echo "All passed in $SECONDS s."
