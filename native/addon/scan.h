/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks through every process for open device nodes. Everything is compared by device number: a node may have any path.
 *
 * What it reads: the descriptors of every thread that has a table of its own, files that are mapped (their descriptor may be closed), and files
 * registered with an io_uring. What no file in /proc shows, it cannot see: descriptors in flight over a socket (SCM_RIGHTS), rings without a
 * descriptor (IORING_SETUP_REGISTERED_FD_ONLY), and files that the kernel itself keeps (KVM's VFIO device).
 */
#ifndef ADDON_SCAN_H
#define ADDON_SCAN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <linux/types.h>

enum scan_kind {
	SCAN_NODE, /* A node with a number that was asked for, open or mapped; text: its path. */
	SCAN_REGISTERED, /* A file that an io_uring keeps; text: what the kernel calls it. It shows no number. */
	SCAN_ANONYMOUS, /* A VFIO device that was opened through its group; text: its path in sysfs, or empty. */
};

struct scan_number {
	__u32 major;
	bool any_minor;
	__u32 minor;
};

struct scan_found {
	pid_t pid;
	enum scan_kind kind;
	__u32 major, minor;
	char *text;
};

struct scan {
	/* In: where procfs is mounted, what to look for, and until when (CLOCK_MONOTONIC). */
	const char *proc;
	const struct scan_number *wanted;
	size_t wanted_count;
	__u64 deadline_ns;
	/* Out: everything found; complete when problem is empty. cpu_ns: of all threads. */
	struct scan_found *found;
	size_t found_count, found_room;
	char problem[192];
	__u64 files, cpu_ns;
	/* Inside. */
	int root;
	bool may_compare; /* kcmp(2) names the same threads as this procfs. */
	__u32 anonymous_major, anonymous_minor;
	pthread_mutex_t lock; /* Of found, problem, files and cpu_ns. */
	atomic_bool is_over;
};

/* Keys of mapped files that are no devices. */
struct scan_keys {
	__u64 *values;
	size_t count, room;
};

/* What getdents64(2) gives. */
#define SCAN_ENTRY_BYTES 32768
struct scan_entry {
	__u64 ino;
	__s64 next;
	unsigned short length;
	unsigned char type;
	char name[];
};

struct ids {
	pid_t *values;
	size_t count, room;
};

/* One thread of a scan. */
struct scan_worker {
	struct scan *scan;
	struct scan_keys plain;
	__u64 files;
};

/* A process that is read. */
struct scan_target {
	struct scan_worker *worker;
	pid_t pid;
	int dir;
};

/* Runs to the end, the deadline or the first thing that cannot be read, on this thread and a few more. */
void scan_run(struct scan *scan);
void scan_free(struct scan *scan);

/* Inside: scan.c has the threads and the list of processes, scan-process.c reads one, scan-maps.c what it has mapped, scan-file.c judges one file. */

bool ids_push(struct ids *ids, pid_t id);
bool ids_have(const struct ids *ids, pid_t id);
/* The numeric names in a folder, sorted. 0 or -errno. */
int ids_list(int dir, struct ids *ids);
/* False: the scan is over. So do all that follow. */
bool scan_process(struct scan_worker *worker, pid_t pid);

/* Keeps the first problem; always false, which ends the scan. */
bool scan_failed(struct scan *scan, pid_t pid, const char *what, int error);
bool scan_is_late(struct scan *scan);
bool scan_find_anonymous(struct scan *scan);
/*
 * `name` in the folder `dir`. `info`: its fdinfo below the process's folder; empty for a mapping. *missing is set when it is gone, *device when its
 * kind is one that counts.
 */
bool scan_file(struct scan_target *target, int dir, const char *name, const char *info, bool *missing, bool *device);
/* The mapped files, as `thread` shows them. *whole: there were some, and none vanished. */
bool scan_mappings(struct scan_target *target, pid_t thread, bool *whole);

#endif
