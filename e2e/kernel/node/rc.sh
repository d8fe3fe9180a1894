#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the node starts by itself at each boot: its mounts, its network, containerd, kubelet. /etc/node holds what differs between nodes.
. /etc/node/settings
mount -t tmpfs -o mode=755 run /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
# Kubelet and containerd want mounts of pods to be seen by everybody.
mount --make-rshared /
mkdir -p /run/cdi /run/lock
hostname "$NODE_NAME"
sh -e /etc/node/network
echo 1 > /proc/sys/net/ipv4/ip_forward

# Without a service manager: a program that ends is started again.
keep() {
  while :; do
    "$@" >> "/var/log/$(basename "$1").log" 2>&1 < /dev/null
    sleep 1
  done
}
keep /usr/bin/containerd --config /etc/containerd/config.toml &
(
  while ! [ -S "$CONTAINERD_SOCKET" ]; do sleep 0.1; done
  keep $KUBELET
) &
