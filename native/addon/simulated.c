// SPDX-License-Identifier: Apache-2.0
/*
 * The driver over table and simulator in a state directory. Each thread has a store of its own, so that LIST never waits for a SEAMCALL:
 * it reads the state without any lock, and takes the short one only when the module's identity changed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "backend.h"
#include "store.h"

struct simulated {
	struct backend backend;
	struct store worker;
	struct store reader;
	struct store watcher;
	int writable;
	int writer_lock;
	int stop;
	int inotify;
	int lost; /* the watcher could not read the state, and said so */
	pthread_mutex_t listed_lock;
	int listed;
	__u64 listed_generation;
	__u8 listed_instance[TDX_IOMMU_INSTANCE_BYTES];
};

static struct simulated *of(struct backend *backend)
{
	return (struct simulated *)backend;
}

/* The newest state, with the module's identity looked at. */
static int read_fresh(struct store *store)
{
	int rc = store_load(store);

	if (rc || !tdx_table_stale(&store->table))
		return rc;
	rc = store_begin(store);
	if (rc)
		return rc;
	tdx_table_refresh(&store->table);
	return store_commit(store);
}

static int simulated_info(struct backend *backend, struct tdx_iommu_info *info)
{
	struct store *store = &of(backend)->reader;
	int rc = read_fresh(store);

	if (!rc)
		tdx_table_info(&store->table, info);
	return rc;
}

static void remember_listed(struct simulated *simulated, const struct tdx_iommu_list *list)
{
	pthread_mutex_lock(&simulated->listed_lock);
	simulated->listed = 1;
	simulated->listed_generation = list->generation;
	memcpy(simulated->listed_instance, list->instance, sizeof(list->instance));
	pthread_mutex_unlock(&simulated->listed_lock);
}

static int simulated_list(struct backend *backend, struct tdx_iommu_list *list, struct tdx_iommu_unit **units)
{
	struct store *store = &of(backend)->reader;
	__u32 capacity;
	int rc = read_fresh(store);

	if (rc)
		return rc;
	capacity = store->header->unit_count;
	*units = capacity ? calloc(capacity, sizeof(**units)) : NULL;
	if (capacity && !*units)
		return -ENOMEM;
	tdx_table_fill(&store->table, *units, capacity, list);
	remember_listed(of(backend), list);
	return 0;
}

static int simulated_setup(struct backend *backend, struct tdx_iommu_setup *setup)
{
	return of(backend)->writable ? tdx_table_setup(&of(backend)->worker.table, setup) : -EBADF;
}

static int simulated_clear(struct backend *backend, struct tdx_iommu_clear *clear)
{
	return of(backend)->writable ? tdx_table_clear(&of(backend)->worker.table, clear) : -EBADF;
}

static int simulated_resume(struct backend *backend)
{
	struct store *store = &of(backend)->worker;
	int rc = store_load(store);

	return rc || !of(backend)->writable ? rc : tdx_table_resume(&store->table);
}

static int has_changed(struct simulated *simulated)
{
	struct store *store = &simulated->watcher;
	int same;

	if (tdx_table_stale(&store->table))
		return 1;
	pthread_mutex_lock(&simulated->listed_lock);
	same = simulated->listed && simulated->listed_generation == store->table.head->generation &&
	       memcmp(simulated->listed_instance, store->table.head->instance, TDX_IOMMU_INSTANCE_BYTES) == 0;
	pthread_mutex_unlock(&simulated->listed_lock);
	return !same;
}

static void drain(int fd)
{
	char events[4096];

	while (read(fd, events, sizeof(events)) > 0)
		;
}

/* An unreadable state is one change; after that a slow look from time to time. */
#define LOST_LOOK_MS 1000

int simulated_wait(struct backend *backend, int other)
{
	struct simulated *simulated = of(backend);

	for (;;) {
		struct pollfd fds[3] = {
			{ .fd = simulated->stop, .events = POLLIN },
			{ .fd = simulated->inotify, .events = POLLIN },
			{ .fd = other, .events = POLLIN },
		};
		int unreadable = store_load(&simulated->watcher) != 0;

		if (unreadable ? !simulated->lost : has_changed(simulated) || simulated->lost) {
			simulated->lost = unreadable;
			return 0;
		}
		if (poll(fds, 3, unreadable ? LOST_LOOK_MS : -1) < 0 && errno != EINTR)
			return -EIO;
		if (fds[0].revents || fds[2].revents)
			return -ECANCELED;
		drain(simulated->inotify);
	}
}

static int wait_alone(struct backend *backend)
{
	return simulated_wait(backend, -1);
}

static void simulated_interrupt(struct backend *backend)
{
	eventfd_write(of(backend)->stop, 1);
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void simulated_destroy(struct backend *backend)
{
	struct simulated *simulated = of(backend);

	store_close(&simulated->worker);
	store_close(&simulated->reader);
	store_close(&simulated->watcher);
	close_if_open(simulated->inotify);
	close_if_open(simulated->stop);
	close_if_open(simulated->writer_lock);
	pthread_mutex_destroy(&simulated->listed_lock);
	free(simulated);
}

static const struct backend_ops simulated_ops = {
	.info = simulated_info,
	.list = simulated_list,
	.setup = simulated_setup,
	.clear = simulated_clear,
	.resume = simulated_resume,
	.wait = wait_alone,
	.interrupt = simulated_interrupt,
	.destroy = simulated_destroy,
};

static int take_writer(struct simulated *simulated)
{
	simulated->writer_lock = openat(simulated->reader.dir, "writer.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (simulated->writer_lock < 0)
		return -errno;
	if (flock(simulated->writer_lock, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return 0;
}

static int open_all(struct simulated *simulated, const char *path)
{
	int rc;

	simulated->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	simulated->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (simulated->stop < 0 || simulated->inotify < 0)
		return -errno;
	rc = store_open(&simulated->worker, path, simulated->stop);
	if (!rc)
		rc = store_open(&simulated->reader, path, simulated->stop);
	if (!rc)
		rc = store_open(&simulated->watcher, path, simulated->stop);
	if (rc)
		return rc;
	if (inotify_add_watch(simulated->inotify, path, IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF) < 0)
		return -errno;
	rc = store_load(&simulated->reader);
	return rc || !simulated->writable ? rc : take_writer(simulated);
}

int simulated_open(const char *path, int writable, struct backend **backend)
{
	struct simulated *simulated = calloc(1, sizeof(*simulated));
	int rc;

	if (!simulated)
		return -ENOMEM;
	simulated->backend.ops = &simulated_ops;
	simulated->writable = writable;
	simulated->writer_lock = simulated->stop = simulated->inotify = -1;
	simulated->worker.dir = simulated->reader.dir = simulated->watcher.dir = -1;
	simulated->worker.lock = simulated->reader.lock = simulated->watcher.lock = -1;
	simulated->worker.memory = simulated->reader.memory = simulated->watcher.memory = -1;
	pthread_mutex_init(&simulated->listed_lock, NULL);
	rc = open_all(simulated, path);
	if (rc)
		simulated_destroy(&simulated->backend);
	else
		*backend = &simulated->backend;
	return rc;
}
