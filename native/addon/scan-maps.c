// SPDX-License-Identifier: Apache-2.0
/*
 * The mapped files of a process: a device stays open while it is mapped, whatever became of the descriptor. The text of `maps` is cheap and has no
 * device numbers; map_files has them and is dear. So each file is looked at there once: all processes have the same libraries mapped.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scan.h"

#define TEXT_BYTES 65536

/* FNV-1a of what tells a file: device and inode of its file system, and its path. Never 0. */
static __u64 key_of(const char *text)
{
	__u64 hash = 0xcbf29ce484222325ULL;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3ULL;
	return hash | 1;
}

static size_t place_of(const struct scan_keys *keys, __u64 key)
{
	size_t at = (key >> 8) & (keys->room - 1);

	while (keys->values[at] && keys->values[at] != key)
		at = (at + 1) & (keys->room - 1);
	return at;
}

static bool has_key(const struct scan_keys *keys, __u64 key)
{
	return keys->room && keys->values[place_of(keys, key)] == key;
}

/* Without memory for it the file is looked at again next time. */
static void add_key(struct scan_keys *keys, __u64 key)
{
	struct scan_keys larger = { .count = keys->count, .room = keys->room ? 2 * keys->room : 1024 };
	size_t i;

	if (2 * keys->count >= keys->room) {
		larger.values = calloc(larger.room, sizeof(*larger.values));
		if (!larger.values)
			return;
		for (i = 0; i < keys->room; i++) {
			if (keys->values[i])
				larger.values[place_of(&larger, keys->values[i])] = keys->values[i];
		}
		free(keys->values);
		*keys = larger;
	}
	keys->values[place_of(keys, key)] = key;
	keys->count++;
}

struct mappings {
	struct scan_target *target;
	int files; /* map_files */
	bool any, missing;
};

/* "7f00-7f01 r--p 00000000 fd:00 1234    /usr/lib/libc.so.6": what has no file has inode 0. */
static bool read_line(struct mappings *mappings, const char *line)
{
	struct scan_worker *worker = mappings->target->worker;
	unsigned long long first, end, inode;
	bool missing = false, device = false;
	char name[48];
	int file = 0;
	__u64 key;

	if (sscanf(line, "%llx-%llx %*s %*s %n%*s %llu", &first, &end, &file, &inode) != 3)
		return scan_failed(worker->scan, mappings->target->pid, "its mappings", EPROTO);
	mappings->any = true;
	if (!inode)
		return true;
	key = key_of(line + file);
	if (has_key(&worker->plain, key))
		return true;
	snprintf(name, sizeof(name), "%llx-%llx", first, end);
	if (!scan_file(mappings->target, mappings->files, name, "", &missing, &device))
		return false;
	mappings->missing |= missing;
	if (!missing && !device)
		add_key(&worker->plain, key);
	return true;
}

/* A path may be longer than any buffer: what does not fit is cut off, which only makes another key of it. */
static bool read_text(struct mappings *mappings, int fd)
{
	struct scan *scan = mappings->target->worker->scan;
	char text[TEXT_BYTES];
	size_t have = 0;
	ssize_t got;

	while ((got = read(fd, text + have, sizeof(text) - 1 - have)) > 0) {
		char *line = text, *end;

		have += got;
		text[have] = 0;
		for (; (end = strchr(line, '\n')); line = end + 1) {
			*end = 0;
			if (!read_line(mappings, line))
				return false;
		}
		have -= line - text;
		memmove(text, line, have);
		if (have == sizeof(text) - 1 || scan_is_late(scan))
			return scan_failed(scan, mappings->target->pid, "its mappings", have ? E2BIG : ETIME);
	}
	if (got < 0 && errno != ESRCH && errno != ENOENT)
		return scan_failed(scan, mappings->target->pid, "its mappings", errno);
	mappings->missing |= got < 0;
	return true;
}

bool scan_mappings(struct scan_target *target, pid_t thread, bool *whole)
{
	struct scan *scan = target->worker->scan;
	struct mappings mappings = { .target = target };
	char path[48];
	bool ok = true;
	int maps;

	*whole = false;
	snprintf(path, sizeof(path), "%d/maps", (int)thread);
	maps = openat(scan->root, path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "%d/map_files", (int)thread);
	mappings.files = maps < 0 ? -1 : openat(scan->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mappings.files >= 0)
		ok = read_text(&mappings, maps);
	else if (errno != ENOENT && errno != ESRCH)
		ok = scan_failed(scan, target->pid, "its mappings", errno);
	if (maps >= 0)
		close(maps);
	if (mappings.files >= 0)
		close(mappings.files);
	*whole = mappings.any && !mappings.missing;
	return ok;
}
