// SPDX-License-Identifier: Apache-2.0
/* The driver over the device node: one ioctl per call. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "backend.h"
#include "system.h"

struct device {
	struct backend backend;
	int fd;
	int stop;
};

static struct device *of(struct backend *backend)
{
	return (struct device *)backend;
}

static int call(struct backend *backend, unsigned long command, void *argument)
{
	return node_ioctl(of(backend)->fd, command, argument) < 0 ? -errno : 0;
}

static int device_info(struct backend *backend, struct tdx_iommu_info *info)
{
	return call(backend, TDX_IOMMU_IOC_INFO, info);
}

#define FIRST_CAPACITY 256U

/* Grows until the whole table fits; a table that grows meanwhile just takes another turn. */
static int device_list(struct backend *backend, struct tdx_iommu_list *list, struct tdx_iommu_unit **units)
{
	__u32 capacity = FIRST_CAPACITY;
	int rc;

	for (;;) {
		*units = calloc(capacity, sizeof(**units));
		if (!*units)
			return -ENOMEM;
		*list = (struct tdx_iommu_list){ .size = sizeof(*list), .entry_size = sizeof(**units), .capacity = capacity };
		list->entries = (__u64)(unsigned long)*units;
		rc = call(backend, TDX_IOMMU_IOC_LIST, list);
		if (!rc && list->total <= capacity)
			return 0;
		free(*units);
		*units = NULL;
		if (rc)
			return rc;
		capacity = list->total;
	}
}

static int device_setup(struct backend *backend, struct tdx_iommu_setup *setup)
{
	return call(backend, TDX_IOMMU_IOC_SETUP, setup);
}

static int device_clear(struct backend *backend, struct tdx_iommu_clear *clear)
{
	return call(backend, TDX_IOMMU_IOC_CLEAR, clear);
}

static int device_wait(struct backend *backend)
{
	struct pollfd fds[2] = {
		{ .fd = of(backend)->fd, .events = POLLIN },
		{ .fd = of(backend)->stop, .events = POLLIN },
	};

	while (node_poll(fds, 2, -1) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	if (fds[1].revents)
		return -ECANCELED;
	return fds[0].revents & POLLIN ? 0 : -EIO;
}

static void device_interrupt(struct backend *backend)
{
	eventfd_write(of(backend)->stop, 1);
}

static void device_destroy(struct backend *backend)
{
	struct device *device = of(backend);

	node_close(device->fd);
	close(device->stop);
	free(device);
}

static const struct backend_ops device_ops = {
	.info = device_info,
	.list = device_list,
	.setup = device_setup,
	.clear = device_clear,
	.wait = device_wait,
	.interrupt = device_interrupt,
	.destroy = device_destroy,
	.blocking = 1,
};

int device_open(const char *path, int writable, struct backend **backend)
{
	struct device *device = calloc(1, sizeof(*device));
	int rc = 0;

	if (!device)
		return -ENOMEM;
	device->backend.ops = &device_ops;
	device->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (device->stop < 0) {
		rc = -errno;
		free(device);
		return rc;
	}
	device->fd = node_open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (device->fd < 0) {
		rc = -errno;
		close(device->stop);
		free(device);
		return rc;
	}
	*backend = &device->backend;
	return 0;
}
