// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char magic[8] = "tdxsim2";

int store_random(void *to, size_t bytes)
{
	return getrandom(to, bytes, 0) == (ssize_t)bytes ? 0 : -EIO;
}

static int open_in(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : fd;
}

int store_open(struct store *store, const char *path, int stop)
{
	int rc;

	memset(store, 0, sizeof(*store));
	store->stop = stop;
	store->lock = store->memory = -1;
	store->table = (struct tdx_table){ .ops = &store_table_ops, .ctx = store };
	store->sim.memory = &store_sim_memory;
	store->sim.ctx = store;
	store->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store->dir < 0)
		return -errno;
	rc = store->lock = open_in(store->dir, "state.lock");
	if (rc >= 0)
		rc = store->memory = open_in(store->dir, "memory");
	if (rc >= 0)
		return 0;
	store_close(store);
	return rc;
}

void store_close(struct store *store)
{
	if (store->memory >= 0)
		close(store->memory);
	if (store->lock >= 0)
		close(store->lock);
	if (store->dir >= 0)
		close(store->dir);
	free(store->buffer);
	free(store->saved);
	memset(store, 0, sizeof(*store));
	store->dir = store->lock = store->memory = -1;
}

static size_t aligned(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

size_t store_size(const struct store_header *header)
{
	return aligned(sizeof(*header)) + aligned(sizeof(struct tdx_table_head)) + header->unit_count * aligned(sizeof(struct tdx_unit)) +
	       aligned(sizeof(struct sim_head)) + header->unit_count * aligned(sizeof(struct sim_unit)) +
	       aligned(header->page_count * sizeof(struct sim_page)) + aligned(header->page_count);
}

/* Points everything into the buffer. */
static void bind(struct store *store)
{
	char *at = store->buffer;

	store->header = (struct store_header *)at;
	at += aligned(sizeof(*store->header));
	store->table.head = (struct tdx_table_head *)at;
	at += aligned(sizeof(*store->table.head));
	store->table.units = (struct tdx_unit *)at;
	at += store->header->unit_count * aligned(sizeof(struct tdx_unit));
	store->sim.head = (struct sim_head *)at;
	at += aligned(sizeof(*store->sim.head));
	store->sim.units = (struct sim_unit *)at;
	at += store->header->unit_count * aligned(sizeof(struct sim_unit));
	store->sim.pages = (struct sim_page *)at;
	at += aligned(store->header->page_count * sizeof(struct sim_page));
	store->used = (__u8 *)at;
}

static int resize(struct store *store, size_t size)
{
	char *buffer, *saved;

	if (size == store->size)
		return 0;
	buffer = realloc(store->buffer, size);
	if (buffer)
		store->buffer = buffer;
	saved = realloc(store->saved, size);
	if (saved)
		store->saved = saved;
	store->size = buffer && saved ? size : 0;
	return store->size ? 0 : -ENOMEM;
}

static _Thread_local char invalid_field[STORE_FIELD_BYTES];

const char *store_invalid_field(void)
{
	return invalid_field;
}

static int load_from(struct store *store, int fd)
{
	struct store_header header;
	struct stat found;
	int rc;

	if (fstat(fd, &found) || pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    memcmp(header.magic, magic, sizeof(magic)) != 0)
		return -EIO;
	if (store->header && store->header->version == header.version)
		return 0;
	if (!store_check_header(&header, (__u64)found.st_size, invalid_field, sizeof(invalid_field)))
		return -EUCLEAN;
	store->header = NULL;
	rc = resize(store, header.size);
	if (rc)
		return rc;
	if (pread(fd, store->saved, store->size, 0) != (ssize_t)store->size || memcmp(store->saved, &header, sizeof(header)) != 0)
		return -EIO;
	memcpy(store->buffer, store->saved, store->size);
	bind(store);
	if (store_check(store, invalid_field, sizeof(invalid_field)))
		return 0;
	store->header = NULL;
	return -EUCLEAN;
}

int store_load(struct store *store)
{
	int fd, rc;

	fd = openat(store->dir, "state", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -EIO;
	rc = load_from(store, fd);
	close(fd);
	return rc;
}

int store_lock(struct store *store)
{
	while (flock(store->lock, LOCK_EX)) {
		if (errno != EINTR)
			return -EIO;
	}
	return 0;
}

int store_begin(struct store *store)
{
	int rc = store_lock(store);

	if (rc)
		return rc;
	rc = store_load(store);
	if (rc)
		flock(store->lock, LOCK_UN);
	return rc;
}

void store_abort(struct store *store)
{
	store->header = NULL;
	flock(store->lock, LOCK_UN);
}

static int write_all(int fd, const char *from, size_t size)
{
	while (size > 0) {
		ssize_t written = write(fd, from, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return -EIO;
		from += written;
		size -= (size_t)written;
	}
	return 0;
}

static int replace(struct store *store)
{
	int fd = openat(store->dir, "state.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int rc;

	if (fd < 0)
		return -EIO;
	rc = write_all(fd, store->buffer, store->size);
	if (close(fd))
		rc = -EIO;
	if (!rc && renameat(store->dir, "state.new", store->dir, "state"))
		rc = -EIO;
	return rc;
}

int store_commit(struct store *store)
{
	__u32 i;
	int rc;

	for (i = 0; i < store->header->page_count; i++) {
		if (store->used[i] == STORE_FREED_IN_STEP)
			store->used[i] = STORE_FREE;
	}
	if (memcmp(store->buffer, store->saved, store->size) == 0) {
		flock(store->lock, LOCK_UN);
		return 0;
	}
	store->header->version++;
	rc = replace(store);
	if (rc) {
		store_abort(store);
		return rc;
	}
	memcpy(store->saved, store->buffer, store->size);
	flock(store->lock, LOCK_UN);
	return 0;
}

static __u64 first_version(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (__u64)now.tv_sec * 1000000000ULL + (__u64)now.tv_nsec;
}

int store_shape(struct store *store, const struct store_shape *shape)
{
	struct store_header header = { .unit_count = shape->unit_count, .page_count = shape->page_count, .numa_nodes = shape->numa_nodes };
	__u64 generation = 0;
	int rc;

	header.version = first_version();
	if (store_load(store) == 0) {
		generation = store->table.head->generation;
		if (header.version <= store->header->version)
			header.version = store->header->version + 1;
	}
	memcpy(header.magic, magic, sizeof(magic));
	header.size = (__u32)store_size(&header);
	rc = resize(store, header.size);
	if (rc)
		return rc;
	if (ftruncate(store->memory, 0) || ftruncate(store->memory, (off_t)shape->page_count * TDX_PAGE_SIZE))
		return -EIO;
	memset(store->buffer, 0, store->size);
	memset(store->saved, 0, store->size);
	memcpy(store->buffer, &header, sizeof(header));
	bind(store);
	store->table.head->generation = generation;
	return 0;
}
