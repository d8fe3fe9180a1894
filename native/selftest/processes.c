// SPDX-License-Identifier: GPL-2.0
/* Several processes, rights, and callers that die. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest.h"

#define SLOW_MS 3000

/* Runs `body` in a child and gives its exit code; 0 is well. */
static int in_child(int (*body)(int), int fd)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		return -1;
	if (child == 0)
		_exit(body(fd));
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static void one_writer_and_many_readers(void)
{
	int readers[32], fd = device_open(O_RDWR), i;

	CHECK(fd >= 0);
	CHECK_ERRNO(device_open(O_RDWR), EBUSY);
	CHECK_ERRNO(device_open(O_WRONLY), EBUSY);
	for (i = 0; i < 32; i++) {
		readers[i] = device_open(O_RDONLY);
		CHECK(readers[i] >= 0);
		CHECK(first_unit(readers[i]).reg_base);
	}
	close(fd);
	fd = device_open(O_RDWR);
	CHECK(fd >= 0);
	close(fd);
	for (i = 0; i < 32; i++)
		close(readers[i]);
}

static void readers_change_nothing(void)
{
	struct tdx_iommu_setup setup;
	struct tdx_iommu_clear clear;
	struct tdx_iommu_unit unit;
	int fd = device_open(O_RDONLY);

	CHECK(fd >= 0);
	unit = first_unit(fd);
	CHECK_ERRNO(call_setup(fd, unit.reg_base, &setup), EBADF);
	CHECK_ERRNO(call_clear(fd, &unit, &clear), EBADF);
	close(fd);
}

static int lists(int fd)
{
	return first_unit(fd).reg_base ? 0 : 1;
}

static int opens_to_write(int unused)
{
	int fd = device_open(O_RDWR);

	(void)unused;
	return fd < 0 && errno == EBUSY ? 0 : 1;
}

static void a_forked_descriptor_is_the_same_writer(void)
{
	int fd = device_open(O_RDWR);
	pid_t child;
	int status;

	CHECK(fd >= 0);
	CHECK(in_child(lists, fd) == 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		pause();
		_exit(0);
	}
	close(fd);
	CHECK(in_child(opens_to_write, -1) == 0);
	kill(child, SIGKILL);
	CHECK(waitpid(child, &status, 0) == child);
	fd = device_open(O_RDWR);
	CHECK(fd >= 0);
	close(fd);
}

#define NOBODY 65534

static int without_rights(int fd)
{
	struct tdx_iommu_info info;

	if (setuid(NOBODY))
		return 1;
	if (call_info(fd, &info) != -1 || errno != EPERM)
		return 2;
	if (device_open(O_RDONLY) != -1)
		return 3;
	return errno == EPERM || errno == EACCES ? 0 : 4;
}

static void every_call_wants_the_right(void)
{
	int fd = device_open(O_RDONLY);

	CHECK(fd >= 0);
	CHECK(in_child(without_rights, fd) == 0);
	close(fd);
}

static int sets_up(int fd)
{
	struct tdx_iommu_setup setup;

	return call_setup(fd, first_unit(fd).reg_base, &setup) == 0 ? 0 : 1;
}

/* Waits until the unit is SETTING_UP. */
static int has_begun(int fd)
{
	double end = seconds_now() + 10;

	while (seconds_now() < end) {
		struct pollfd one = { .fd = fd, .events = POLLIN };

		if (first_unit(fd).state == TDX_IOMMU_SETTING_UP)
			return 1;
		poll(&one, 1, 1000);
	}
	return 0;
}

static void clear_now(int fd)
{
	struct tdx_iommu_unit unit = first_unit(fd);
	struct tdx_iommu_clear clear;

	CHECK(call_clear(fd, &unit, &clear) == 0 && clear.outcome == TDX_IOMMU_DONE);
	CHECK(module_says("pages_owned ") == 0 && module_says("corrupted ") == 0);
}

static void readers_do_not_wait_for_a_slow_setup(void)
{
	struct tdx_iommu_info info;
	int fd = device_open(O_RDWR), reader = device_open(O_RDONLY), status, i;
	double begun;
	pid_t child;

	CHECK(fd >= 0 && reader >= 0);
	CHECK(script("fault", "leaf=setup delay_ms=3000") == 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0)
		_exit(sets_up(fd));
	CHECK(has_begun(reader));
	begun = seconds_now();
	for (i = 0; i < 100; i++)
		CHECK(first_unit(reader).state == TDX_IOMMU_SETTING_UP && call_info(reader, &info) == 0);
	CHECK(seconds_now() - begun < SLOW_MS / 2 / 1000.0);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK(first_unit(reader).state == TDX_IOMMU_TRUSTED);
	clear_now(fd);
	close(reader);
	close(fd);
}

static void a_killed_caller_goes_and_its_setup_does_not(void)
{
	unsigned long long calls = module_says("setup_calls ");
	int fd = device_open(O_RDWR), reader = device_open(O_RDONLY), status;
	struct tdx_iommu_setup setup;
	double killed;
	pid_t child;

	CHECK(fd >= 0 && reader >= 0);
	CHECK(script("fault", "leaf=setup delay_ms=3000") == 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0)
		_exit(sets_up(fd));
	CHECK(has_begun(reader));
	killed = seconds_now();
	kill(child, SIGKILL);
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(seconds_now() - killed < 1);
	CHECK(first_unit(reader).state == TDX_IOMMU_SETTING_UP);
	/* The same again joins what is under way. */
	CHECK(call_setup(fd, first_unit(fd).reg_base, &setup) == 0);
	CHECK(setup.unit.state == TDX_IOMMU_TRUSTED);
	CHECK(module_says("setup_calls ") == calls + 1);
	clear_now(fd);
	close(reader);
	close(fd);
}

const struct test process_tests[] = {
	{ "one writer and many readers", one_writer_and_many_readers },
	{ "readers change nothing", readers_change_nothing },
	{ "a forked descriptor is the same writer", a_forked_descriptor_is_the_same_writer },
	{ "every call wants CAP_SYS_ADMIN", every_call_wants_the_right },
	{ "readers do not wait for a slow SETUP", readers_do_not_wait_for_a_slow_setup },
	{ "a killed caller goes and its SETUP does not", a_killed_caller_goes_and_its_setup_does_not },
	{ NULL, NULL },
};
