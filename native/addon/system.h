/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls on the device node. The shim build replaces them by a stand-in for the node; nothing else differs. */
#ifndef ADDON_SYSTEM_H
#define ADDON_SYSTEM_H

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifdef TDX_IOMMU_SHIM
int shim_open(const char *path, int flags);
int shim_ioctl(int fd, unsigned long command, void *argument);
int shim_poll(struct pollfd *fds, nfds_t count, int timeout);
int shim_close(int fd);
#define node_open shim_open
#define node_ioctl shim_ioctl
#define node_poll shim_poll
#define node_close shim_close
#else
#define node_open open
#define node_ioctl ioctl
#define node_poll poll
#define node_close close
#endif

#endif
