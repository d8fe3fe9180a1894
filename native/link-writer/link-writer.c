// SPDX-License-Identifier: Apache-2.0
/*
 * Writes one attribute of a function's tsm/ group, and says how that ended.
 *
 *   link-writer DIRECTORY connect|disconnect TSM awake|asleep PARENT
 *
 * DIRECTORY is the function's, below /sys/bus/pci/devices; PARENT is the pid that this process must have as its parent. Prints `ok`,
 * `open ERRNO` or `write ERRNO`.
 *
 * The write holds a lock of the whole kernel while SPDM and IDE are set up, and cannot be killed meanwhile. So it is made by a process
 * that has nothing open. It must not begin once the agent that decided on it is gone: another agent may have decided on something
 * else by then.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ARGUMENTS 6

static int answer(const char *word, int error)
{
	const char *name = error == 0 ? NULL : strerrorname_np(error);

	if (error == 0)
		printf("%s\n", word);
	else if (name != NULL)
		printf("%s %s\n", word, name);
	else
		printf("%s E%d\n", word, error);
	return fflush(stdout) == 0 ? 0 : 1;
}

/* @return 0, or the errno; *where says what failed */
static int write_attribute(const char *directory, const char *attribute, const char *text,
			   const char **where)
{
	char path[PATH_MAX];
	ssize_t written;
	int file, error;

	*where = "open";
	if (snprintf(path, sizeof(path), "%s/%s", directory, attribute) >= (int)sizeof(path))
		return ENAMETOOLONG;
	file = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (file < 0)
		return errno;
	*where = "write";
	written = write(file, text, strlen(text));
	error = written < 0 ? errno : 0;
	close(file);
	return error;
}

/* Dies with its parent, and does nothing when that is gone already. */
static int is_orphan(const char *parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		return 1;
	return getppid() != atoi(parent);
}

int main(int argc, char **argv)
{
	const char *where = "open";
	char attribute[32];
	int error, is_connect, is_awake;

	/* Nothing of the agent's: a write that hangs would keep it. */
	if (syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0) != 0 && errno != ENOSYS)
		return 1;
	if (argc != ARGUMENTS || is_orphan(argv[5]))
		return 2;
	is_connect = strcmp(argv[2], "connect") == 0;
	is_awake = strcmp(argv[4], "awake") == 0;
	if ((!is_connect && strcmp(argv[2], "disconnect") != 0) ||
	    (!is_awake && strcmp(argv[4], "asleep") != 0))
		return 2;
	/* Waking resets some devices, and nothing saves their IDE registers. A device without power management is awake. */
	if (is_awake)
		write_attribute(argv[1], "power/control", "on", &where);
	snprintf(attribute, sizeof(attribute), "tsm/%s", argv[2]);
	error = write_attribute(argv[1], attribute, argv[3], &where);
	if (error == 0 && !is_awake)
		write_attribute(argv[1], "power/control", "auto", &where);
	return answer(error == 0 ? "ok" : where, error);
}
