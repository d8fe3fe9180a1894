// SPDX-License-Identifier: Apache-2.0
/*
 * A stand-in for the device node, linked into the addon instead of the four system calls on it: the "path" is a simulator's state
 * directory, and ioctl and poll answer as the kernel module would, from table and simulator.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "../backend.h"
#include "../system.h"

struct node {
	struct node *next;
	struct backend *backend;
	int fd; /* stands for the open file: a real descriptor, so that numbers are real */
	int users;
	bool resuming;
	pthread_t resumer;
	pthread_mutex_t ordered;
	pthread_mutex_t reading;
};

static pthread_mutex_t nodes_lock = PTHREAD_MUTEX_INITIALIZER;
static struct node *nodes;

static struct node *use(int fd)
{
	struct node *node;

	pthread_mutex_lock(&nodes_lock);
	for (node = nodes; node && node->fd != fd; node = node->next)
		;
	if (node)
		node->users++;
	pthread_mutex_unlock(&nodes_lock);
	return node;
}

static void leave(struct node *node)
{
	int left;

	pthread_mutex_lock(&nodes_lock);
	left = --node->users;
	pthread_mutex_unlock(&nodes_lock);
	if (left)
		return;
	node->backend->ops->destroy(node->backend);
	pthread_mutex_destroy(&node->ordered);
	pthread_mutex_destroy(&node->reading);
	free(node);
}

static int answer(int rc)
{
	if (rc >= 0)
		return rc;
	errno = -rc;
	return -1;
}

/* The kernel finishes what was under way; here the opener's stand-in for it does. */
static void *resume_main(void *argument)
{
	struct node *node = argument;

	pthread_mutex_lock(&node->ordered);
	node->backend->ops->resume(node->backend);
	pthread_mutex_unlock(&node->ordered);
	return NULL;
}

int shim_open(const char *path, int flags)
{
	struct node *node = calloc(1, sizeof(*node));
	int rc;

	if (!node)
		return answer(-ENOMEM);
	rc = simulated_open(path, (flags & O_ACCMODE) == O_RDWR, &node->backend);
	if (rc) {
		free(node);
		return answer(rc);
	}
	node->fd = eventfd(0, EFD_CLOEXEC);
	node->users = 1;
	pthread_mutex_init(&node->ordered, NULL);
	pthread_mutex_init(&node->reading, NULL);
	pthread_mutex_lock(&nodes_lock);
	node->next = nodes;
	nodes = node;
	if ((flags & O_ACCMODE) == O_RDWR)
		node->resuming = pthread_create(&node->resumer, NULL, resume_main, node) == 0;
	pthread_mutex_unlock(&nodes_lock);
	return node->fd;
}

/* A driver built before CLEAR had not_after; for tests that load it. */
static bool is_version_1(void)
{
	return getenv("TDX_IOMMU_SHIM_VERSION_1") != NULL;
}

/* Copies to the caller as the kernel does: at most its capacity, and the total. */
static int list(struct node *node, struct tdx_iommu_list *list)
{
	struct tdx_iommu_unit *units = NULL;
	struct tdx_iommu_list asked = *list;
	int rc;

	if (list->size != sizeof(*list) || list->flags || list->entry_size != sizeof(*units))
		return -EINVAL;
	rc = node->backend->ops->list(node->backend, list, &units);
	if (rc)
		return rc;
	list->size = asked.size;
	list->capacity = asked.capacity;
	list->entries = asked.entries;
	list->count = list->total < asked.capacity ? list->total : asked.capacity;
	memcpy((void *)(unsigned long)asked.entries, units, list->count * sizeof(*units));
	free(units);
	return 0;
}

static int info(struct node *node, struct tdx_iommu_info *info)
{
	int rc;

	if (info->size != sizeof(*info) || info->flags)
		return -EINVAL;
	rc = node->backend->ops->info(node->backend, info);
	if (is_version_1()) {
		info->abi_version = 1;
		info->flags &= ~TDX_IOMMU_INFO_NOT_AFTER;
	}
	return rc;
}

static int read_only(struct node *node, unsigned long command, void *argument)
{
	int rc;

	pthread_mutex_lock(&node->reading);
	rc = command == TDX_IOMMU_IOC_INFO ? info(node, argument) : list(node, argument);
	pthread_mutex_unlock(&node->reading);
	return rc;
}

static int clear(struct node *node, struct tdx_iommu_clear *clear)
{
	if (clear->size != sizeof(*clear) || clear->flags)
		return -EINVAL;
	if (is_version_1() && clear->not_after)
		return -E2BIG;
	return node->backend->ops->clear(node->backend, clear);
}

static int ordered(struct node *node, unsigned long command, void *argument)
{
	struct tdx_iommu_setup *setup = argument;
	int rc;

	pthread_mutex_lock(&node->ordered);
	if (command == TDX_IOMMU_IOC_SETUP)
		rc = setup->size == sizeof(*setup) && !setup->flags ? node->backend->ops->setup(node->backend, setup) : -EINVAL;
	else
		rc = clear(node, argument);
	pthread_mutex_unlock(&node->ordered);
	return rc;
}

int shim_ioctl(int fd, unsigned long command, void *argument)
{
	struct node *node = use(fd);
	int rc;

	if (!node)
		return answer(-EBADF);
	switch (command) {
	case TDX_IOMMU_IOC_INFO:
	case TDX_IOMMU_IOC_LIST:
		rc = read_only(node, command, argument);
		break;
	case TDX_IOMMU_IOC_SETUP:
	case TDX_IOMMU_IOC_CLEAR:
		rc = ordered(node, command, argument);
		break;
	default:
		rc = -ENOTTY;
	}
	leave(node);
	return answer(rc);
}

int shim_poll(struct pollfd *fds, nfds_t count, int timeout)
{
	struct node *node = use(fds[0].fd);
	int rc;

	(void)timeout;
	if (!node || count != 2)
		return answer(-EBADF);
	rc = simulated_wait(node->backend, fds[1].fd);
	fds[0].revents = rc ? 0 : POLLIN;
	fds[1].revents = rc == -ECANCELED ? POLLIN : 0;
	leave(node);
	return rc && rc != -ECANCELED ? answer(rc) : 1;
}

int shim_close(int fd)
{
	struct node *node = use(fd), **at;

	if (!node)
		return answer(-EBADF);
	pthread_mutex_lock(&nodes_lock);
	for (at = &nodes; *at != node; at = &(*at)->next)
		;
	*at = node->next;
	pthread_mutex_unlock(&nodes_lock);
	node->backend->ops->interrupt(node->backend);
	/* A kernel's open files don't outlive their close for that. */
	if (node->resuming)
		pthread_join(node->resumer, NULL);
	close(node->fd);
	leave(node);
	leave(node);
	return 0;
}
