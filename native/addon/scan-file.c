// SPDX-License-Identifier: Apache-2.0
/* One open or mapped file: is it a device that is looked for, or something that may keep one open? */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/eventfd.h>
#include <sys/stat.h>

#include "scan.h"

#define LINK_BYTES 4096
#define RING_TRIES 20
#define EMPTY_TRIES 5
#define RING_PAUSE_NS 100000L
/* More than any honest host has devices: beyond it the result is refused, not kept. */
#define MOST_FOUND 4096

static bool is_known(const struct scan *scan, const struct scan_found *found)
{
	size_t i;

	for (i = 0; i < scan->found_count; i++) {
		const struct scan_found *old = &scan->found[i];

		if (old->pid == found->pid && old->kind == found->kind && old->major == found->major && old->minor == found->minor &&
		    (found->kind == SCAN_NODE || strcmp(old->text, found->text) == 0))
			return true;
	}
	return false;
}

/* Under the lock. 0 or an errno. */
static int keep(struct scan *scan, const struct scan_found *found)
{
	struct scan_found *more;

	if (scan->found_count == scan->found_room) {
		more = realloc(scan->found, (2 * scan->found_room + 16) * sizeof(*more));
		if (!more)
			return ENOMEM;
		scan->found = more;
		scan->found_room = 2 * scan->found_room + 16;
	}
	scan->found[scan->found_count] = *found;
	scan->found[scan->found_count].text = strdup(found->text);
	if (!scan->found[scan->found_count].text)
		return ENOMEM;
	scan->found_count++;
	return 0;
}

static bool add(struct scan *scan, const struct scan_found *found)
{
	int error = 0;

	pthread_mutex_lock(&scan->lock);
	if (!is_known(scan, found))
		error = scan->found_count == MOST_FOUND ? E2BIG : keep(scan, found);
	pthread_mutex_unlock(&scan->lock);
	return !error || scan_failed(scan, found->pid, "what it has open", error);
}

static bool is_wanted(const struct scan *scan, __u32 major, __u32 minor)
{
	size_t i;

	for (i = 0; i < scan->wanted_count; i++) {
		const struct scan_number *wanted = &scan->wanted[i];

		if (wanted->major == major && (wanted->any_minor || wanted->minor == minor))
			return true;
	}
	return false;
}

/* Empty when it is gone meanwhile. */
static const char *link_text(int dir, const char *name, char text[LINK_BYTES])
{
	ssize_t length = readlinkat(dir, name, text, LINK_BYTES - 1);

	text[length < 0 ? 0 : length] = 0;
	return text;
}

/* The last part of a path, or a bare name, that can be a VFIO node's: vfio3, or the number of a group. */
static bool is_vfio_name(const char *text)
{
	const char *slash = strrchr(text, '/');
	const char *name = slash ? slash + 1 : text;

	if (strncmp(name, "vfio", 4) == 0)
		name += 4;
	else if (slash && !(slash - text >= 5 && strncmp(slash - 5, "/vfio", 5) == 0))
		return false;
	if (!isdigit((unsigned char)*name))
		return false;
	while (isdigit((unsigned char)*name))
		name++;
	/* What was unlinked while open says so behind the name, with the space escaped. */
	return *name == 0 || *name == ' ' || *name == '\\';
}

enum ring { RING_HIDDEN, RING_EMPTY, RING_SHOWN };

/*
 * Lines "    3: /dev/vfio/devices/vfio3" (before 6.13: the last part alone) below "UserFiles:\t8". The kernel leaves them out while the ring is busy;
 * since 6.16 the head line, too. Since 6.13 it leaves out free places, so that a head line alone may also be a table with nothing in it.
 */
static bool read_ring(struct scan *scan, pid_t pid, FILE *file, enum ring *ring)
{
	char *line = NULL;
	size_t room = 0;
	long count = -1, seen = 0;
	bool ok = true;

	while (ok && getline(&line, &room, file) > 0) {
		char *colon = strchr(line, ':');
		char *digits = line + strspn(line, " ");

		line[strcspn(line, "\n")] = 0;
		if (strncmp(line, "UserFiles:", 10) == 0) {
			count = strtol(line + 10, NULL, 10);
		} else if (count >= 0 && colon && *digits && digits + strspn(digits, "0123456789") == colon) {
			seen++;
			colon += 1 + strspn(colon + 1, " ");
			if (is_vfio_name(colon))
				ok = add(scan, &(struct scan_found){ .pid = pid, .kind = SCAN_REGISTERED, .text = colon });
		} else if (count >= 0) {
			break;
		}
	}
	free(line);
	*ring = count == 0 || seen > 0 ? RING_SHOWN : count > 0 ? RING_EMPTY : RING_HIDDEN;
	return ok;
}

