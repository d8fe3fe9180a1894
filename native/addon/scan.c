// SPDX-License-Identifier: Apache-2.0
/* All processes, read by a few threads, until the end, the deadline or the first thing that cannot be read. */
#define _GNU_SOURCE
#include "scan.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/stat.h>

#define HELPERS 3
#define WORTH_HELPERS 64 /* processes */
#define HELPER_STACK (512 * 1024)

static __u64 now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* Always false. */
static bool end(struct scan *scan, const char *problem)
{
	pthread_mutex_lock(&scan->lock);
	if (!*scan->problem)
		snprintf(scan->problem, sizeof(scan->problem), "%s", problem);
	pthread_mutex_unlock(&scan->lock);
	atomic_store(&scan->is_over, true);
	return false;
}

bool scan_failed(struct scan *scan, pid_t pid, const char *what, int error)
{
	char words[96], problem[sizeof(scan->problem)];

	snprintf(problem, sizeof(problem), "process %d, %.80s: %s", (int)pid, what, strerror_r(error, words, sizeof(words)));
	return end(scan, problem);
}

static bool no_processes(struct scan *scan, int error)
{
	char words[96], problem[sizeof(scan->problem)];

	snprintf(problem, sizeof(problem), "the processes in %.64s: %s", scan->proc, strerror_r(error, words, sizeof(words)));
	return end(scan, problem);
}

bool scan_is_late(struct scan *scan)
{
	if (atomic_load(&scan->is_over))
		return true;
	if (now_ns(CLOCK_MONOTONIC) < scan->deadline_ns)
		return false;
	end(scan, "the open files of all processes could not be read in time");
	return true;
}

/* Processes to read, which the threads of the scan take one by one. */
struct round {
	struct scan *scan;
	const struct ids *ids;
	atomic_size_t next;
};

static void *work(void *argument)
{
	struct round *round = argument;
	struct scan_worker worker = { .scan = round->scan };
	__u64 before = now_ns(CLOCK_THREAD_CPUTIME_ID);
	bool ok = true;
	size_t at;

	while (ok && (at = atomic_fetch_add(&round->next, 1)) < round->ids->count)
		ok = scan_process(&worker, round->ids->values[at]);
	free(worker.plain.values);
	pthread_mutex_lock(&round->scan->lock);
	round->scan->files += worker.files;
	round->scan->cpu_ns += now_ns(CLOCK_THREAD_CPUTIME_ID) - before;
	pthread_mutex_unlock(&round->scan->lock);
	return NULL;
}

/* Signals stay with the threads that expect them. A thread that can't be had is done without. */
static int start_helpers(struct round *round, pthread_t helpers[HELPERS])
{
	long most = sysconf(_SC_NPROCESSORS_ONLN) - 1;
	sigset_t all, before;
	pthread_attr_t attributes;
	int count = 0;

	if (round->ids->count < WORTH_HELPERS)
		return 0;
	sigfillset(&all);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, HELPER_STACK);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (count < HELPERS && count < most && pthread_create(&helpers[count], &attributes, work, round) == 0)
		count++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return count;
}

static bool read_round(struct scan *scan, const struct ids *ids)
{
	struct round round = { .scan = scan, .ids = ids };
	pthread_t helpers[HELPERS];
	int count = start_helpers(&round, helpers);

	work(&round);
	while (count > 0)
		pthread_join(helpers[--count], NULL);
	return !atomic_load(&scan->is_over);
}

/* Processes that begin meanwhile are read, too, until a look finds no new one: a process may give its files to a child and end. */
static bool read_processes(struct scan *scan)
{
	struct ids before = { 0 }, now = { 0 }, fresh = { 0 };
	bool ok = true;
	int rc;

	do {
		size_t i;

		rc = ids_list(scan->root, &now);
		fresh.count = 0;
		for (i = 0; !rc && i < now.count; i++) {
			if (!ids_have(&before, now.values[i]) && !ids_push(&fresh, now.values[i]))
				rc = -ENOMEM;
		}
		free(before.values);
		before = now;
		now = (struct ids){ 0 };
		ok = !rc && read_round(scan, &fresh);
	} while (ok && fresh.count);
	/* A real /proc always has process 1. */
	if (!rc && !before.count)
		rc = -ENOENT;
	free(before.values);
	free(fresh.values);
	return rc ? no_processes(scan, -rc) : ok;
}

/* kcmp(2) takes the numbers of this process's own PID namespace, which may be another than that of the procfs. */
static bool may_compare(const struct scan *scan)
{
	struct stat first, own;

	return fstatat(scan->root, "1/ns/pid", &first, 0) == 0 && fstatat(scan->root, "self/ns/pid", &own, 0) == 0 &&
	       first.st_ino == own.st_ino && first.st_dev == own.st_dev;
}

void scan_run(struct scan *scan)
{
	pthread_mutex_init(&scan->lock, NULL);
	scan->root = open(scan->proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (scan->root < 0) {
		no_processes(scan, errno);
	} else {
		scan->may_compare = may_compare(scan);
		if (scan_find_anonymous(scan))
			read_processes(scan);
		close(scan->root);
	}
	pthread_mutex_destroy(&scan->lock);
}

void scan_free(struct scan *scan)
{
	size_t i;

	for (i = 0; i < scan->found_count; i++)
		free(scan->found[i].text);
	free(scan->found);
}
