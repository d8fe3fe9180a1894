#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# The first process of a test VM. Carries out what comes on the second serial port: a line `ID BASE64(commands)`, answered by
# `ID EXITCODE BASE64(output)`. The first port is the kernel's.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t debugfs debug /sys/kernel/debug
mkdir -p /run /tmp /var/lib /dev/pts /dev/shm
mount -t tmpfs tmpfs /dev/shm
mount -t devpts pts /dev/pts
ip link set lo up
export PATH=/bin:/usr/bin HOME=/root
echo /bin/busybox > /proc/sys/kernel/modprobe
stty -F /dev/ttyS1 raw -echo
# What a machine that is more than a test's own starts by itself.
[ ! -x /etc/rc ] || /etc/rc > /dev/console 2>&1
# Not in this process: what a command leaves behind becomes a child of the first process, and its end would cut a read short.
serve() {
  exec 3<> /dev/ttyS1
  echo "ready 0 $(uname -r | base64)" >&3
  while read -r id commands <&3; do
    echo "$commands" | base64 -d > /run/commands
    sh /run/commands > /run/output 2>&1 3>&- < /dev/null
    code=$?
    echo "$id $code $(base64 /run/output | tr -d '\n')" >&3
  done
}
serve &
while :; do
  wait
  sleep 1
done
