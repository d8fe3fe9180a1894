// SPDX-License-Identifier: Apache-2.0
/*
 * Holds a device node in one of the ways in which a process can: holder WAY NODE. Says "held PID" and stays until it is killed.
 *   open       a descriptor
 *   thread     a descriptor of a thread whose first thread has ended
 *   table      a descriptor in the table of its own that one thread has
 *   mapped     a mapping, without the descriptor
 *   departed   a mapping, without the descriptor and the first thread
 *   ring       a file registered with an io_uring, without the descriptor
 *   shared     nothing itself: many threads and files that share one table (NODE: how many files)
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static const char *node;

static void check(long rc, const char *what)
{
	if (rc < 0) {
		perror(what);
		exit(1);
	}
}

static int open_node(void)
{
	int fd = open(node, O_RDWR | O_CLOEXEC);

	check(fd, node);
	return fd;
}

static void *stay(void *unused)
{
	(void)unused;
	printf("held %d\n", (int)getpid());
	fflush(stdout);
	for (;;)
		pause();
	return NULL;
}

static void map_node(void)
{
	int fd = open_node();

	check(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0, "mmap");
	close(fd);
}

static void *own_table(void *unused)
{
	check(unshare(CLONE_FILES), "unshare");
	open_node();
	return stay(unused);
}

static void register_node(void)
{
	struct io_uring_params params = { 0 };
	int fds[2] = { -1, open_node() };
	int ring = syscall(SYS_io_uring_setup, 4, &params);

	check(ring, "io_uring_setup");
	check(syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, fds, 2), "io_uring_register");
	close(fds[1]);
}

static void *idle(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static void in_thread(void *(*run)(void *))
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 65536);
	check(-pthread_create(&thread, &attributes, run, NULL), "pthread_create");
}

static void share(int files)
{
	struct rlimit most;
	int i;

	check(getrlimit(RLIMIT_NOFILE, &most), "getrlimit");
	most.rlim_cur = most.rlim_max;
	check(setrlimit(RLIMIT_NOFILE, &most), "setrlimit");
	for (i = 0; i < files; i++)
		check(open("/dev/null", O_RDONLY), "/dev/null");
	for (i = 0; i < 50; i++)
		in_thread(idle);
}

int main(int count, char **words)
{
	const char *way = count == 3 ? words[1] : "";

	node = count == 3 ? words[2] : "";
	if (strcmp(way, "open") == 0 || strcmp(way, "thread") == 0)
		open_node();
	else if (strcmp(way, "mapped") == 0 || strcmp(way, "departed") == 0)
		map_node();
	else if (strcmp(way, "ring") == 0)
		register_node();
	else if (strcmp(way, "shared") == 0)
		share(atoi(node));
	else if (strcmp(way, "table") != 0)
		return 2;
	if (strcmp(way, "table") == 0)
		in_thread(own_table);
	else if (strcmp(way, "thread") == 0 || strcmp(way, "departed") == 0)
		in_thread(stay);
	else
		stay(NULL);
	if (strcmp(way, "table") == 0)
		return idle(NULL) != NULL;
	pthread_exit(NULL);
}
