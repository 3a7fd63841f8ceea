#!/bin/bash
# Runs in the root of arm64.sh: the life of the package on arm64, without systemd.
set -euo pipefail
cd /mnt
config=/etc/sensed/sensed.yaml

want() { # WHAT GOT WANT
	[[ $2 == "$3" ]] || { echo "$1: $2, want $3" >&2; exit 1; }
}
version() { dpkg-query --show --showformat '${db:Status-Status} ${Version}' sensed; }

dpkg --install sensed_1_arm64.deb
want "installed" "$(version)" "installed 1"
want "the configuration" "$(stat -c '%a %U:%G' $config)" "640 root:sensed"
want "its groups" "$(id -Gn sensed | tr ' ' '\n' | sort | xargs)" "audio gpio i2c sensed spi video"
want "enabled" "$(readlink /etc/systemd/system/multi-user.target.wants/sensed.service)" /lib/systemd/system/sensed.service
sensed version
runuser -u sensed -- sensed run --check --config $config
words=$(runuser -u sensed -- sensed infer --image scene1.png)
echo "$words"
[[ $words == *bus* ]] || { echo "there is no bus in: $words" >&2; exit 1; }

echo '# mine' >>$config
dpkg --force-confold --install sensed_2_arm64.deb
want "upgraded" "$(version)" "installed 2"
want "my line" "$(tail -n1 $config)" "# mine"
dpkg --force-confold --install sensed_1_arm64.deb
want "downgraded" "$(version)" "installed 1"
dpkg --remove sensed
want "removed" "$(version)" "config-files 1"
want "my line" "$(tail -n1 $config)" "# mine"
mkdir -p /var/{lib,cache}/sensed
dpkg --purge sensed
for path in /etc/sensed /var/lib/sensed /var/cache/sensed /usr/bin/sensed /etc/systemd/system/multi-user.target.wants/sensed.service; do
	[[ ! -e $path ]] || { echo "still there: $path" >&2; exit 1; }
done
echo "The package lived and went on $(uname -m)."
