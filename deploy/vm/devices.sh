#!/bin/bash
# Runs in the guest, in a folder that mirrors the repository: every program
# guest.test there, at its place. deploy/test.sh (step devices) puts them there.
failed=()
for program in $(find . -name guest.test | sort); do
	package=$(dirname "$program")
	echo "--- $package"
	(cd "$package" && ./guest.test -test.run '^TestGuest' -test.timeout 10m) || failed+=("$package")
done
if ((${#failed[@]})); then
	dmesg --level=err,crit,alert,emerg | tail -n 20
	echo "failed in the guest: ${failed[*]}"
	exit 1
fi
