// SPDX-License-Identifier: Apache-2.0
/* The numbers that a folder of procfs lists: processes, or the threads of one. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/syscall.h>

#include "scan.h"

bool ids_push(struct ids *ids, pid_t id)
{
	pid_t *more;

	if (ids->count == ids->room) {
		more = realloc(ids->values, (2 * ids->room + 64) * sizeof(*more));
		if (!more)
			return false;
		ids->values = more;
		ids->room = 2 * ids->room + 64;
	}
	ids->values[ids->count++] = id;
	return true;
}

static int by_number(const void *left, const void *right)
{
	pid_t a = *(const pid_t *)left, b = *(const pid_t *)right;

	return (a > b) - (a < b);
}

bool ids_have(const struct ids *ids, pid_t id)
{
	return ids->count && bsearch(&id, ids->values, ids->count, sizeof(id), by_number);
}

int ids_list(int dir, struct ids *ids)
{
	char buffer[SCAN_ENTRY_BYTES] __attribute__((aligned(8)));
	long length;

	ids->count = 0;
	if (lseek(dir, 0, SEEK_SET) < 0)
		return -errno;
	while ((length = syscall(SYS_getdents64, dir, buffer, sizeof(buffer))) > 0) {
		char *at = buffer;

		while (at < buffer + length) {
			struct scan_entry *entry = (struct scan_entry *)at;
			char *end;
			long id = strtol(entry->name, &end, 10);

			if (!*end && id > 0 && !ids_push(ids, id))
				return -ENOMEM;
			at += entry->length;
		}
	}
	if (length < 0)
		return -errno;
	if (ids->count)
		qsort(ids->values, ids->count, sizeof(*ids->values), by_number);
	return 0;
}
