#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# The first process of a node's VM, from the archive in memory: what stands between a kernel without drivers and the node's own disk.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do
  insmod "/modules/$module" || echo "not loaded: $module"
done
for i in $(seq 100); do
  [ -b /dev/vda ] && break
  sleep 0.1
done
mkdir -p /disk
mount -t ext4 /dev/vda /disk || exit 1
umount /dev /proc
exec switch_root /disk /init
