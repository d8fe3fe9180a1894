// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel's own news: devices, units, TSMs and VFIO nodes come, go and change drivers (netlink, NETLINK_KOBJECT_UEVENT). A handle over it
 * can only wait. Lossy: an overrun of the socket counts as news.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "backend.h"

#define KERNEL_GROUP 1 /* what udev sends itself is in group 2 */
#define MESSAGE 8192

struct uevents {
	struct backend backend;
	int fd;
	int stop;
};

static struct uevents *of(struct backend *backend)
{
	return (struct uevents *)backend;
}

/* Lines "KEY=value", each ended by a zero. */
static bool is_ours(const char *message, size_t length)
{
	static const char *const subsystems[] = {
		"SUBSYSTEM=pci", "SUBSYSTEM=iommu", "SUBSYSTEM=tsm", "SUBSYSTEM=vfio-dev", "SUBSYSTEM=vfio", "DEVNAME=tdx_iommu",
	};
	const char *line, *end = message + length;
	size_t i;

	for (line = message; line < end; line += strnlen(line, end - line) + 1) {
		for (i = 0; i < sizeof(subsystems) / sizeof(subsystems[0]); i++) {
			if (strcmp(line, subsystems[i]) == 0)
				return true;
		}
	}
	return false;
}

/* Takes everything that is there. Whether something of it is news. */
static bool drain(int fd)
{
	char message[MESSAGE + 1];
	bool news = false;

	for (;;) {
		struct sockaddr_nl from = { 0 };
		socklen_t size = sizeof(from);
		ssize_t length = recvfrom(fd, message, MESSAGE, MSG_DONTWAIT, (struct sockaddr *)&from, &size);

		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0 && errno == ENOBUFS) {
			news = true;
			continue;
		}
		if (length < 0)
			return news;
		message[length] = 0;
		/* Port 0 is the kernel; anybody may send to a socket. */
		if (from.nl_pid == 0 && is_ours(message, length))
			news = true;
	}
}

static int uevents_wait(struct backend *backend)
{
	struct pollfd fds[2] = {
		{ .fd = of(backend)->fd, .events = POLLIN },
		{ .fd = of(backend)->stop, .events = POLLIN },
	};

	for (;;) {
		if (poll(fds, 2, -1) < 0) {
			if (errno != EINTR)
				return -errno;
			continue;
		}
		if (fds[1].revents)
			return -ECANCELED;
		if (fds[0].revents && drain(of(backend)->fd))
			return 0;
	}
}

static void uevents_interrupt(struct backend *backend)
{
	eventfd_write(of(backend)->stop, 1);
}

static void uevents_destroy(struct backend *backend)
{
	struct uevents *uevents = of(backend);

	close(uevents->fd);
	close(uevents->stop);
	free(uevents);
}

static int no_info(struct backend *backend, struct tdx_iommu_info *info)
{
	(void)backend, (void)info;
	return -ENOTSUP;
}

static int no_list(struct backend *backend, struct tdx_iommu_list *list, struct tdx_iommu_unit **units)
{
	(void)backend, (void)list, (void)units;
	return -ENOTSUP;
}

static int no_setup(struct backend *backend, struct tdx_iommu_setup *setup)
{
	(void)backend, (void)setup;
	return -ENOTSUP;
}

static int no_clear(struct backend *backend, struct tdx_iommu_clear *clear)
{
	(void)backend, (void)clear;
	return -ENOTSUP;
}

static const struct backend_ops uevents_ops = {
	.info = no_info,
	.list = no_list,
	.setup = no_setup,
	.clear = no_clear,
	.wait = uevents_wait,
	.interrupt = uevents_interrupt,
	.destroy = uevents_destroy,
};

int uevents_open(struct backend **backend)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };
	struct uevents *uevents = calloc(1, sizeof(*uevents));
	int rc;

	if (!uevents)
		return -ENOMEM;
	uevents->backend.ops = &uevents_ops;
	uevents->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uevents->fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	if (uevents->stop >= 0 && uevents->fd >= 0 && bind(uevents->fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
		*backend = &uevents->backend;
		return 0;
	}
	rc = -errno;
	if (uevents->fd >= 0)
		close(uevents->fd);
	if (uevents->stop >= 0)
		close(uevents->stop);
	free(uevents);
	return rc;
}
