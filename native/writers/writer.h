/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the helper processes share that write attributes of a PCI function. Such a write may wait in the kernel, and cannot be killed meanwhile. So it is
 * made by a process that has nothing open. It must not begin once the agent that decided on it is gone: another agent may have decided on something
 * else by then.
 */
#ifndef WRITER_H
#define WRITER_H

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

/* Prints `ok` (no error) or `WORD ERRNO`. @return exit code */
static inline int answer(const char *word, int error)
{
	const char *name = error == 0 ? NULL : strerrorname_np(error);

	if (error == 0)
		printf("ok\n");
	else if (name != NULL)
		printf("%s %s\n", word, name);
	else
		printf("%s E%d\n", word, error);
	return fflush(stdout) == 0 ? 0 : 1;
}

/* *is_open tells whether the file could be opened. @return 0, or the errno */
static inline int write_file(const char *directory, const char *file_name, const char *text,
			     int *is_open)
{
	char path[PATH_MAX];
	ssize_t written;
	int file, error;

	*is_open = 0;
	if (snprintf(path, sizeof(path), "%s/%s", directory, file_name) >= (int)sizeof(path))
		return ENAMETOOLONG;
	file = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (file < 0)
		return errno;
	*is_open = 1;
	written = write(file, text, strlen(text));
	error = written < 0 ? errno : 0;
	close(file);
	return error;
}

/*
 * Lets go of everything of the agent's: a write that hangs would keep it. Dies with its parent from now on.
 *
 * @return 0; anything else when it could not, or the parent is gone already
 */
static inline int stand_alone(const char *parent)
{
	if (syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0) != 0 && errno != ENOSYS)
		return 1;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		return 1;
	return getppid() != atoi(parent);
}

#endif