static FILE *open_info(int process, const char *info)
{
	int fd = openat(process, info, O_RDONLY | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");

	if (fd >= 0 && !file)
		close(fd);
	return file;
}

/* A list that is empty each time is an empty one. */
static bool look_into_ring(struct scan *scan, pid_t pid, int process, const char *info)
{
	int tries, empty = 0;

	for (tries = 0; tries < RING_TRIES && empty < EMPTY_TRIES; tries++) {
		const struct timespec pause = { .tv_nsec = RING_PAUSE_NS };
		FILE *file = open_info(process, info);
		enum ring ring;
		bool ok;

		if (!file && errno != ENOENT && errno != ESRCH)
			return scan_failed(scan, pid, "the registered files of an io_uring", errno);
		if (!file)
			return true; /* It was closed. */
		ok = read_ring(scan, pid, file, &ring);
		fclose(file);
		if (!ok || ring == RING_SHOWN)
			return ok;
		if (scan_is_late(scan))
			return false;
		empty += ring == RING_EMPTY;
		nanosleep(&pause, NULL);
	}
	return empty == EMPTY_TRIES || scan_failed(scan, pid, "the registered files of an io_uring", EBUSY);
}

/* Kernels since 6.18 say in fdinfo which device it is. */
static bool look_at_device(struct scan *scan, pid_t pid, int process, const char *info)
{
	static const char key[] = "vfio-device-syspath:";
	char *line = NULL, text[LINK_BYTES] = "";
	FILE *file = *info ? open_info(process, info) : NULL;
	size_t room = 0;

	while (file && getline(&line, &room, file) > 0) {
		line[strcspn(line, "\n")] = 0;
		if (strncmp(line, key, sizeof(key) - 1) == 0)
			snprintf(text, sizeof(text), "%s", line + sizeof(key) - 1 + strspn(line + sizeof(key) - 1, " \t"));
	}
	free(line);
	if (file)
		fclose(file);
	return add(scan, &(struct scan_found){ .pid = pid, .kind = SCAN_ANONYMOUS, .text = text });
}

static bool look_at_anonymous(struct scan_target *target, int dir, const char *name, const char *info, bool *device)
{
	struct scan *scan = target->worker->scan;
	char text[LINK_BYTES];

	link_text(dir, name, text);
	*device = strcmp(text, "anon_inode:[vfio-device]") == 0;
	if (*device)
		return look_at_device(scan, target->pid, target->dir, info);
	if (*info && strcmp(text, "anon_inode:[io_uring]") == 0)
		return look_into_ring(scan, target->pid, target->dir, info);
	return true;
}

/* All anonymous files have one file system, whatever kind of file a kernel says that they are. */
bool scan_find_anonymous(struct scan *scan)
{
	struct statx st;
	int fd = eventfd(0, EFD_CLOEXEC);
	bool ok = fd >= 0 && statx(fd, "", AT_EMPTY_PATH, 0, &st) == 0;
	int error = errno;

	if (fd >= 0)
		close(fd);
	if (!ok)
		return scan_failed(scan, getpid(), "an anonymous file of its own", error);
	scan->anonymous_major = st.stx_dev_major;
	scan->anonymous_minor = st.stx_dev_minor;
	return true;
}

static bool unanswered(struct scan_target *target, int dir, const char *name, int error, bool *missing)
{
	struct scan *scan = target->worker->scan;
	char text[LINK_BYTES];

	if (error == ENOENT || error == ESRCH) {
		*missing = true;
		return true;
	}
	if (error == EACCES || error == EPERM)
		return scan_failed(scan, target->pid, "a file that it has open or mapped", error);
	if (!is_vfio_name(link_text(dir, name, text)))
		return true;
	return scan_failed(scan, target->pid, text, error);
}

/*
 * Asks for no field and no syncing: type and number come without, and a file system whose server is gone is not asked. One that fails all the same
 * is judged by name: device nodes are on file systems that always answer.
 */
bool scan_file(struct scan_target *target, int dir, const char *name, const char *info, bool *missing, bool *device)
{
	struct scan *scan = target->worker->scan;
	struct scan_found found = { .pid = target->pid, .kind = SCAN_NODE };
	char text[LINK_BYTES];
	struct statx st;

	target->worker->files++;
	if (statx(dir, name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, 0, &st))
		return unanswered(target, dir, name, errno, missing);
	if (st.stx_dev_major == scan->anonymous_major && st.stx_dev_minor == scan->anonymous_minor)
		return look_at_anonymous(target, dir, name, info, device);
	*device = S_ISCHR(st.stx_mode) && is_wanted(scan, st.stx_rdev_major, st.stx_rdev_minor);
	if (!*device)
		return true;
	found.major = st.stx_rdev_major;
	found.minor = st.stx_rdev_minor;
	link_text(dir, name, text);
	found.text = text;
	return add(scan, &found);
}
