#!/bin/bash
# The guest's half of `vm.sh run`: shared folders, devices, the command, power off.
until [[ -e /dev/virtio-ports/vm.output ]]; do sleep .1; done
exec 3> >(exec cat >/dev/virtio-ports/vm.output)
output=$!
exec </dev/null >&3 2>&1
mkdir -p /run/vm
mount -t 9p -o trans=virtio,version=9p2000.L control /run/vm || systemctl poweroff -ff
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=mmap share /mnt

# Cameras: three with one input of a webcam each; the last one speaks the
# interface with several planes.
modprobe vivid n_devs=3 node_types=0x1,0x1,0x1 num_inputs=1,1,1 input_types=0x0,0x0,0x0 multiplanar=1,1,2
# A sound card: what is played on device 0 is recorded from device 1.
modprobe snd-aloop index=0 pcm_substreams=1
# A bus on which some chips keep what is written to them.
modprobe i2c-dev
modprobe i2c-stub chip_addr=0x20,0x48,0x50,0x76
# A chip with 8 pins. A test drives an input by the file pull of its sim_gpioN.
modprobe gpio-sim
chip=/sys/kernel/config/gpio-sim/sim
mkdir -p $chip/bank0
echo 8 >$chip/bank0/num_lines
for i in 0 1 2 3 4 5 6 7; do
	mkdir $chip/bank0/line$i
	echo GPIO$((i + 20)) >$chip/bank0/line$i/name
done
echo 1 >$chip/live
udevadm settle -t 20
timeout 60 systemctl is-system-running --wait >/dev/null

cd /mnt
bash /run/vm/command 3>&-
echo $? >/run/vm/code
exec >&- 2>&- 3>&-
for _ in 1 2 3 4 5 6 7 8 9 10; do # a daemon that was left running may hold the pipe
	kill -0 $output && sleep .1
done
sync
systemctl poweroff -ff
