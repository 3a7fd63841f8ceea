#!/bin/busybox sh
# The initrd's program: finds the root disk and goes on there.
b=/bin/busybox
$b mount -t devtmpfs dev /dev
for module in $($b cat /modules/list); do
	$b insmod /modules/$module
done
i=0
while [ ! -b /dev/vda ] && [ $i -lt 200 ]; do
	$b sleep .05
	i=$((i + 1))
done
$b mount -t ext4 -o noatime /dev/vda /root && exec $b switch_root /root /sbin/init
