#!/usr/bin/env bash
# Builds Debian packages: dist/sensed_VERSION_ARCH.deb.
#
#   bash deploy/package.sh                 for this machine's processor and, on amd64, for arm64
#   bash deploy/package.sh amd64|arm64...  for some
#
# One commit gives the same bytes in every folder and at every time. VERSION is
# the one of `sensed version` in Debian's words, MAINTAINER who made the commit
# and SOURCE_DATE_EPOCH when; a tree without git must be told all three. DIST
# (dist) is where the packages go.
set -euo pipefail
cd "$(dirname "$0")/.."
source deploy/setup.sh
find_go
umask 022
export LC_ALL=C TZ=UTC

die() {
	echo "package: $*" >&2
	exit 1
}

host=$(go env GOARCH)
archs=("$@")
if ((!$#)); then
	archs=("$host")
	[[ $host != amd64 ]] || archs+=(arm64)
fi
needs=$needs_demo
for arch in "${archs[@]}"; do
	case $host:$arch in
	"$host:$host") ;;
	amd64:arm64) needs+=$needs_arm64 ;;
	*:amd64 | *:arm64) die "packages for $arch are built on amd64 or on $arch, and this is $host" ;;
	*) die "there are packages for amd64 and arm64, not for $arch" ;;
	esac
done
setup "$needs"
command -v objdump >/dev/null || die "there is no objdump: apt-get install binutils"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dist=${DIST:-dist}
mkdir -p "$dist"

# build makes work/sensed.ARCH, without what only a debugger needs.
build() { # ARCH
	local cross=()
	if [[ $1 != "$host" ]]; then
		cross=(CC=aarch64-linux-gnu-gcc PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig)
	fi
	env GOARCH="$1" CGO_ENABLED=1 GOFLAGS="${GOFLAGS:-} '-ldflags=-s -w'" "${cross[@]}" bash deploy/build.sh "$work/sensed.$1"
}

# licences says who owns what is linked into the program, and on which terms.
licences() {
	local path version dir file
	cat <<-END
		sensed is licensed under the Apache License, version 2.0, whose text is in
		/usr/share/common-licenses/Apache-2.0 on Debian systems. The demonstration model
		inside the program belongs to sensed. The program also contains:
	END
	while read -r path version dir; do
		printf '\n=== %s %s\n' "$path" "$version"
		for file in "$dir"/{LICEN[CS]E,COPYING,NOTICE}*; do
			[[ -f $file ]] || continue
			if grep -q 'TERMS AND CONDITIONS FOR USE' "$file" && grep -q 'Apache License' "$file"; then
				echo "Apache License, version 2.0: /usr/share/common-licenses/Apache-2.0"
			else
				cat "$file"
			fi
		done
	done < <(
		echo "Go $(go env GOVERSION) $(go env GOROOT)"
		go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./daemon/sensed | sort -u
	)
}

manual() {
	local date
	date=$(date -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%d)
	"$work/sensed.$host" help | sed 's/\\/\\e/g; s/^[.'"'"']/\\\&&/; s/-/\\-/g' >"$work/help"
	sed -e "/@HELP@/{
		r $work/help
		d
	}" -e "s/@VERSION@/$VERSION/; s/@DATE@/$date/" deploy/deb/sensed.1
}

changelog() {
	cat <<-END
		sensed ($VERSION) unstable; urgency=medium

		  * Built from commit $commit.

		 -- $MAINTAINER  $(date -R -d "@$SOURCE_DATE_EPOCH")
	END
}

build "$host"
commit=$(git rev-parse HEAD 2>/dev/null) || commit=unknown
if [[ -z ${VERSION:-} ]]; then
	# v1.2.3-0.20261129... comes before 1.2.3, which Debian writes with a ~.
	VERSION=$(go version -m "$work/sensed.$host" | awk '$1 == "mod" {print substr($3, 2)}' | tr - '~')
	[[ $VERSION == [0-9]* ]] || die "git says no version here: set VERSION"
fi
if [[ $commit != unknown ]]; then
	: "${MAINTAINER:=$(git log -1 --format='%cn <%ce>')}" "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct)}"
fi
[[ -n ${MAINTAINER:-} && -n ${SOURCE_DATE_EPOCH:-} ]] || die "there is no git here: set MAINTAINER and SOURCE_DATE_EPOCH"
export VERSION MAINTAINER SOURCE_DATE_EPOCH
licences >"$work/copyright"
manual | gzip -9n >"$work/sensed.1.gz"
changelog | gzip -9n >"$work/changelog.gz"
go build -modfile=deploy/tools.mod -o "$work/nfpm" github.com/goreleaser/nfpm/v2/cmd/nfpm

for arch in "${archs[@]}"; do
	[[ $arch == "$host" ]] || build "$arch"
	export ARCH=$arch STAGE=$work/$arch
	DESTDIR=$STAGE PREFIX=/usr SENSED=$work/sensed.$arch bash deploy/install.sh >/dev/null
	doc=$STAGE/usr/share/doc/sensed
	rm "$doc/LICENSE" # copyright says it
	install -m 644 "$work/copyright" "$work/changelog.gz" "$doc/"
	install -D -m 644 "$work/sensed.1.gz" "$STAGE/usr/share/man/man1/sensed.1.gz"
	find "$STAGE" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	# The newest symbol of the C library that the program asks for.
	GLIBC=$(objdump -T "$work/sensed.$arch" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -n1)
	export GLIBC=${GLIBC#GLIBC_}
	"$work/nfpm" package --config deploy/deb/nfpm.yaml --packager deb --target "$dist/sensed_${VERSION}_$arch.deb" >"$work/log" || { cat "$work/log" >&2; die "nfpm failed"; }
	echo "$dist/sensed_${VERSION}_$arch.deb"
done
