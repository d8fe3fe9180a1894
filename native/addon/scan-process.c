// SPDX-License-Identifier: Apache-2.0
/* One process: every table of descriptors that its threads have, and what is mapped. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/kcmp.h>
#include <sys/syscall.h>

#include "scan.h"

#define CLOCK_STEPS 32

static bool is_gone(int error)
{
	return error == ENOENT || error == ESRCH;
}

struct process {
	struct scan_target target;
	/* One thread of each table that was read to its end, in kcmp's order. */
	struct ids tables;
	bool has_mappings;
};

static struct scan *scan_of(const struct process *process)
{
	return process->target.worker->scan;
}

/* *whole: there were files, and none vanished. */
static bool read_files(struct process *process, int dir, pid_t thread, bool *whole)
{
	struct scan *scan = scan_of(process);
	char buffer[SCAN_ENTRY_BYTES] __attribute__((aligned(8)));
	bool missing = false, device = false, any = false;
	unsigned int steps = 0;
	char info[64] = "";
	size_t prefix = snprintf(info, sizeof(info), "task/%d/fdinfo/", (int)thread);
	long length;

	while ((length = syscall(SYS_getdents64, dir, buffer, sizeof(buffer))) > 0) {
		char *at = buffer;

		for (; at < buffer + length; at += ((struct scan_entry *)at)->length) {
			const char *name = ((struct scan_entry *)at)->name;

			if (*name == '.')
				continue;
			strncpy(info + prefix, name, sizeof(info) - 1 - prefix);
			if (!scan_file(&process->target, dir, name, info, &missing, &device))
				return false;
			if (++steps % CLOCK_STEPS == 0 && scan_is_late(scan))
				return false;
			any = true;
		}
	}
	if (length < 0 && !is_gone(errno))
		return scan_failed(scan, process->target.pid, "its open files", errno);
	*whole = any && !missing && length == 0;
	return true;
}

/*
 * Where the thread's table belongs among those that were read. *known: it is one of them. Threads that share a table are told by kcmp(2), which
 * compares the kernel's own pointers. Where it is not permitted, or a thread has ended, the table counts as another one and is read.
 */
static size_t find_table(const struct process *process, pid_t thread, bool *known)
{
	size_t low = 0, high = process->tables.count;

	*known = false;
	while (scan_of(process)->may_compare && low < high) {
		size_t middle = (low + high) / 2;
		long order = syscall(SYS_kcmp, process->tables.values[middle], thread, KCMP_FILES, 0, 0);

		if (order == 0) {
			*known = true;
			return middle;
		}
		if (order == 1)
			low = middle + 1;
		else if (order == 2)
			high = middle;
		else
			break;
	}
	return low;
}

static bool read_table(struct process *process, pid_t thread)
{
	struct ids *tables = &process->tables;
	char path[64];
	bool known, ok, whole = false;
	size_t at = find_table(process, thread, &known);
	int dir;

	if (known)
		return true;
	snprintf(path, sizeof(path), "task/%d/fd", (int)thread);
	dir = openat(process->target.dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return is_gone(errno) || scan_failed(scan_of(process), process->target.pid, "its open files", errno);
	ok = read_files(process, dir, thread, &whole);
	close(dir);
	/* A thread that ended half-way leaves its table to the others that share it: they read it themselves. */
	if (!ok || !whole || !scan_of(process)->may_compare)
		return ok;
	if (!ids_push(tables, thread))
		return scan_failed(scan_of(process), process->target.pid, "its open files", ENOMEM);
	memmove(tables->values + at + 1, tables->values + at, (tables->count - 1 - at) * sizeof(*tables->values));
	tables->values[at] = thread;
	return true;
}

/* All threads have the same memory, but one that has ended, the first one included, shows none of it. */
static bool read_mappings(struct process *process, pid_t thread)
{
	return process->has_mappings || scan_mappings(&process->target, thread, &process->has_mappings);
}

/* Threads that begin meanwhile are read, too, until a look finds no new one. */
static bool read_threads(struct process *process, int tasks)
{
	struct ids before = { 0 }, now = { 0 };
	bool fresh = true, ok = true;
	int rc = 0;

	while (ok && fresh && (rc = ids_list(tasks, &now)) == 0) {
		size_t i;

		fresh = false;
		for (i = 0; ok && i < now.count; i++) {
			if (ids_have(&before, now.values[i]))
				continue;
			fresh = true;
			ok = read_table(process, now.values[i]) && read_mappings(process, now.values[i]) && !scan_is_late(scan_of(process));
		}
		free(before.values);
		before = now;
		now = (struct ids){ 0 };
	}
	free(before.values);
	free(now.values);
	if (ok && rc && !is_gone(-rc))
		return scan_failed(scan_of(process), process->target.pid, "its threads", -rc);
	return ok;
}

bool scan_process(struct scan_worker *worker, pid_t pid)
{
	struct scan *scan = worker->scan;
	struct process process = { .target = { .worker = worker, .pid = pid } };
	char name[16];
	int tasks;
	bool ok = true;

	snprintf(name, sizeof(name), "%d", (int)pid);
	process.target.dir = openat(scan->root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (process.target.dir < 0)
		return is_gone(errno) || scan_failed(scan, pid, "its folder", errno);
	tasks = openat(process.target.dir, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tasks >= 0) {
		ok = read_threads(&process, tasks);
		close(tasks);
	} else if (!is_gone(errno)) {
		ok = scan_failed(scan, pid, "its threads", errno);
	}
	close(process.target.dir);
	free(process.tables.values);
	return ok;
}
